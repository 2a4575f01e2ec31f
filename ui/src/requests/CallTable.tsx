// The table of calls. Each row's link carries the focus, so that keys, screens and screen readers agree on "this one".
import { Link, useNavigate } from "@tanstack/react-router";
import { type MouseEvent, memo, useMemo } from "react";
import type { Call } from "../api/types";
import { CodeLink } from "../parts/CodeLink";
import { OutcomeMark } from "../parts/OutcomeMark";
import { clock, count, duration, instant, money, NONE, roundDuration } from "../words/format";
import { sharedScale } from "../words/scale";
import { AttemptStrip } from "./AttemptStrip";
import css from "./CallTable.module.css";
import { type CallList, type Line, lines } from "./rows";

interface TableProps {
  list: Pick<CallList, "calls" | "notKept" | "older">;
  today: number;
}

export function CallTable({ list, today }: TableProps) {
  const shown = useMemo(() => lines(list), [list]);
  const end = useMemo(() => sharedScale(list.calls.map((call) => call.total_ms)), [list.calls]);
  const day = new Date(today).setHours(0, 0, 0, 0);
  return (
    // The roles repeat what the elements are: on narrow screens their display changes, and with it what they tell.
    <table className={css.table} role="table">
      <caption className="unseen">Calls, the latest first</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col" className={css.time}>
            Ended
          </th>
          <th role="columnheader" scope="col" className={css.outcome}>
            Outcome
          </th>
          <th role="columnheader" scope="col">
            Model <span className={css.arrow}>→</span> served by
          </th>
          <th role="columnheader" scope="col" className={css.attempts}>
            <span className={css.scale}>
              Attempts
              <span className="num">0 – {roundDuration(end)}</span>
            </span>
          </th>
          <th role="columnheader" scope="col" className={css.number}>
            Total
          </th>
          <th
            role="columnheader"
            scope="col"
            className={`${css.number} ${css.wide}`}
            title="Time to the first content"
          >
            First
          </th>
          <th role="columnheader" scope="col" className={`${css.number} ${css.wide}`}>
            Cost
          </th>
          <th role="columnheader" scope="col" className={css.key}>
            Key
          </th>
          <th role="columnheader" scope="col" className={css.cause}>
            Cause
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {shown.map((line) =>
          line.kind === "call" ? (
            <Row key={line.call.id} call={line.call} end={end} day={day} />
          ) : (
            <NotKeptRow key={line.key} line={line} day={day} />
          ),
        )}
      </tbody>
    </table>
  );
}

const Row = memo(function Row({ call, end, day }: { call: Call; end: number; day: number }) {
  const navigate = useNavigate();
  const open = (event: MouseEvent<HTMLTableRowElement>) => {
    const onControl = event.target instanceof Element && event.target.closest("a, button") !== null;
    if (onControl || window.getSelection()?.isCollapsed === false) return;
    void navigate({ to: "/requests/$id", params: { id: call.id } });
  };
  const servedElsewhere = call.served_by !== null && call.served_by !== call.model;
  const name = call.model ?? `${call.method} ${call.path}`;
  return (
    <tr role="row" className={css.row} onClick={open} data-outcome={call.outcome} data-testid="request-row">
      <td role="cell" className={css.time}>
        <time dateTime={instant(call.ended_ms)} title={`${instant(call.ended_ms)}, ${call.id}`}>
          {clock(call.ended_ms, day)}
        </time>
      </td>
      <td role="cell" className={css.outcome}>
        <OutcomeMark outcome={call.outcome} />
      </td>
      <td role="cell" className={css.model}>
        <Link to="/requests/$id" params={{ id: call.id }} className={css.open} data-row-link>
          {name}
        </Link>
        {servedElsewhere && (
          <span className={css.served}>
            <span className={css.arrow}>→</span> {call.served_by}
          </span>
        )}
      </td>
      <td role="cell" className={css.attempts}>
        <AttemptStrip call={call} end={end} />
      </td>
      <td role="cell" className={css.number}>
        {duration(call.total_ms)}
      </td>
      <td role="cell" className={`${css.number} ${css.wide}`}>
        {call.ttft_ms === null ? <None /> : duration(call.ttft_ms)}
      </td>
      <td role="cell" className={`${css.number} ${css.wide}`}>
        {call.cost_nano_usd === null ? <None /> : money(call.cost_nano_usd)}
      </td>
      <td role="cell" className={css.key}>
        {call.key ?? <None />}
      </td>
      <td role="cell" className={css.cause} data-none={call.code === null}>
        {call.code === null ? <None /> : <CodeLink code={call.code} />}
      </td>
    </tr>
  );
});

function None() {
  return <span className={css.none}>{NONE}</span>;
}

const CLASSES = { plain: "answered", refused: "refused", failed_or_recovered: "failed or recovered" };

function NotKeptRow({ line, day }: { line: Extract<Line, { kind: "not_kept" }>; day: number }) {
  const from = clock(line.from * 1_000, day);
  const to = clock(line.to * 1_000, day);
  return (
    <tr role="row" className={css.gap}>
      <td role="cell" colSpan={9}>
        <span>
          <b className="num">{count(line.count)}</b> {CLASSES[line.class]}{" "}
          {line.count === 1 ? "call" : "calls"} of {from === to ? from : `${from} to ${to}`} not kept:
          counted, but too many to store
        </span>
      </td>
    </tr>
  );
}

/** Moves the focus among the rows' links; from nowhere to the first. */
export function moveFocus(step: 1 | -1) {
  const links = [...document.querySelectorAll<HTMLElement>("[data-row-link]")];
  const row = document.activeElement?.closest("tr") ?? null;
  const now = links.findIndex((link) => row?.contains(link) === true);
  const next = links[now < 0 ? 0 : now + step];
  next?.focus({ preventScroll: true });
  next?.closest("tr")?.scrollIntoView({ block: "nearest" });
}
