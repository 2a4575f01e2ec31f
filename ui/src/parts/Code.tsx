// A block of code with a button that copies it.
import { useMemo } from "react";
import css from "./Code.module.css";
import { CopyButton } from "./CopyButton";
import { type Language, tokens } from "./highlight";

interface CodeProps {
  code: string;
  language: Language;
  label: string;
  /** The greatest height before it scrolls. */
  height?: number;
}

export function Code({ code, language, label, height }: CodeProps) {
  const parts = useMemo(() => tokens(code, language), [code, language]);
  return (
    <div className={css.block}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre className={css.code} tabIndex={0} role="region" aria-label={label} style={{ maxHeight: height }}>
        <code>
          {parts.map(({ kind, text }, n) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: parts have no other identity and never move.
            <span key={n} data-kind={kind}>
              {text}
            </span>
          ))}
        </code>
      </pre>
      <div className={css.copy}>
        <CopyButton text={code} aria-label={`Copy: ${label}`}>
          Copy
        </CopyButton>
      </div>
    </div>
  );
}
