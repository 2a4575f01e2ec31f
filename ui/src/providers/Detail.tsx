// What is unfolded of a provider or upstream: why it is in its state, its targets and keys, what went wrong, what is
// affected, and the commands that tell more.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { incidentsQuery } from "../api/queries";
import type { Guard, Maintenance, Provider, Providers, Seen, Upstream } from "../api/types";
import { span, toll } from "../incidents/words";
import { CodeLink } from "../parts/CodeLink";
import { CopyButton } from "../parts/CopyButton";
import { useNow } from "../parts/now";
import { age, clock, count, duration, instant, NONE, plural, words } from "../words/format";
import { causes, lastFailure, pace, sums, wholeHour } from "./hour";
import css from "./Providers.module.css";
import { StateMark } from "./StateMark";
import { Strip } from "./Strip";
import { drainState, guardState, isPlain, keyState, load, type State } from "./states";
import { UseButton } from "./Use";

export function ProviderDetail({
  provider,
  state,
  all,
}: {
  provider: Provider;
  state: State;
  all: Providers;
}) {
  const prefix = `${provider.id}/`;
  const seen = Object.entries(all.seen).filter(([name]) => name.startsWith(prefix));
  const guards = provider.guard === null ? provider.targets : [provider.guard, ...provider.targets];
  return (
    <>
      <Why state={state} guards={guards} is={(target) => target.startsWith(prefix)} />
      <Targets provider={provider} seen={Object.fromEntries(seen)} />
      <div className={css.columns}>
        <Keys provider={provider} />
        <WentWrong seen={seen.map(([, one]) => one)} target={null} />
        <dl className={css.facts}>
          <Fact name="Affects">
            {provider.aliases.length === 0 ? "no alias" : provider.aliases.join(", ")}
          </Fact>
          <Fact name="Where">
            <span className="mono">{provider.base_url}</span>
          </Fact>
          <Fact name="Speaks">{provider.dialect}</Fact>
          <Fact name="Declared">{declared(provider)}</Fact>
          {provider.guard?.repeats_left != null && (
            <Fact name="Repeats left">{Math.floor(provider.guard.repeats_left)} in the retry budget</Fact>
          )}
          <Shadow guards={guards} />
          {provider.maintenance.map((window) => (
            <Window key={window.start_ms} window={window} />
          ))}
        </dl>
      </div>
      <Commands name={provider.id} />
    </>
  );
}

export function UpstreamDetail({
  upstream,
  state,
  seen,
}: {
  upstream: Upstream;
  state: State;
  seen: Seen[];
}) {
  const guards = upstream.guard === null ? [] : [upstream.guard];
  const health = { true: "answered well", false: "fails", null: "none is configured" }[`${upstream.is_well}`];
  return (
    <>
      <Why state={state} guards={guards} is={(target) => target === upstream.url} />
      <div className={css.columns}>
        <WentWrong seen={seen} target={upstream.url} />
        <dl className={css.facts}>
          <Fact name="Routes">{upstream.routes.join(", ")}</Fact>
          <Fact name="Health check">{health}</Fact>
          {upstream.guard !== null && (
            <Fact name="Since the start">
              {plural(upstream.guard.answered, "answer")}, {plural(upstream.guard.failed, "failure")}
            </Fact>
          )}
          <Shadow guards={guards} />
        </dl>
      </div>
      <Commands name={upstream.url} />
    </>
  );
}

interface WhyProps {
  state: State;
  guards: readonly Guard[];
  /** Whether a target is one of those that are shown. */
  is: (target: string) => boolean;
}

/** The sentence of the state, what the upstream said last where a breaker is not closed, and open incidents. */
function Why({ state, guards, is }: WhyProps) {
  const now = useNow();
  const opened = guards.filter((guard) => guard.state !== "closed" && guard.cause !== null);
  const open = useInfiniteQuery(incidentsQuery(true)).data?.pages[0]?.incidents ?? [];
  return (
    <div className={css.why}>
      {isPlain(state) && <p>{state.about}</p>}
      {opened.map((guard) => (
        <p key={`${guard.level} ${guard.name}`}>
          <span className="mono">{guard.name}</span> {guard.state.replace("_", "-")} after{" "}
          <CodeLink code={guard.cause ?? ""} />
          {guard.excerpt !== null && <q>{guard.excerpt}</q>}
        </p>
      ))}
      {open
        .filter(({ target }) => is(target))
        .map((incident) => (
          <p key={incident.id}>
            <Link to="/incidents/$id" params={{ id: incident.id }}>
              {incident.id}
            </Link>{" "}
            {words(incident.code)} at {incident.target} {span(incident, now)}: {toll(incident)}
          </p>
        ))}
    </div>
  );
}

