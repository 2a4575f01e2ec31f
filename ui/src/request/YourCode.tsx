// What the caller saw: the answer word for word, and where code finds its fields.
import { Tabs } from "@mantine/core";
import type { CallDetail } from "../api/types";
import { Code } from "../parts/Code";
import { Panel } from "../parts/Panel";
import css from "./YourCode.module.css";
import { samples } from "./yourcode-samples";

export function YourCode({ detail }: { detail: CallDetail }) {
  const { request: call } = detail;
  const all = samples(detail);
  const midway = detail.error !== null && call.output_sent;
  return (
    <div className={css.both}>
      <Panel title="In code">
        <Tabs defaultValue={all[0]?.id ?? null} keepMounted={false} variant="pills">
          <Tabs.List aria-label="Languages">
            {all.map(({ id, title }) => (
              <Tabs.Tab key={id} value={id}>
                {title}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {all.map(({ id, title, code }) => (
            <Tabs.Panel key={id} value={id} pt="sm">
              <Code code={code} language={id} label={`What ${title} code saw`} />
            </Tabs.Panel>
          ))}
        </Tabs>
      </Panel>
      <Panel
        title={midway ? "The event that ended the stream" : "The answer"}
        aside={
          <span className={css.status}>{call.status === null ? "no answer" : `HTTP ${call.status}`}</span>
        }
      >
        {detail.error === null ? (
          <p className={css.soft}>
            {call.outcome === "cancelled"
              ? "The caller left before it had an answer."
              : "An ordinary answer. goodgate does not store answers, and changes nothing in their bodies."}
          </p>
        ) : (
          <Code
            code={JSON.stringify(detail.error, null, 2)}
            language="json"
            label="The error body as the client saw it"
          />
        )}
      </Panel>
    </div>
  );
}
