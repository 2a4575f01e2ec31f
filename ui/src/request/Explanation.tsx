// Why, whose, what to do: in that order, in words.
import type { CallDetail } from "../api/types";
import { CodeLink } from "../parts/CodeLink";
import css from "./Explanation.module.css";
import { fixes, type Part, whose, why } from "./story";

export function Explanation({ detail }: { detail: CallDetail }) {
  const { request: call, code_facts: facts } = detail;
  const { who, more } = whose(call);
  const meaning = call.attempts.length > 0 && facts !== null ? facts.meaning : null;
  return (
    <section className={css.three} data-outcome={call.outcome} aria-label="Explanation">
      <div>
        <h2>Why</h2>
        <p className={css.lead}>
          <Sentence parts={why(detail)} />
        </p>
        {meaning !== null && <p>{meaning}</p>}
        {call.attempts.length === 0 && call.code !== null && (
          <p>
            <CodeLink code={call.code} />
          </p>
        )}
      </div>
      <div>
        <h2>Whose</h2>
        <p className={css.lead}>{who}</p>
        <p>{more}</p>
      </div>
      <div>
        <h2>Fix</h2>
        <ul>
          {fixes(detail).map((fix) => (
            <li key={fix}>{fix}</li>
          ))}
        </ul>
      </div>
    </section>
  );
}

function Sentence({ parts }: { parts: readonly Part[] }) {
  return parts.map((part, n) => {
    // biome-ignore lint/suspicious/noArrayIndexKey: a word's place is what it is.
    if ("code" in part) return <CodeLink key={n} code={part.code} />;
    // biome-ignore lint/suspicious/noArrayIndexKey: a word's place is what it is.
    if ("name" in part) return <b key={n}>{part.name}</b>;
    return part.text;
  });
}
