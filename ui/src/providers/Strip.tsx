// The last hour of a target as sixty bars: how much of each minute was answered, and how much failed.
import type { Slice } from "../api/types";
import { hourMinute, plural } from "../words/format";
import { share, sums } from "./hour";
import css from "./Providers.module.css";

export function Strip({ hour }: { hour: readonly Slice[] }) {
  const { answered, failed, ok } = sums(hour);
  const label =
    ok === null
      ? "no attempts in the last hour"
      : `${plural(answered + failed, "attempt")} in the last hour, ${ok} answered; ${worst(hour)}`;
  return (
    <div className={css.strip} role="img" aria-label={label}>
      {hour.map((slice) => {
        const all = slice.answered + slice.failed;
        return (
          <span key={slice.start_ms} data-none={all === 0} title={told(slice)}>
            {all > 0 && <i style={{ height: `${(100 * slice.failed) / all}%` }} />}
          </span>
        );
      })}
    </div>
  );
}

function told(slice: Slice): string {
  const { answered, failed } = slice;
  return `${hourMinute(slice.start_ms)}: ${answered + failed === 0 ? "nothing" : `${answered} answered, ${failed} failed`}`;
}

function worst(hour: readonly Slice[]): string {
  const failing = hour.filter(({ failed }) => failed > 0);
  const of = ({ answered, failed }: Slice) => failed / (answered + failed);
  const one = failing.sort((a, b) => of(b) - of(a))[0];
  if (one === undefined) return "none failed";
  return `worst at ${hourMinute(one.start_ms)} with ${share(one.failed, one.answered + one.failed)} failed`;
}
