// How numbers, times and sizes are written. Absent is always an en dash.

export const NONE = "–";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration for reading: `812 ms`, `4.81 s`, `1 m 05 s`, `2 h 03 m`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1) return "< 1 ms";
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${(ms / SECOND).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < HOUR - 500) {
    const seconds = Math.round(ms / SECOND);
    return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  }
  const minutes = Math.round(ms / MINUTE);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
}

/** A round duration, as settings and axes have it: `20 s`, `1.5 s`, `2 m`. */
export function roundDuration(ms: number): string {
  if (ms < SECOND) return `${ms} ms`;
  if (ms < 2 * MINUTE || ms % MINUTE !== 0) return `${Number((ms / SECOND).toFixed(2))} s`;
  return ms % HOUR === 0 ? `${ms / HOUR} h` : `${ms / MINUTE} m`;
}

/** A short duration of microseconds: `0.4 ms`, `12 ms`. */
export function micros(us: number | null | undefined): string {
  if (us === null || us === undefined) return NONE;
  if (us < 1_000) return `${us} µs`;
  return us < 10_000 ? `${(us / 1_000).toFixed(1)} ms` : duration(us / 1_000);
}

/** How long something has run, coarsely: `41 s`, `3 m`, `5 h`, `2 d`. */
export function age(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.floor(ms / SECOND))} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} m`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} d`;
}

/** A time of day; with its date when that is another day than today's. */
export function clock(ms: number, now: number): string {
  const date = new Date(ms);
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return date.toDateString() === new Date(now).toDateString()
    ? time
    : `${date.toLocaleDateString("en", { day: "numeric", month: "short" })} ${time}`;
}

/** Hours and minutes, for the ends of an axis. */
export function hourMinute(ms: number): string {
  const date = new Date(ms);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

/** The exact time, for titles and machine-readable attributes. */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

/** Billionths of a US dollar: `$0.0003`, `$12.40`. */
export function money(nanos: number | null | undefined): string {
  if (nanos === null || nanos === undefined) return NONE;
  const dollars = nanos / 1e9;
  if (dollars === 0) return "$0";
  if (dollars >= 0.995) return `$${dollars.toFixed(2)}`;
  if (dollars < 0.000_000_1) return "< $0.0000001";
  return `$${Number(dollars.toPrecision(2)).toFixed(decimals(dollars))}`;
}

/** Digits after the point that two significant ones need. */
function decimals(dollars: number): number {
  return Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(dollars))));
}

/** A count with thin spaces: `1 312`. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Bytes: `153 B`, `12.4 KB`. */
export function bytes(value: number): string {
  if (value < 1_000) return `${value} B`;
  if (value < 1_000_000) return `${(value / 1_000).toFixed(1)} KB`;
  return `${(value / 1_000_000).toFixed(1)} MB`;
}

/** A code as words: `connection_refused` is `connection refused`. */
export function words(code: string): string {
  return code.replaceAll("_", " ");
}

/** `1 call`, `2 calls`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
