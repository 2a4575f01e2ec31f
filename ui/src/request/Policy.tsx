// How the gateway decided, and by which settings.
import type { ReactNode } from "react";
import type { CallDetail } from "../api/types";
import { Panel } from "../parts/Panel";
import { roundDuration, words } from "../words/format";
import css from "./Policy.module.css";

const HOLDS: Record<string, string> = {
  first_content: "until the first content came: up to then another target could take over",
  whole: "until the whole answer had come",
};

export function Policy({ detail }: { detail: CallDetail }) {
  const { policy, request: call } = detail;
  const rules: [string, ReactNode][] = [
    ["Targets, in order", policy.plan.length === 0 ? null : <Plan key="plan" detail={detail} />],
    [
      "Attempts",
      policy.max_attempts === null ? null : `${call.attempts.length} of at most ${policy.max_attempts}`,
    ],
    ["Time for all of them", deadline(detail)],
    ["Answer held back", policy.hold === null ? null : (HOLDS[policy.hold] ?? words(policy.hold))],
    ["Client told to retry", policy.should_retry === null ? null : policy.should_retry ? "yes" : "no"],
    ["Client told to wait", policy.retry_after_ms === null ? null : roundDuration(policy.retry_after_ms)],
    ["Configuration", policy.config_version === null ? null : `version ${policy.config_version}`],
    ...policy.more.map(({ name, value }): [string, ReactNode] => [words(name), value]),
  ];
  const known: [string, ReactNode][] = [
    ["Dialect", call.dialect === null ? null : words(call.dialect)],
    ["Trace id", detail.trace_id],
    ...detail.client.map(({ name, value }): [string, ReactNode] => [words(name), value]),
  ];
  return (
    <div className={css.panels}>
      <Panel title="Decisions">
        <List rows={rules} none="Nothing had to be decided." />
      </Panel>
      <div className={css.panels}>
        <Panel title="What translation could not carry">
          <List
            rows={detail.losses.map(({ field, why }) => [field, why])}
            none="Nothing was lost: the call reached the provider as it was meant."
          />
        </Panel>
        <Panel title="What the client said of itself">
          <List rows={known} none="Nothing." />
        </Panel>
      </div>
    </div>
  );
}

function deadline({ policy }: CallDetail): string | null {
  if (policy.deadline_ms === null) return null;
  return `${roundDuration(policy.deadline_ms)}${policy.deadline_from_client ? ", set by the client" : ""}`;
}

/** The planned targets, with what became of each. */
function Plan({ detail }: { detail: CallDetail }) {
  return (
    <ol className={css.plan}>
      {detail.policy.plan.map((target) => {
        const tried = detail.request.attempts.filter((attempt) => attempt.target === target).length;
        const skipped = detail.not_tried.find((one) => one.target === target);
        const became =
          tried > 0
            ? `tried ${tried === 1 ? "once" : `${tried} times`}`
            : skipped
              ? words(skipped.why)
              : "not needed";
        return (
          <li key={target}>
            <b>{target}</b> <span>{became}</span>
          </li>
        );
      })}
    </ol>
  );
}

function List({ rows, none }: { rows: [string, ReactNode][]; none: string }) {
  const told = rows.filter(([, value]) => value !== null);
  if (told.length === 0) return <p className={css.none}>{none}</p>;
  return (
    <dl className={css.list}>
      {told.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
