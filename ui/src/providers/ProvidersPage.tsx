// Providers: who is sick since when, which part of it, and what is affected.
import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useRef } from "react";
import { providersQuery, statusQuery } from "../api/queries";
import type { Provider, Providers, Seen, Upstream } from "../api/types";
import { useKeys } from "../parts/keys";
import { useNow } from "../parts/now";
import { useTitle } from "../parts/title";
import { Trouble } from "../shell/Trouble";
import { plural } from "../words/format";
import { ProviderDetail, UpstreamDetail } from "./Detail";
import { Entry, Heading } from "./Entry";
import css from "./Providers.module.css";
import { isTrouble, providerState, upstreamState } from "./states";

const route = getRouteApi("/providers");

export function ProvidersPage() {
  useTitle("Providers");
  const { data, error } = useQuery(providersQuery);
  const list = useRef<HTMLDivElement>(null);
  const step = (by: number) => {
    const rows = [...(list.current?.querySelectorAll<HTMLElement>("[data-entry]") ?? [])];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    rows[Math.max(0, Math.min(rows.length - 1, at === -1 ? 0 : at + by))]?.focus();
  };
  useKeys({ j: () => step(1), k: () => step(-1) });
  return (
    <>
      <header className={css.head}>
        <h1>Providers</h1>
        <p>{data === undefined ? "Who is well, and who is not." : <Overall all={data} />}</p>
      </header>
      {error !== null && data === undefined && <Trouble error={error} />}
      {error === null && data === undefined && <Skeleton height={260} radius="md" />}
      {data !== undefined && (
        <div ref={list} className={css.lists}>
          <ProviderList all={data} />
          {data.upstreams.length > 0 && <UpstreamList all={data} />}
        </div>
      )}
    </>
  );
}

/** One line: how many there are, and how many need someone. */
function Overall({ all }: { all: Providers }) {
  const now = useNow();
  const states = [
    ...all.providers.map((provider) => providerState(provider, now)),
    ...all.upstreams.map((upstream) => upstreamState(upstream, now)),
  ];
  const bad = states.filter(isTrouble).length;
  const out = states.filter(({ name }) => name === "drained" || name === "maintenance").length;
  const there = [
    plural(all.providers.length, "provider"),
    ...(all.upstreams.length > 0 ? [plural(all.upstreams.length, "upstream")] : []),
  ].join(" and ");
  const parts = [there];
  if (bad > 0) parts.push(`${bad} in trouble`);
  if (out > 0) parts.push(`${out} out of use`);
  if (bad === 0 && out === 0 && states.length > 0) parts.push("none in trouble");
  return <>{parts.join(" · ")}</>;
}

/** What of the last hour belongs to a provider. */
function seenOf(all: Providers, provider: Provider): Seen[] {
  const own = Object.entries(all.seen).filter(([name]) => name.startsWith(`${provider.id}/`));
  return own.map(([, seen]) => seen);
}

function ProviderList({ all }: { all: Providers }) {
  const now = useNow();
  const isShown = useShown();
  if (all.providers.length === 0) return <NoProviders />;
  return (
    <section className={css.panel} aria-label="Providers">
      <Heading first="Provider" />
      {all.providers.map((provider) => {
        const state = providerState(provider, now);
        return (
          <Entry
            key={provider.id}
            name={provider.id}
            about={`${place(provider.base_url)} · ${provider.title}`}
            state={state}
            seen={seenOf(all, provider)}
            guards={provider.targets}
            drained={provider.drained.find((drain) => drain.name === provider.id) ?? null}
            {...isShown(provider.id)}
          >
            <ProviderDetail provider={provider} state={state} all={all} />
          </Entry>
        );
      })}
    </section>
  );
}

function UpstreamList({ all }: { all: Providers }) {
  const now = useNow();
  const isShown = useShown();
  const of = (upstream: Upstream) => {
    const seen = all.seen[upstream.url];
    return seen === undefined ? [] : [seen];
  };
  return (
    <section className={css.panel} aria-label="Upstreams of plain routes">
      <Heading first="Upstream of plain routes" />
      {all.upstreams.map((upstream) => {
        const state = upstreamState(upstream, now);
        return (
          <Entry
            key={upstream.url}
            name={upstream.url}
            about={`${upstream.routes.length === 1 ? "route" : "routes"} ${upstream.routes.join(", ")}`}
            state={state}
            seen={of(upstream)}
            guards={upstream.guard === null ? [] : [upstream.guard]}
            drained={upstream.drained}
            {...isShown(upstream.url)}
          >
            <UpstreamDetail upstream={upstream} state={state} seen={of(upstream)} />
          </Entry>
        );
      })}
    </section>
  );
}

/** Where it is, for a line that has little room: `https` goes without saying. */
function place(url: string): string {
  return url.replace(/^https:\/\//, "");
}

/** Which one is unfolded is in the address. */
function useShown() {
  const { show } = route.useSearch();
  const navigate = route.useNavigate();
  return (name: string) => ({
    shown: show === name,
    toggle: () =>
      void navigate({ search: show === name ? {} : { show: name }, replace: true, resetScroll: false }),
  });
}

function NoProviders() {
  const file = useQuery(statusQuery).data?.config.file ?? null;
  return (
    <section className={css.panel} aria-label="Providers">
      <div className={css.none}>
        <p>
          <b>No provider is configured.</b>
        </p>
        <p>
          {file === null
            ? "Set a key, such as OPENAI_API_KEY, and start goodgate again; or run "
            : `Add one under providers in ${file}, or see what this machine has with `}
          <code>{file === null ? "goodgate init" : "goodgate init -o -"}</code>.
        </p>
      </div>
    </section>
  );
}
