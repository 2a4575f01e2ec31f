// The attempts on one line of time, to scale, each with its phases and its evidence.
import { IconCheck, IconChevronRight, IconX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Attempt, Call, CallDetail } from "../api/types";
import { CodeLink } from "../parts/CodeLink";
import { Panel } from "../parts/Panel";
import { clock, duration, NONE, roundDuration } from "../words/format";
import { PHASES, phaseSpans } from "../words/phases";
import { span, ticks } from "../words/scale";
import { Evidence } from "./Evidence";
import { stateOf } from "./story";
import css from "./Timeline.module.css";

export function Timeline({ detail }: { detail: CallDetail }) {
  const { request: call, not_tried: notTried } = detail;
  const end = Math.max(1, call.total_ms, ...call.attempts.map((attempt) => attempt.at_ms + attempt.ms));
  if (call.attempts.length === 0 && notTried.length === 0) {
    return (
      <Panel title="No attempt was made">
        <p className={css.soft}>
          The call was answered by goodgate itself after {duration(call.total_ms)}; no provider was asked.
        </p>
      </Panel>
    );
  }
  return (
    <Panel title={`Attempts, to scale over ${duration(end)}`} aside={<Legend />} flush>
      <table className={css.table} role="table">
        <caption className="unseen">Attempts of this call, in order</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col" className={css.n}>
              <span className="unseen">Number</span>
            </th>
            <th role="columnheader" scope="col" className={css.target}>
              Target
            </th>
            <th role="columnheader" scope="col" className={css.plot}>
              <Axis end={end} />
            </th>
            <th role="columnheader" scope="col" className={css.ms}>
              Took
            </th>
            <th role="columnheader" scope="col" className={css.result}>
              Result
            </th>
            <th role="columnheader" scope="col" className={css.next}>
              Then
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {call.attempts.map((attempt, place) => (
            <Row key={attempt.n} attempt={attempt} before={call.attempts[place - 1]} end={end} call={call} />
          ))}
          {notTried.map(({ target, why, incident }) => (
            <tr role="row" key={target} className={css.skipped}>
              <td role="cell" className={css.n}>
                {NONE}
              </td>
              <td role="cell" className={css.target}>
                {target}
              </td>
              <td role="cell" colSpan={4} className={css.reason}>
                not tried: <code>{why}</code>
                {incident !== null && (
                  <>
                    {" "}
                    since {clock(incident.started_ms, call.started_ms)} after{" "}
                    <CodeLink code={incident.code} /> (
                    <Link to="/incidents/$id" params={{ id: incident.id }}>
                      {incident.id}
                    </Link>
                    )
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

interface RowProps {
  attempt: Attempt;
  before: Attempt | undefined;
  end: number;
  call: Call;
}

function Row({ attempt, before, end, call }: RowProps) {
  const [open, setOpen] = useState(false);
  const state = stateOf(attempt, call);
  const toggle = () => setOpen(!open);
  return (
    <>
      <tr role="row" className={css.row} data-state={state} data-open={open} data-testid="attempt">
        <td role="cell" className={css.n}>
          <button
            type="button"
            aria-expanded={open}
            onClick={toggle}
            aria-label={`Evidence of attempt ${attempt.n}`}
          >
            <IconChevronRight size={14} stroke={2.2} aria-hidden />
          </button>
          <span data-testid="attempt-n">{attempt.n}</span>
        </td>
        <td role="cell" className={css.target}>
          <span data-testid="attempt-target">{attempt.target}</span>
          {attempt.evidence !== null && (
            <span className={css.evidence}>
              {repeats(attempt, before) ? "the same again" : attempt.evidence}
            </span>
          )}
        </td>
        <td role="cell" className={css.plot}>
          <Bar attempt={attempt} before={before} end={end} state={state} />
        </td>
        <td role="cell" className={css.ms}>
          <span data-testid="attempt-ms">{attempt.ms}</span> ms
        </td>
        <td role="cell" className={css.result}>
          <span className={css.verdict}>
            {state === "good" && <IconCheck size={14} stroke={2.6} aria-hidden />}
            {state === "bad" && <IconX size={14} stroke={2.6} aria-hidden />}
            {attempt.status !== null && <b>{attempt.status}</b>}
            <span data-testid="attempt-code">
              {attempt.code === null ? (
                <span className="unseen">{NONE}</span>
              ) : (
                <CodeLink code={attempt.code} />
              )}
            </span>
          </span>
        </td>
        <td role="cell" className={css.next}>
          <span className={css.then}>
            <span aria-hidden>→</span> <code data-testid="attempt-next">{attempt.next}</code>
          </span>
          {attempt.next_reason !== null && <span className={css.evidence}>{attempt.next_reason}</span>}
        </td>
      </tr>
      {open && (
        <tr role="row" className={css.more}>
          <td role="cell" colSpan={6}>
            <Evidence attempt={attempt} />
          </td>
        </tr>
      )}
    </>
  );
}

/** Whether it went word for word as the attempt before: saying it once is enough. */
function repeats(attempt: Attempt, before: Attempt | undefined): boolean {
  return before !== undefined && before.target === attempt.target && before.evidence === attempt.evidence;
}

interface BarProps {
  attempt: Attempt;
  before: Attempt | undefined;
  end: number;
  state: string;
}

function Bar({ attempt, before, end, state }: BarProps) {
  const place = span(attempt.at_ms, attempt.at_ms + attempt.ms, end);
  const pause = before === undefined ? null : span(before.at_ms + before.ms, attempt.at_ms, end);
  const phases = phaseSpans(attempt.phases, attempt.ms, attempt.code);
  const whole = Math.max(1, phases.at(-1)?.to ?? 1);
  const label = phases.map(({ name, from, to }) => `${name} ${duration((to - from) / 1_000)}`).join(", ");
  return (
    <div
      className={css.track}
      role="img"
      aria-label={`${duration(attempt.at_ms)} after the start, for ${duration(attempt.ms)}: ${label}`}
    >
      {ticks(end).map((mark) => (
        <span key={mark} className={css.grid} style={{ left: `${(mark / end) * 100}%` }} />
      ))}
      {pause !== null && pause.width > 0 && (
        <span
          className={css.pause}
          title={`waited ${duration(attempt.at_ms - (before?.at_ms ?? 0) - (before?.ms ?? 0))}`}
          style={{ left: `${pause.left}%`, width: `${pause.width}%` }}
        />
      )}
      {place !== null && (
        <span
          className={css.bar}
          data-state={state}
          style={{ left: `min(${place.left}%, 100% - 5px)`, width: `${place.width}%` }}
        >
          {phases.map(({ name, from, to, unfinished }) => (
            <span
              key={name}
              className={css.phase}
              data-phase={name}
              data-unfinished={unfinished && state === "bad"}
              title={`${name}: ${duration((to - from) / 1_000)}${unfinished && state === "bad" ? ", then it failed" : ""}`}
              style={{ width: `${((to - from) / whole) * 100}%` }}
            />
          ))}
        </span>
      )}
    </div>
  );
}

function Axis({ end }: { end: number }) {
  const marks = ticks(end);
  return (
    <div className={css.axis} aria-hidden>
      {marks.map((mark) => (
        <span key={mark} style={{ left: `${(mark / end) * 100}%` }} data-last={mark / end > 0.93}>
          {mark === 0 ? "0" : roundDuration(mark)}
        </span>
      ))}
    </div>
  );
}

function Legend() {
  return (
    <ul className={css.legend} aria-label="Phases">
      {PHASES.map(({ name, meaning }) => (
        <li key={name} title={meaning}>
          <span data-phase={name} className={css.swatch} aria-hidden />
          {name}
        </li>
      ))}
    </ul>
  );
}
