// The last hour of one or several targets together.
import type { Seen, Slice } from "../api/types";

export const MINUTES = 60;
const MINUTE_MS = 60_000;

/** All 60 minutes, the running one last; those without calls are zeros. */
export function wholeHour(seen: readonly Seen[], now: number): Slice[] {
  const last = Math.floor(now / MINUTE_MS) * MINUTE_MS;
  const first = last - (MINUTES - 1) * MINUTE_MS;
  const hour = Array.from({ length: MINUTES }, (_, n) => ({
    start_ms: first + n * MINUTE_MS,
    answered: 0,
    failed: 0,
  }));
  for (const { start_ms, answered, failed } of seen.flatMap(({ history }) => history)) {
    const minute = hour[Math.floor((start_ms - first) / MINUTE_MS)];
    if (minute === undefined) continue;
    minute.answered += answered;
    minute.failed += failed;
  }
  return hour;
}

export interface Sums {
  answered: number;
  failed: number;
  /** Of 100, one digit after the point; null without attempts. */
  ok: string | null;
}

export function sums(hour: readonly Slice[]): Sums {
  const answered = hour.reduce((all, slice) => all + slice.answered, 0);
  const failed = hour.reduce((all, slice) => all + slice.failed, 0);
  return { answered, failed, ok: share(answered, answered + failed) };
}

/** `99.7 %`. What is not all is never shown as all, and what is not nothing never as nothing. */
export function share(part: number, whole: number): string | null {
  if (whole === 0) return null;
  if (part === whole) return "100 %";
  const tenths = Math.min(999, Math.floor((1_000 * part) / whole));
  if (tenths === 0 && part > 0) return "< 0.1 %";
  return `${(tenths / 10).toFixed(1)} %`;
}

/** The causes of several targets together, the most frequent first. */
export function causes(seen: readonly Seen[]): { code: string; attempts: number }[] {
  const all = new Map<string, number>();
  for (const { code, attempts } of seen.flatMap((one) => one.causes)) {
    all.set(code, (all.get(code) ?? 0) + attempts);
  }
  return [...all].map(([code, attempts]) => ({ code, attempts })).sort((a, b) => b.attempts - a.attempts);
}

/** The latest failure of several targets. */
export function lastFailure(seen: readonly Seen[]): Seen["last_failure"] {
  const known = seen.map((one) => one.last_failure).filter((one) => one !== null);
  return known.sort((a, b) => b.at_ms - a.at_ms)[0] ?? null;
}

/** The target with the most calls stands for the pace of all: medians cannot be added. */
export function pace(seen: readonly Seen[]): Seen["ttft"] | null {
  const paces = seen.map(({ ttft }) => ttft).filter(({ sample }) => sample > 0);
  return paces.sort((a, b) => b.sample - a.sample)[0] ?? null;
}
