// A state as sign, word and colour, with since when.
import { useNow } from "../parts/now";
import { age, instant } from "../words/format";
import css from "./Providers.module.css";
import { STATE_WORDS, type State } from "./states";

export function StateMark({ state }: { state: State }) {
  const now = useNow();
  const { sign, word, tone } = STATE_WORDS[state.name];
  return (
    <span className={css.mark} data-outcome={tone} title={state.about}>
      <span aria-hidden>{sign}</span> {word}
      {state.since !== null && (
        <time dateTime={instant(state.since)} title={`since ${instant(state.since)}`}>
          {age(now - state.since)}
        </time>
      )}
    </span>
  );
}