function Targets({ provider, seen }: { provider: Provider; seen: Record<string, Seen> }) {
  const now = useNow();
  const guards = new Map(provider.targets.map((guard) => [guard.name, guard]));
  const marks = new Map(provider.drained.map((drain) => [drain.name, drain]));
  marks.delete(provider.id);
  const listed = provider.models.map((model) => `${provider.id}/${model}`);
  const names = [...new Set([...guards.keys(), ...marks.keys(), ...Object.keys(seen), ...listed])].sort();
  if (names.length === 0)
    return <p className={css.empty}>No model of it has been called yet, and its entry lists none.</p>;
  return (
    <table className={css.targets}>
      <thead>
        <tr>
          <th scope="col">Target</th>
          <th scope="col">State</th>
          <th scope="col">Last hour</th>
          <th scope="col" className={css.number}>
            Answered
          </th>
          <th scope="col" className={css.number}>
            TTFT p50 / p95
          </th>
          <th scope="col" className={css.number}>
            In flight
          </th>
          <th scope="col">
            <span className="unseen">Action</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {names.map((name) => {
          const guard = guards.get(name) ?? null;
          const mark = marks.get(name) ?? null;
          const own = seen[name];
          const ttft = own === undefined ? null : pace([own]);
          const hour = wholeHour(own === undefined ? [] : [own], now);
          // Models that nobody has named share one guard, which cannot be drained.
          const shared = name.endsWith("/*");
          return (
            <tr key={name}>
              <th
                scope="row"
                className={css.target}
                title={shared ? "all models that nobody has named" : name}
              >
                {name}
              </th>
              <td>
                <StateMark state={mark === null ? guardState(guard, now) : drainState(mark, now)} />
              </td>
              <td className={css.stripCell}>
                <Strip hour={hour} />
              </td>
              <td className={css.number} data-label="answered">
                {sums(hour).ok ?? NONE}
              </td>
              <td className={css.number} data-label="TTFT p50 / p95">
                {ttft === null ? NONE : `${duration(ttft.p50_ms)} / ${duration(ttft.p95_ms)}`}
              </td>
              <td className={css.number} data-label="in flight">
                {guard === null ? "0" : load([guard])}
              </td>
              <td className={css.action}>{!shared && <UseButton name={name} drained={mark} />}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Keys({ provider }: { provider: Provider }) {
  const now = useNow();
  return (
    <section>
      <h3>Keys</h3>
      <ul className={css.keys}>
        {provider.credentials.map(({ id, hint, source, guard }) => {
          const state = keyState(guard, now);
          return (
            <li key={id}>
              <span className="mono">{hint ?? "none needed"}</span>
              <span>{hint === null ? "" : source}</span>
              <StateMark state={state} />
              {guard?.cause != null && <CodeLink code={guard.cause} />}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** Causes as bars, each leading to its calls; and the latest failure. */
function WentWrong({ seen, target }: { seen: readonly Seen[]; target: string | null }) {
  const now = useNow();
  const all = causes(seen);
  const last = lastFailure(seen);
  const most = all[0]?.attempts ?? 0;
  const failures = all.reduce((sum, one) => sum + one.attempts, 0);
  const saved = seen.reduce((sum, one) => sum + one.recovered, 0);
  const sample = seen.reduce((sum, one) => sum + one.sample, 0);
  return (
    <section>
      <h3>What went wrong</h3>
      {all.length === 0 ? (
        <p className={css.quiet}>
          {sample === 0 ? "Nothing was tried in the last hour." : "Nothing in the last hour."}
        </p>
      ) : (
        <>
          <ul className={css.causes}>
            {all.map(({ code, attempts }) => (
              <li key={code}>
                <Link
                  to="/requests"
                  search={target === null ? { code, last: "60" } : { code, target, last: "60" }}
                  className="mono"
                >
                  {code}
                </Link>
                <i style={{ width: `${(100 * attempts) / most}%` }} aria-hidden />
                <b className="num">{count(attempts)}</b>
              </li>
            ))}
          </ul>
          <p className={css.quiet}>
            In the latest {plural(sample, "attempt")}: {count(failures)} failed,{" "}
            {saved === 0 ? "none" : count(saved)} of them in calls that were answered all the same.
          </p>
        </>
      )}
      {last !== null && (
        <p className={css.last}>
          Last{" "}
          <Link to="/requests/$id" params={{ id: last.request }} title={instant(last.at_ms)}>
            {clock(last.at_ms, now)}, {age(now - last.at_ms)} ago
          </Link>
          {last.evidence !== null && <span>{last.evidence}</span>}
        </p>
      )}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function declared(provider: Provider): string {
  if (provider.demo) return "by the demo mode";
  if (provider.detected) return "by the environment";
  return provider.line === null ? "in the configuration" : `line ${provider.line} of the configuration`;
}

/** What loops that only watch would have done. */
function Shadow({ guards }: { guards: readonly Guard[] }) {
  const counts = new Map<string, number>();
  for (const { shadow } of guards) {
    for (const [name, times] of Object.entries(shadow)) counts.set(name, (counts.get(name) ?? 0) + times);
  }
  if (counts.size === 0) return null;
  const told = [...counts].map(([name, times]) => `${name.replaceAll("_", " ")} ${count(times)} times`);
  return <Fact name="In shadow">{told.join(", ")}</Fact>;
}

function Window({ window }: { window: Maintenance }) {
  const now = useNow();
  const length = duration(window.end_ms - window.start_ms);
  return (
    <Fact name={window.is_now ? "Maintenance now" : "Next maintenance"}>
      <time dateTime={instant(window.start_ms)} title={instant(window.start_ms)}>
        {clock(window.start_ms, now)}
      </time>{" "}
      for {length}
      {window.recurs ? ", recurring" : ""}
      {window.reason === null ? "" : `: ${window.reason}`}
    </Fact>
  );
}

function Commands({ name }: { name: string }) {
  const command = `goodgate doctor ${name}`;
  return (
    <p className={css.commands}>
      <code>{command}</code>
      <CopyButton text={command} size="compact-xs" aria-label={`Copy: ${command}`}>
        Copy
      </CopyButton>
      <span>examines it layer by layer</span>
    </p>
  );
}
