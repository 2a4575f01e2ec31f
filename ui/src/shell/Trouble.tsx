// Something that cannot be shown, and what to do about it.
import { Button } from "@mantine/core";
import { ApiError } from "../api/client";
import { Panel } from "../parts/Panel";

interface TroubleProps {
  error: unknown;
  reset?: () => void;
}

export function Trouble({ error, reset }: TroubleProps) {
  const known = error instanceof ApiError;
  return (
    <div role="alert">
      <Panel title={known ? error.message : "This page has a fault"}>
        <p>{known ? error.fix || "Is the gateway running? Look at its terminal." : String(error)}</p>
        {reset !== undefined && (
          <Button mt="md" size="compact-sm" variant="default" onClick={reset}>
            Try again
          </Button>
        )}
      </Panel>
    </div>
  );
}
