// Linear scales for drawing time: round limits and round ticks.

/** The smallest 1, 2 or 5 times a power of ten that is not below `value`; at least 1. */
export function niceCeil(value: number, factors: readonly number[] = [1, 2, 5, 10]): number {
  if (!(value > 1)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const factor of factors) {
    if (factor * power >= value * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

/** Round marks from 0 to at most `end`, about `wanted` of them. */
export function ticks(end: number, wanted = 5): number[] {
  if (!(end > 0)) return [0];
  const step = niceCeil(end / wanted);
  const marks: number[] = [];
  for (let mark = 0; mark <= end * (1 + 1e-9); mark += step) marks.push(mark);
  return marks;
}

/** What a list of calls is drawn to: round, and long enough for nearly all of them. A few longer ones are cut. */
export function sharedScale(totals: readonly number[]): number {
  if (totals.length === 0) return 1_000;
  const sorted = [...totals].sort((one, other) => one - other);
  const place = Math.max(0, Math.ceil(sorted.length * 0.95) - 1);
  return Math.max(10, niceCeil(sorted[place] ?? 0, [1, 1.5, 2, 3, 4, 5, 6, 8, 10]));
}

/** A part of a line, in percent of it. */
export interface Span {
  left: number;
  width: number;
  /** Whether its end lies beyond the line's. */
  cut: boolean;
}

/** Where `from` to `to` lies on a line that ends at `end`; null when it begins beyond. */
export function span(from: number, to: number, end: number): Span | null {
  if (!(end > 0) || from > end) return null;
  const left = (Math.max(0, from) / end) * 100;
  const right = Math.min(100, (Math.max(from, to) / end) * 100);
  return { left, width: right - left, cut: to > end * (1 + 1e-9) };
}
