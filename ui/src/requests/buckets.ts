// The numbers behind the volume chart.
import type { Bucket } from "../api/types";
import { OUTCOMES } from "../words/outcome";

/** From the beginning of one bucket to the end of another, in whichever order they were touched. */
export function selection(
  buckets: readonly Bucket[],
  width: number,
  one: number,
  other: number,
): [number, number] {
  const first = buckets[Math.min(one, other)]?.start_ms ?? 0;
  const last = buckets[Math.max(one, other)]?.start_ms ?? first;
  return [first, last + width];
}

/** The chart as a file for spreadsheets. */
export function asCsv(buckets: readonly Bucket[]): string {
  const head = ["from", "calls", ...OUTCOMES, "cost_usd"].join(",");
  const rows = buckets.map((bucket) =>
    [
      new Date(bucket.start_ms).toISOString(),
      bucket.calls,
      ...OUTCOMES.map((outcome) => bucket.by_outcome[outcome]),
      bucket.cost_nano_usd / 1e9,
    ].join(","),
  );
  return `${[head, ...rows].join("\r\n")}\r\n`;
}
