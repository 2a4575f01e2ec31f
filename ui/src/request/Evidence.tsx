// Everything that is known of one attempt.
import type { ReactNode } from "react";
import type { Attempt } from "../api/types";
import { Code } from "../parts/Code";
import { bytes, micros, NONE } from "../words/format";
import { PHASES, phaseSpans } from "../words/phases";
import css from "./Evidence.module.css";

const PROCESSED: Record<string, string> = {
  no: "no: it cannot have been worked on",
  maybe: "maybe: it may have been worked on, and billed",
  yes: "yes: it was worked on",
};

export function Evidence({ attempt }: { attempt: Attempt }) {
  const spans = phaseSpans(attempt.phases, attempt.ms, attempt.code);
  const facts: [string, ReactNode][] = [
    ["Address", attempt.peer],
    ["Connection", attempt.reused ? "reused: it had served before" : "new"],
    ["Credential", attempt.credential],
    ["Group", attempt.group],
    ["Whose fault", attempt.origin],
    ["Answer made by", attempt.made_by],
    [
      "Worked on there",
      attempt.processed === null ? null : (PROCESSED[attempt.processed] ?? attempt.processed),
    ],
    ["Its request id", attempt.upstream_request_id],
    ["Sent", bytes(attempt.bytes_sent)],
    ["Received", bytes(attempt.bytes_received)],
  ];
  return (
    <div className={css.evidence}>
      {attempt.detail !== null && <p className={css.line}>{attempt.detail}</p>}
      <div className={css.columns}>
        <dl className={css.facts}>
          {facts.map(([name, value]) =>
            value === null ? null : (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
          )}
        </dl>
        <table className={css.phases}>
          <caption>Phases</caption>
          <thead>
            <tr>
              <th scope="col">Phase</th>
              <th scope="col">From</th>
              <th scope="col">Took</th>
            </tr>
          </thead>
          <tbody>
            {PHASES.map(({ name, meaning }) => {
              const span = spans.find((one) => one.name === name);
              return (
                <tr key={name} data-absent={span === undefined}>
                  <th scope="row">
                    {name} <span>{meaning}</span>
                  </th>
                  <td>{span === undefined ? NONE : micros(span.from)}</td>
                  <td>{span === undefined ? NONE : micros(span.to - span.from)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {attempt.full_evidence !== null && attempt.full_evidence !== undefined && (
        <Code
          code={JSON.stringify(attempt.full_evidence, null, 2)}
          language="json"
          label={`All evidence of attempt ${attempt.n}`}
          height={340}
        />
      )}
    </div>
  );
}
