// The attempts of a call, drawn to the list's scale, and their results in words.
import type { Call } from "../api/types";
import { stateOf } from "../request/story";
import { duration } from "../words/format";
import { span } from "../words/scale";
import css from "./AttemptStrip.module.css";

interface StripProps {
  call: Call;
  /** Where the line ends, in milliseconds. */
  end: number;
}

export function AttemptStrip({ call, end }: StripProps) {
  if (call.attempts.length === 0) return <span className={css.none}>none made</span>;
  const whole = span(0, call.total_ms, end);
  return (
    <div className={css.both}>
      <div className={css.line} role="img" aria-label={inWords(call)}>
        {whole !== null && <span className={css.whole} style={{ width: `${whole.width}%` }} />}
        {call.attempts.map((attempt) => {
          const place = span(attempt.at_ms, attempt.at_ms + attempt.ms, end);
          if (place === null) return null;
          return (
            <span
              key={attempt.n}
              className={css.attempt}
              data-result={stateOf(attempt, call)}
              data-cut={place.cut}
              style={{ left: `min(${place.left}%, 100% - 4px)`, width: `${place.width}%` }}
            />
          );
        })}
        {whole?.cut === true && <span className={css.beyond}>»</span>}
      </div>
      <Results call={call} />
    </div>
  );
}

/** What each attempt gave, runs of the same together: `502 ×2 › 200`. */
function Results({ call }: { call: Call }) {
  const runs: { text: string; kind: string; times: number }[] = [];
  for (const attempt of call.attempts) {
    const kind = stateOf(attempt, call);
    const text = attempt.status === null ? (kind === "left" ? "…" : "✗") : String(attempt.status);
    const last = runs.at(-1);
    if (last !== undefined && last.text === text && last.kind === kind) last.times += 1;
    else runs.push({ text, kind, times: 1 });
  }
  return (
    <span className={css.results} aria-hidden>
      {runs.slice(-3).map((run, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a result's place is what it is.
        <span key={n} data-result={run.kind}>
          {run.text}
          {run.times > 1 && <small>×{run.times}</small>}
        </span>
      ))}
    </span>
  );
}

function inWords(call: Call): string {
  const each = call.attempts.map(
    ({ n, target, status, code, ms }) => `${n}: ${target}, ${code ?? status ?? "no answer"}, ${duration(ms)}`,
  );
  return `Attempts. ${each.join("; ")}`;
}
