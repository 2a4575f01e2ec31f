// Requests: what is happening now, which calls failed and why, is it one key or all.
import { Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { statusQuery, summaryQuery } from "../api/queries";
import type { Call } from "../api/types";
import { Now } from "../incidents/Now";
import { useKeys } from "../parts/keys";
import { useNow } from "../parts/now";
import { Panel } from "../parts/Panel";
import { useTitle } from "../parts/title";
import { Trouble } from "../shell/Trouble";
import { plural } from "../words/format";
import { CallTable, moveFocus } from "./CallTable";
import { FilterBar, Span, steppedSpan } from "./FilterBar";
import { FirstCall } from "./FirstCall";
import { isFiltered, outcomesOf, type RequestSearch, withValue } from "./filters";
import css from "./RequestsPage.module.css";
import { Running } from "./Running";
import { type Calls, useCalls } from "./useCalls";
import { Volume } from "./Volume";

const route = getRouteApi("/requests");

export function RequestsPage() {
  useTitle("Requests");
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const setSearch = (next: RequestSearch) => void navigate({ search: next, replace: true });
  const input = useRef<HTMLInputElement>(null);
  const calls = useCalls(search);
  useKeys({
    j: () => moveFocus(1),
    k: () => moveFocus(-1),
    f: () => setSearch(withValue(search, "outcome", search.outcome === "failed" ? undefined : "failed")),
    ".": () => calls.setPaused(!calls.paused),
    "/": () => input.current?.focus(),
    "[": () => setSearch(steppedSpan(search, -1)),
    "]": () => setSearch(steppedSpan(search, 1)),
    Escape: () => {
      if (isFiltered(search)) setSearch({});
    },
  });
  const filtered = isFiltered(search);
  const empty = !calls.pending && calls.error === null && calls.list.calls.length === 0;
  return (
    <>
      <div className={css.head}>
        <h1>Requests</h1>
        {(!empty || filtered) && <Span search={search} setSearch={setSearch} />}
      </div>
      <Now />
      <Announcer calls={calls.list.calls} />
      <Panel flush>
        {empty && !filtered ? (
          <>
            <Running />
            <FirstCall />
          </>
        ) : (
          <>
            <Chart search={search} setSearch={setSearch} />
            <FilterBar
              {...calls}
              search={search}
              setSearch={setSearch}
              calls={calls.list.calls}
              input={input}
            />
            <Running />
            <Body calls={calls} empty={empty} clear={() => setSearch({})} />
          </>
        )}
      </Panel>
    </>
  );
}

function Body({ calls, empty, clear }: { calls: Calls; empty: boolean; clear: () => void }) {
  const now = useNow();
  const today = new Date(now).setHours(0, 0, 0, 0);
  if (calls.error !== null && calls.list.calls.length === 0) return <Trouble error={calls.error} />;
  if (calls.pending) {
    return (
      <div className={css.loading}>
        {[..."12345678"].map((n) => (
          <Skeleton key={n} height={18} radius="sm" />
        ))}
      </div>
    );
  }
  if (empty) {
    return (
      <div className={css.nothing}>
        <p>No stored call fits these filters.</p>
        <Button variant="default" size="compact-sm" onClick={clear}>
          Clear the filters
        </Button>
      </div>
    );
  }
  return (
    <>
      <CallTable list={calls.list} today={today} />
      <div className={css.more}>
        {calls.list.older === null ? (
          <span>{plural(calls.list.calls.length, "call")}; no older ones are stored</span>
        ) : (
          <Button variant="default" size="sm" loading={calls.loadingOlder} onClick={calls.loadOlder}>
            Load older calls
          </Button>
        )}
      </div>
    </>
  );
}

function Chart({ search, setSearch }: { search: RequestSearch; setSearch: (search: RequestSearch) => void }) {
  const demo = useQuery(statusQuery).data?.demo === true ? "include" : "exclude";
  const minutes = search.last === undefined ? spanOf(search) : Number(search.last);
  const summary = useQuery(summaryQuery(minutes, demo)).data;
  if (summary === undefined) return <Skeleton height={112} radius={0} />;
  return (
    <Volume
      summary={summary}
      outcomes={outcomesOf(search)}
      since={search.since === undefined ? undefined : Number(search.since)}
      until={search.until === undefined ? undefined : Number(search.until)}
      onZoom={(since, until) =>
        setSearch({ ...withoutSpan(search), since: String(since), until: String(until) })
      }
    />
  );
}

/** The chart's span: an hour, or the shortest usual one that reaches back to a zoom. */
function spanOf({ since }: RequestSearch): number {
  if (since === undefined) return 60;
  const minutes = (Date.now() - Number(since)) / 60_000;
  return [60, 1_440, 10_080].find((usual) => minutes <= usual) ?? 43_200;
}

function withoutSpan({ last: _last, since: _since, until: _until, ...rest }: RequestSearch): RequestSearch {
  return rest;
}

/** Tells screen readers of new calls, at most every five seconds. */
function Announcer({ calls }: { calls: readonly Call[] }) {
  const [text, setText] = useState("");
  const latest = useRef(calls);
  latest.current = calls;
  useEffect(() => {
    let told = latest.current[0]?.seq ?? 0;
    const timer = setInterval(() => {
      const fresh = latest.current.filter((call) => call.seq > told);
      told = latest.current[0]?.seq ?? told;
      const failed = fresh.filter((call) => call.outcome === "failed").length;
      if (fresh.length === 0) setText("");
      else setText(`${plural(fresh.length, "new call")}${failed > 0 ? `, ${failed} failed` : ""}`);
    }, 5_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <div className="unseen" aria-live="polite">
      {text}
    </div>
  );
}
