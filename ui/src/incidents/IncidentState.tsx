// Whether an incident lasts: a sign, a word and a colour.
import type { Incident } from "../api/types";
import css from "./Incidents.module.css";
import { STATE_WORDS, state } from "./words";

export function IncidentState({ incident }: { incident: Incident }) {
  const now = state(incident);
  const { sign, word, about } = STATE_WORDS[now];
  return (
    <span className={css.state} data-state={now} title={about}>
      <span aria-hidden>{sign}</span> {word}
    </span>
  );
}
