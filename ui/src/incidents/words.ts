// What is said of an incident, in words that tests can read.
import type { Incident } from "../api/types";
import { age, count, duration, NONE, plural } from "../words/format";

/** Whether it lasts, and if not, how it ended. */
export function state(incident: Incident): "open" | "healed" | "quiet" {
  if (incident.ended_ms === null) return "open";
  return incident.closed_by === "quiet" ? "quiet" : "healed";
}

export const STATE_WORDS: Record<ReturnType<typeof state>, { sign: string; word: string; about: string }> = {
  open: { sign: "!", word: "open", about: "It fails at this moment." },
  healed: { sign: "✓", word: "over", about: "The target answers again." },
  quiet: { sign: "○", word: "quiet", about: "Nobody has met this failure for five minutes." },
};

/** How long it lasts or lasted: `since 4 m`, `for 61.0 s`. */
export function span(incident: Incident, now: number): string {
  if (incident.ended_ms === null) return `since ${age(now - incident.started_ms)}`;
  const lasted = incident.ended_ms - incident.started_ms;
  return lasted < 1_000 ? "for a moment" : `for ${duration(lasted)}`;
}

/** The share of the calls that were answered all the same; none where nobody stayed to the end. */
export function savedShare({ saved, lost }: Incident): number | null {
  return saved + lost === 0 ? null : Math.floor((100 * saved) / (saved + lost));
}

/** `312 calls hit, 300 saved, 12 lost`. */
export function toll(incident: Incident): string {
  return `${plural(incident.calls, "call")} hit, ${count(incident.saved)} saved, ${count(incident.lost)} lost`;
}

export function percent(share: number | null): string {
  return share === null ? NONE : `${share} %`;
}
