// One provider or upstream in the list: a line of figures that unfolds.
import { IconChevronRight } from "@tabler/icons-react";
import { type ReactNode, useId } from "react";
import type { Drain, Guard, Seen } from "../api/types";
import { useNow } from "../parts/now";
import { count, duration, NONE } from "../words/format";
import { causes, pace, sums, wholeHour } from "./hour";
import css from "./Providers.module.css";
import { StateMark } from "./StateMark";
import { Strip } from "./Strip";
import { isPlain, load, type State } from "./states";
import { UseButton } from "./Use";

interface EntryProps {
  name: string;
  about: string;
  state: State;
  seen: readonly Seen[];
  guards: readonly Guard[];
  drained: Drain | null;
  shown: boolean;
  toggle: () => void;
  children: ReactNode;
}

/** What the figures are; each has its name beside it where there is no room for columns. */
export function Heading({ first }: { first: string }) {
  return (
    <div className={css.heading} aria-hidden>
      <span>{first}</span>
      <span>State</span>
      <span>Last hour</span>
      <span>Answered</span>
      <span title="Time to the first content: half of the calls, and 95 % of them, had it sooner">
        TTFT p50 / p95
      </span>
      <span title="Answers that say that there were too many calls">429s</span>
      <span title="Calls in flight, and how many at a time it takes where it has shown a limit">
        In flight
      </span>
    </div>
  );
}

export function Entry({ name, about, state, seen, guards, drained, shown, toggle, children }: EntryProps) {
  const now = useNow();
  const id = useId();
  const hour = wholeHour(seen, now);
  const { ok } = sums(hour);
  const ttft = pace(seen);
  const limited = causes(seen).find(({ code }) => code === "rate_limited")?.attempts ?? 0;
  return (
    <article className={css.entry} data-shown={shown} data-testid="provider" data-state={state.name}>
      <div className={css.line}>
        <div className={css.name}>
          <button
            type="button"
            data-entry
            aria-expanded={shown}
            aria-controls={id}
            onClick={toggle}
            title={name}
          >
            <IconChevronRight size={15} aria-hidden />
            <b>{name}</b>
          </button>
          <span title={about}>{about}</span>
        </div>
        <div className={css.state}>
          <StateMark state={state} />
          {!isPlain(state) && <p className={css.about}>{state.about}</p>}
        </div>
        <Strip hour={hour} />
        <Figure label="Answered" bad={ok !== null && ok !== "100 %" && Number.parseFloat(ok) < 99}>
          {ok ?? NONE}
        </Figure>
        <Figure label="TTFT p50 / p95">
          {ttft === null ? NONE : `${duration(ttft.p50_ms)} / ${duration(ttft.p95_ms)}`}
        </Figure>
        <Figure label="429s">{count(limited)}</Figure>
        <Figure label="In flight">{load(guards)}</Figure>
        <div className={css.action}>
          <UseButton name={name} drained={drained} />
        </div>
      </div>
      <div id={id} className={css.detail} hidden={!shown}>
        {shown && children}
      </div>
    </article>
  );
}

function Figure({ label, bad = false, children }: { label: string; bad?: boolean; children: ReactNode }) {
  return (
    <div className={css.figure} data-bad={bad}>
      <span className={css.figureName}>{label}</span>
      {children}
    </div>
  );
}
