// The help overlay: keys and signs. `?` opens it on every page.
import { Kbd, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useNavigate } from "@tanstack/react-router";
import { createContext, type ReactNode, useContext, useMemo } from "react";
import { useKeys } from "../parts/keys";
import { OutcomeMark } from "../parts/OutcomeMark";
import { MEANING, OFFERED } from "../words/outcome";
import css from "./Help.module.css";

const HelpContext = createContext({ open: () => {} });

export function useHelp() {
  return useContext(HelpContext);
}

const KEYS: { title: string; keys: [string[], string][] }[] = [
  {
    title: "Requests",
    keys: [
      [["j", "k"], "next and previous call"],
      [["Enter"], "open the call"],
      [["f"], "failed calls only, and back"],
      [["/"], "filter"],
      [["."], "pause and go on"],
      [["[", "]"], "shorter and longer time"],
      [["Esc"], "leave the field, clear the filters"],
    ],
  },
  {
    title: "A request",
    keys: [
      [["1", "…", "4"], "its tabs"],
      [["c"], "copy the command that explains it"],
      [["Esc"], "back to the list"],
    ],
  },
  {
    title: "Providers",
    keys: [
      [["j", "k"], "next and previous one"],
      [["Enter"], "show and hide its details"],
    ],
  },
  {
    title: "Everywhere",
    keys: [
      [["g", "r"], "requests"],
      [["g", "p"], "providers"],
      [["g", "i"], "incidents"],
      [["g", "e"], "errors"],
      [["?"], "this help"],
    ],
  },
];

export function HelpProvider({ children }: { children: ReactNode }) {
  const [opened, { open, close }] = useDisclosure(false);
  const navigate = useNavigate();
  useKeys({
    "?": open,
    "g r": () => void navigate({ to: "/requests" }),
    "g p": () => void navigate({ to: "/providers" }),
    "g i": () => void navigate({ to: "/incidents" }),
    "g e": () => void navigate({ to: "/errors" }),
  });
  const value = useMemo(() => ({ open }), [open]);
  return (
    <HelpContext value={value}>
      {children}
      <Modal
        opened={opened}
        onClose={close}
        title="Keys and signs"
        size="lg"
        radius="lg"
        padding="lg"
        centered
        // Its own listener would close it before the page's keys look whether a dialogue is open.
        closeOnEscape={false}
        onKeyDown={(event) => event.key === "Escape" && close()}
        closeButtonProps={{ "aria-label": "Close the help" }}
        classNames={{ title: css.title }}
      >
        <div className={css.columns}>
          <div>
            {KEYS.map(({ title, keys }) => (
              <section key={title} className={css.section}>
                <h3>{title}</h3>
                <dl>
                  {keys.map(([names, meaning]) => (
                    <div key={meaning} className={css.key}>
                      <dt>
                        {names.map((name) =>
                          name === "…" ? <span key={name}>–</span> : <Kbd key={name}>{name}</Kbd>,
                        )}
                      </dt>
                      <dd>{meaning}</dd>
                    </div>
                  ))}
                </dl>
              </section>
            ))}
          </div>
          <section className={css.section}>
            <h3>How a call ended</h3>
            <dl>
              {OFFERED.map((outcome) => (
                <div key={outcome} className={css.sign}>
                  <dt>
                    <OutcomeMark outcome={outcome} />
                  </dt>
                  <dd>{MEANING[outcome]}</dd>
                </div>
              ))}
            </dl>
          </section>
        </div>
      </Modal>
    </HelpContext>
  );
}
