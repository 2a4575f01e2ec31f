// Calls that run at this moment and have for a while. Short ones only make the number in the bar at the top.
import { useQuery } from "@tanstack/react-query";
import { inFlightQuery } from "../api/queries";
import type { RunningCall } from "../api/types";
import { duration, plural } from "../words/format";
import css from "./Running.module.css";

/** Younger calls would only flicker. */
const OLD_MS = 1_000;
const SHOWN = 5;

const PHASES: Record<string, string> = {
  reading: "reading the request",
  attempting: "waiting for",
  relaying: "relaying from",
};

export function Running() {
  const running = useQuery(inFlightQuery).data;
  const old = (running?.calls ?? []).filter((call) => call.age_ms >= OLD_MS);
  if (old.length === 0) return null;
  const more = (running?.total ?? 0) - Math.min(old.length, SHOWN);
  return (
    <section className={css.running} aria-label="Running now">
      <h2>{plural(running?.total ?? 0, "call")} running now</h2>
      <ul>
        {old.slice(0, SHOWN).map((call) => (
          <li key={call.id}>
            <span className={css.age}>{duration(call.age_ms)}</span>
            <b>{call.model ?? "plain HTTP"}</b>
            <span>{doing(call)}</span>
            {call.key !== null && <span className={css.faint}>key {call.key}</span>}
          </li>
        ))}
        {more > 0 && <li className={css.faint}>and {more} more</li>}
      </ul>
    </section>
  );
}

function doing(call: RunningCall): string {
  const phase = PHASES[call.phase] ?? call.phase;
  if (call.target === null) return phase;
  return `attempt ${call.attempt}, ${phase} ${call.target}`;
}
