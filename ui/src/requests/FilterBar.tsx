// What narrows the list: outcomes, words, a span of time. Everything here is in the address.
import { Autocomplete, Button, CloseButton, Kbd, SegmentedControl } from "@mantine/core";
import { IconFilter, IconPlayerPauseFilled, IconPlayerPlayFilled } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type RefObject, useMemo, useState } from "react";
import type { LiveState } from "../api/live";
import { codesQuery, modelsQuery } from "../api/queries";
import type { Call } from "../api/types";
import { OutcomeShape } from "../parts/OutcomeMark";
import { clock, hourMinute, plural } from "../words/format";
import { MEANING, OFFERED } from "../words/outcome";
import css from "./FilterBar.module.css";
import { outcomesOf, type RequestSearch, readTyped, toggleOutcome, WINDOWS, withValue } from "./filters";

interface FilterBarProps {
  search: RequestSearch;
  setSearch: (search: RequestSearch) => void;
  calls: readonly Call[];
  input: RefObject<HTMLInputElement | null>;
  live: LiveState;
  paused: boolean;
  setPaused: (paused: boolean) => void;
  waiting: number;
  perSecond: number;
}

export function FilterBar(props: FilterBarProps) {
  const { search, setSearch } = props;
  const picked = outcomesOf(search);
  return (
    <div className={css.bar}>
      <div className={css.line}>
        <fieldset className={css.outcomes}>
          <legend className="unseen">Outcomes</legend>
          {OFFERED.map((outcome) => (
            <button
              key={outcome}
              type="button"
              className={css.outcome}
              data-outcome={outcome}
              aria-pressed={picked.includes(outcome)}
              title={MEANING[outcome]}
              onClick={() => setSearch(toggleOutcome(search, outcome))}
            >
              <OutcomeShape outcome={outcome} size={13} />
              {outcome}
            </button>
          ))}
        </fieldset>
        <Words {...props} />
        <Live {...props} />
      </div>
      <Chosen search={search} setSearch={setSearch} />
    </div>
  );
}

/** The field for everything else, with what is known as suggestions. */
function Words({ search, setSearch, calls, input }: FilterBarProps) {
  const [typed, setTyped] = useState("");
  const models = useQuery(modelsQuery).data;
  const codes = useQuery(codesQuery).data;
  const offers = useMemo(() => {
    const names = [...(models?.aliases ?? []).map((alias) => alias.name), ...(models?.direct ?? [])];
    const targets = [
      ...(models?.aliases ?? []).flatMap((alias) => alias.targets.map((target) => target.label)),
      ...(models?.direct ?? []),
    ];
    const keys = calls.flatMap((call) => call.key ?? []);
    const all = [
      ...names.map((name) => `model:${name}`),
      ...keys.map((key) => `key:${key}`),
      ...(codes?.codes ?? []).map(({ code }) => `code:${code}`),
      ...targets.map((target) => `target:${target}`),
    ];
    return [...new Set(all)];
  }, [models, codes, calls]);
  const apply = (text: string) => {
    if (text.trim() !== "") setSearch(readTyped(search, text));
    setTyped("");
  };
  return (
    <Autocomplete
      ref={input}
      className={css.words}
      size="sm"
      aria-label="Filter: model, key, code, target, status or a request id"
      placeholder="model: code: key: target: status: or an id"
      leftSection={<IconFilter size={15} aria-hidden />}
      rightSection={<Kbd size="xs">/</Kbd>}
      data={typed.trim() === "" ? [] : offers}
      limit={8}
      value={typed}
      onChange={setTyped}
      onOptionSubmit={(offer) => setTimeout(() => apply(offer))}
      onKeyDown={(event) => {
        if (event.key === "Enter") {
          // An offer that is picked by its key is handed over by the list itself.
          if (event.currentTarget.getAttribute("aria-activedescendant") === null) apply(typed);
        }
        if (event.key === "Escape") {
          setTyped("");
          event.currentTarget.blur();
        }
      }}
    />
  );
}

/** The filters in force that no button shows. */
function Chosen({ search, setSearch }: Pick<FilterBarProps, "search" | "setSearch">) {
  const chips: { text: string; without: RequestSearch }[] = [];
  for (const name of ["model", "key", "target", "code", "status", "q"] as const) {
    const value = search[name];
    if (value === undefined) continue;
    chips.push({
      text: name === "q" ? value : `${name}:${value}`,
      without: withValue(search, name, undefined),
    });
  }
  if (search.since !== undefined || search.until !== undefined) {
    const { since: _since, until: _until, ...without } = search;
    chips.push({ text: zoomed(search), without });
  }
  if (chips.length === 0) return null;
  return (
    <ul className={css.chips} aria-label="Filters in force">
      {chips.map(({ text, without }) => (
        <li key={text}>
          <span>{text}</span>
          <CloseButton
            size={18}
            iconSize={13}
            aria-label={`Remove ${text}`}
            onClick={() => setSearch(without)}
          />
        </li>
      ))}
      <li className={css.clear}>
        <Button variant="subtle" size="compact-xs" onClick={() => setSearch({})}>
          Clear
        </Button>
      </li>
    </ul>
  );
}

function zoomed({ since, until }: RequestSearch): string {
  const from = since === undefined ? "the beginning" : clock(Number(since), Date.now()).slice(0, -3);
  return `${from} – ${until === undefined ? "now" : hourMinute(Number(until))}`;
}

function Live({ live, paused, setPaused, waiting, perSecond }: FilterBarProps) {
  if (live === "off") {
    return <span className={css.live}>a time in the past: nothing new can come</span>;
  }
  const word = { connecting: "connecting…", live: paused ? "paused" : "live", lost: "lost, trying again" }[
    live
  ];
  return (
    <span className={css.live}>
      <span className={css.state}>
        <span className={css.dot} data-state={paused && live === "live" ? "paused" : live} aria-hidden />
        {word}
        {live === "live" && !paused && perSecond > 0 && <span className="num">{perSecond.toFixed(1)}/s</span>}
      </span>
      <Button
        variant="default"
        size="sm"
        aria-pressed={paused}
        title="Key: ."
        leftSection={
          paused ? (
            <IconPlayerPlayFilled size={13} aria-hidden />
          ) : (
            <IconPlayerPauseFilled size={13} aria-hidden />
          )
        }
        onClick={() => setPaused(!paused)}
      >
        {paused ? (waiting > 0 ? `Show ${plural(waiting, "new call")}` : "Go on") : "Pause"}
      </Button>
    </span>
  );
}

/** The spans that end now. */
export function Span({ search, setSearch }: Pick<FilterBarProps, "search" | "setSearch">) {
  const zoom = search.since !== undefined || search.until !== undefined;
  const chosen = WINDOWS.find(({ minutes }) => minutes === search.last);
  const value = zoom || chosen === undefined ? "" : chosen.label;
  return (
    <SegmentedControl
      size="xs"
      aria-label="Time, ending now"
      value={value}
      data={WINDOWS.map(({ label }) => label)}
      onChange={(label) => {
        const { minutes } = WINDOWS.find((window) => window.label === label) ?? {};
        const { since: _since, until: _until, ...rest } = search;
        setSearch(withValue(rest, "last", minutes));
      }}
    />
  );
}

/** The next shorter (-1) or longer (1) span. */
export function steppedSpan(search: RequestSearch, step: 1 | -1): RequestSearch {
  const now = WINDOWS.findIndex(({ minutes }) => minutes === search.last);
  const next = WINDOWS[Math.min(WINDOWS.length - 1, Math.max(0, now + step))];
  return withValue(search, "last", next?.minutes);
}
