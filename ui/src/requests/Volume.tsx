// How many calls ended when, by outcome. Dragging over it zooms; a table tells the same.
import { Button } from "@mantine/core";
import { IconDownload, IconTable } from "@tabler/icons-react";
import { type PointerEvent, useMemo, useRef, useState } from "react";
import type { Bucket, Outcome, Summary } from "../api/types";
import { OutcomeShape } from "../parts/OutcomeMark";
import { clock, count, hourMinute, plural } from "../words/format";
import { OFFERED, OUTCOMES } from "../words/outcome";
import { niceCeil } from "../words/scale";
import { asCsv, selection } from "./buckets";
import css from "./Volume.module.css";

interface VolumeProps {
  summary: Summary;
  /** Which outcomes are drawn; empty is all. */
  outcomes: readonly Outcome[];
  since: number | undefined;
  until: number | undefined;
  onZoom: (since: number, until: number) => void;
}

const HEIGHT = 56;

export function Volume({ summary, outcomes, since, until, onZoom }: VolumeProps) {
  const [asTable, setAsTable] = useState(false);
  const drawn = outcomes.length === 0 ? OUTCOMES : outcomes;
  const { buckets } = summary;
  const width = (buckets[1]?.start_ms ?? 0) - (buckets[0]?.start_ms ?? 0);
  const brush = useBrush(buckets, width, onZoom);
  const most = useMemo(
    () => niceCeil(Math.max(1, ...buckets.map((bucket) => sum(bucket, drawn)))),
    [buckets, drawn],
  );
  const total = buckets.reduce((all, bucket) => all + sum(bucket, drawn), 0);
  const long = width * buckets.length > 86_400_000;
  const label = (ms: number) => (long ? clock(ms, 0).slice(0, -3) : hourMinute(ms));
  const picked = (bucket: Bucket, n: number) =>
    brush.picks(n) ||
    (since !== undefined && bucket.start_ms >= since && bucket.start_ms < (until ?? Number.MAX_VALUE));
  return (
    <figure className={css.figure}>
      <div className={css.head}>
        <figcaption>
          {plural(total, "call")} <span>from {label(summary.since_ms)} to now; drag to zoom</span>
        </figcaption>
        <span className={css.tools}>
          <Button
            variant="subtle"
            color="gray"
            size="compact-xs"
            leftSection={<IconTable size={14} aria-hidden />}
            aria-expanded={asTable}
            onClick={() => setAsTable(!asTable)}
          >
            Table
          </Button>
          <Button
            component="a"
            variant="subtle"
            color="gray"
            size="compact-xs"
            leftSection={<IconDownload size={14} aria-hidden />}
            href={`data:text/csv;charset=utf-8,${encodeURIComponent(asCsv(buckets))}`}
            download="goodgate-calls.csv"
          >
            CSV
          </Button>
        </span>
      </div>
      <div
        className={css.plot}
        role="img"
        aria-label={`${plural(total, "call")} since ${label(summary.since_ms)}, by outcome; the table has the numbers`}
        {...brush.handlers}
      >
        <span className={css.most}>{count(most)}</span>
        {buckets.map((bucket, n) => (
          <div
            key={bucket.start_ms}
            className={css.bucket}
            data-picked={picked(bucket, n)}
            title={`${label(bucket.start_ms)}: ${plural(sum(bucket, drawn), "call")}`}
          >
            {drawn.map((outcome) => {
              const calls = bucket.by_outcome[outcome];
              if (calls === 0) return null;
              const height = Math.max(2, (calls / most) * HEIGHT);
              return <span key={outcome} className={css.bar} data-outcome={outcome} style={{ height }} />;
            })}
          </div>
        ))}
      </div>
      <div className={css.axis} aria-hidden>
        <span>{label(summary.since_ms)}</span>
        <span>{label(summary.since_ms + (width * buckets.length) / 2)}</span>
        <span>now</span>
      </div>
      {asTable && <Numbers buckets={buckets} width={width} label={label} onZoom={onZoom} />}
    </figure>
  );
}

function sum(bucket: Bucket, outcomes: readonly Outcome[]): number {
  return outcomes.reduce((all, outcome) => all + bucket.by_outcome[outcome], 0);
}

interface NumbersProps {
  buckets: readonly Bucket[];
  width: number;
  label: (ms: number) => string;
  onZoom: (since: number, until: number) => void;
}

function Numbers({ buckets, width, label, onZoom }: NumbersProps) {
  const filled = buckets.filter((bucket) => bucket.calls > 0).reverse();
  if (filled.length === 0) return <p className={css.empty}>No calls in this time.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <div className={css.numbers} role="region" aria-label="Calls by time" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">From</th>
            {OFFERED.map((outcome) => (
              <th scope="col" key={outcome}>
                <OutcomeShape outcome={outcome} /> {outcome}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {filled.map((bucket) => (
            <tr key={bucket.start_ms}>
              <th scope="row">
                <button type="button" onClick={() => onZoom(bucket.start_ms, bucket.start_ms + width)}>
                  {label(bucket.start_ms)}
                </button>
              </th>
              {OFFERED.map((outcome) => (
                <td key={outcome}>{count(bucket.by_outcome[outcome])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Dragging from one bucket to another. */
function useBrush(buckets: readonly Bucket[], width: number, onZoom: (since: number, until: number) => void) {
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const plot = useRef<HTMLElement | null>(null);
  const at = (event: PointerEvent) => {
    const box = plot.current?.getBoundingClientRect();
    if (box === undefined || box.width === 0) return 0;
    const n = Math.floor(((event.clientX - box.left) / box.width) * buckets.length);
    return Math.min(buckets.length - 1, Math.max(0, n));
  };
  return {
    picks: (n: number) =>
      drag !== null && n >= Math.min(drag.from, drag.to) && n <= Math.max(drag.from, drag.to),
    handlers: {
      onPointerDown: (event: PointerEvent<HTMLElement>) => {
        plot.current = event.currentTarget;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ from: at(event), to: at(event) });
      },
      onPointerMove: (event: PointerEvent) => {
        if (drag !== null) setDrag({ ...drag, to: at(event) });
      },
      onPointerUp: () => {
        if (drag !== null) {
          const [since, until] = selection(buckets, width, drag.from, drag.to);
          onZoom(since, until);
        }
        setDrag(null);
      },
      onPointerCancel: () => setDrag(null),
    },
  };
}
