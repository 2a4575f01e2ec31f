// Out of use by hand, and back: a button, and a dialogue that says what follows before anything is done.
import { Button, Modal, SegmentedControl, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, api, unwrap } from "../api/client";
import { modelsQuery, providersQuery } from "../api/queries";
import type { Drain } from "../api/types";
import { CopyButton } from "../parts/CopyButton";
import css from "./Providers.module.css";
import { drainCommand, LENGTHS, stranded } from "./use";

interface UseProps {
  /** A provider, a `provider/model`, or an upstream's URL. */
  name: string;
  drained: Drain | null;
}

export function UseButton({ name, drained }: UseProps) {
  const [opened, { open, close }] = useDisclosure(false);
  const back = drained !== null;
  return (
    <>
      <Button
        variant="default"
        size="compact-sm"
        aria-label={`${back ? "Resume" : "Drain"} ${name}`}
        onClick={open}
      >
        {back ? "Resume" : "Drain"}
      </Button>
      <Modal
        opened={opened}
        onClose={close}
        title={
          <span className={css.dialogTitle}>
            {back ? `Put ${name} back into use?` : `Take ${name} out of use?`}
          </span>
        }
        radius="lg"
        padding="lg"
        centered
        // Its own listener would close it before the page's keys look whether a dialogue is open.
        closeOnEscape={false}
        onKeyDown={(event) => event.key === "Escape" && close()}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {back ? <Resume name={name} close={close} /> : <TakeOut name={name} close={close} />}
      </Modal>
    </>
  );
}

interface Inside {
  name: string;
  close: () => void;
}

function TakeOut({ name, close }: Inside) {
  const [length, setLength] = useState("30m");
  const [reason, setReason] = useState("");
  const models = useQuery(modelsQuery).data;
  const alone = models === undefined ? [] : stranded(name, models);
  const for_ms = LENGTHS.find(({ value }) => value === length)?.ms ?? null;
  const action = useChange(close, () =>
    unwrap(
      api.POST("/api/v1/providers/{name}/drain", {
        params: { path: { name } },
        body: { for_ms, reason: reason.trim() === "" ? null : reason.trim() },
      }),
    ),
  );
  return (
    <form
      className={css.dialog}
      onSubmit={(event) => {
        event.preventDefault();
        action.mutate();
      }}
    >
      <p>New calls go to other targets; calls that run end as they are. It outlives a restart.</p>
      {alone.length > 0 && (
        <p className={css.warning}>
          <b>Nothing else serves {alone.join(", ")}.</b> Calls to {alone.length === 1 ? "it" : "them"} will be
          answered with 503.
        </p>
      )}
      <div>
        <span className={css.label} id="drain-length">
          For how long
        </span>
        <SegmentedControl
          fullWidth
          size="sm"
          aria-labelledby="drain-length"
          value={length}
          onChange={setLength}
          data={LENGTHS.map(({ value, label }) => ({ value, label }))}
        />
      </div>
      <TextInput
        label="Why"
        description="For whoever looks later; it may be left out."
        maxLength={200}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <Same command={drainCommand(name, length, reason)} />
      <Ends action={action} close={close} word="Drain" />
    </form>
  );
}

function Resume({ name, close }: Inside) {
  const action = useChange(close, () =>
    unwrap(api.POST("/api/v1/providers/{name}/resume", { params: { path: { name } } })),
  );
  return (
    <form
      className={css.dialog}
      onSubmit={(event) => {
        event.preventDefault();
        action.mutate();
      }}
    >
      <p>New calls may go there again, at once.</p>
      <Same command={`goodgate providers resume ${name}`} />
      <Ends action={action} close={close} word="Resume" />
    </form>
  );
}

/** A change of what is drained; the list is read anew before the dialogue closes. */
function useChange(close: () => void, change: () => Promise<unknown>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: providersQuery.queryKey });
      close();
    },
  });
}

/** The same on the command line. */
function Same({ command }: { command: string }) {
  return (
    <div className={css.same}>
      <code>{command}</code>
      <CopyButton text={command} size="compact-xs" aria-label={`Copy: ${command}`}>
        Copy
      </CopyButton>
    </div>
  );
}

function Ends({
  action,
  close,
  word,
}: {
  action: ReturnType<typeof useChange>;
  close: () => void;
  word: string;
}) {
  return (
    <>
      {action.error !== null && (
        <p className={css.warning} role="alert">
          <b>{action.error.message}</b> {action.error instanceof ApiError && action.error.fix}
        </p>
      )}
      <div className={css.ends}>
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
        <Button type="submit" loading={action.isPending} data-autofocus>
          {word}
        </Button>
      </div>
    </>
  );
}
