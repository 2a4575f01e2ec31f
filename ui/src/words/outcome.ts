// The outcomes of a call, in the order in which they are always shown.
import type { ByOutcome, Outcome } from "../api/types";

export const OUTCOMES: readonly Outcome[] = ["ok", "recovered", "cached", "refused", "cancelled", "failed"];

/** Those that one can ask for in this version: it has no cache yet, so nothing comes from one. */
export const OFFERED: readonly Outcome[] = OUTCOMES.filter((outcome) => outcome !== "cached");

/** What each means, for titles and the help. */
export const MEANING: Record<Outcome, string> = {
  ok: "The first attempt answered.",
  recovered: "An attempt failed, a later one answered: the caller noticed nothing.",
  cached: "Answered from the cache.",
  refused: "Not answered, by the caller's fault or a rule of the gateway; no attempt failed.",
  cancelled: "The caller left before the end.",
  failed: "No attempt answered, or the stream broke.",
};

export function isOutcome(word: string): word is Outcome {
  return (OUTCOMES as readonly string[]).includes(word);
}

/** The outcomes that occur, in their order, with their counts. */
export function occurring(counts: ByOutcome): { outcome: Outcome; calls: number }[] {
  return OUTCOMES.map((outcome) => ({ outcome, calls: counts[outcome] })).filter(({ calls }) => calls > 0);
}
