// What state a provider, a target, a key or an upstream is in: read from marks, windows and guards, in words that tests
// can read.
import type { Drain, Guard, Maintenance, Provider, Upstream } from "../api/types";
import { age, roundDuration } from "../words/format";

export type StateName =
  | "well"
  | "idle"
  | "sick"
  | "unwell"
  | "down"
  | "refused"
  | "trying"
  | "recovering"
  | "resting"
  | "drained"
  | "maintenance";

export interface State {
  name: StateName;
  /** Since when, where that is known. */
  since: number | null;
  /** One sentence: why, and what follows. */
  about: string;
}

export const STATE_WORDS: Record<StateName, { sign: string; word: string; tone: string }> = {
  well: { sign: "✓", word: "well", tone: "ok" },
  idle: { sign: "○", word: "no call yet", tone: "cancelled" },
  sick: { sign: "!", word: "partly failing", tone: "refused" },
  unwell: { sign: "!", word: "unwell", tone: "refused" },
  down: { sign: "✗", word: "failing", tone: "failed" },
  refused: { sign: "✗", word: "key refused", tone: "failed" },
  trying: { sign: "↻", word: "trying again", tone: "refused" },
  recovering: { sign: "↻", word: "recovering", tone: "recovered" },
  resting: { sign: "!", word: "resting", tone: "refused" },
  drained: { sign: "⊘", word: "drained", tone: "cancelled" },
  maintenance: { sign: "⊘", word: "maintenance", tone: "cancelled" },
};

/** `in 11 s`: whole seconds, since it is said again every second. */
function until(ms: number): string {
  return ms < 1_000 ? "now" : `in ${roundDuration(Math.ceil(ms / 1_000) * 1_000)}`;
}

/** Of one guard alone. */
export function guardState(guard: Guard | null, now: number): State {
  if (guard === null)
    return { name: "idle", since: null, about: "Nothing has been sent there since the start." };
  const since = guard.open_since_ms;
  const cause = guard.cause ?? "failures";
  switch (guard.state) {
    case "open": {
      const probe =
        guard.next_probe_ms === null ? "" : `; the next call may try ${until(guard.next_probe_ms - now)}`;
      return { name: "down", since, about: `Closed to calls after ${cause}${probe}.` };
    }
    case "half_open":
      return { name: "trying", since, about: `One call at a time tries whether ${cause} is over.` };
    case "ramping":
      return { name: "recovering", since, about: "It answers again and takes more calls every ten seconds." };
    default:
      break;
  }
  if (guard.resting_until_ms !== null && guard.resting_until_ms > now) {
    const left = age(guard.resting_until_ms - now);
    return { name: "resting", since: null, about: `It asked to be left alone; ${left} to go.` };
  }
  return { name: "well", since: null, about: "It takes calls." };
}

/** Of a key: what opens its breaker is that it is refused. */
export function keyState(guard: Guard | null, now: number): State {
  const state = guardState(guard, now);
  return state.name === "down" || state.name === "trying" ? { ...state, name: "refused" } : state;
}

export function drainState(drain: Drain, now: number): State {
  const end = drain.until_ms === null ? "until it is resumed" : `for another ${age(drain.until_ms - now)}`;
  const why = drain.reason === null ? "" : `: ${drain.reason}`;
  return { name: "drained", since: drain.since_ms, about: `Out of use by hand ${end}${why}.` };
}

function maintenanceState(window: Maintenance, now: number): State {
  const why = window.reason === null ? "" : `: ${window.reason}`;
  const about = `Planned, for another ${age(window.end_ms - now)}${why}.`;
  return { name: "maintenance", since: window.start_ms, about };
}

/** Of a provider: the worst that touches all of it, else whether parts of it fail. */
export function providerState(provider: Provider, now: number): State {
  const whole = provider.drained.find((drain) => drain.name === provider.id);
  if (whole !== undefined) return drainState(whole, now);
  const window = provider.maintenance.find((one) => one.is_now);
  if (window !== undefined) return maintenanceState(window, now);
  const own = guardState(provider.guard, now);
  if (!isPlain(own)) return own;
  const keys = provider.credentials.map(({ guard }) => keyState(guard, now));
  const bad = keys.filter(({ name }) => name === "refused");
  if (bad.length > 0 && bad.length === keys.length) {
    return {
      ...(bad[0] as State),
      about: keys.length === 1 ? "Its key is refused." : "All its keys are refused.",
    };
  }
  const targets = provider.targets.map((guard) => guardState(guard, now));
  const worst = ofParts(targets, "model");
  if (worst.name === "idle") return { ...own, name: provider.guard === null ? "idle" : "well" };
  if (worst.name === "well" && bad.length > 0) {
    return {
      name: "sick",
      since: earliest(bad),
      about: `${bad.length} of ${keys.length} keys ${bad.length === 1 ? "is" : "are"} refused.`,
    };
  }
  return worst;
}

/** Of several parts together. */
function ofParts(parts: readonly State[], what: string): State {
  if (parts.length === 0) return { name: "idle", since: null, about: "" };
  const not = (name: StateName) => parts.filter((part) => part.name === name);
  const failing = [...not("down"), ...not("trying")];
  if (failing.length === parts.length) {
    const only = failing[0] as State;
    if (failing.length === 1) return only;
    return { name: "down", since: earliest(failing), about: `All ${failing.length} ${what}s fail.` };
  }
  if (failing.length > 0) {
    const about = `${failing.length} of ${parts.length} ${what}s fail${failing.length === 1 ? "s" : ""}.`;
    return { name: "sick", since: earliest(failing), about };
  }
  const passing = [...not("recovering"), ...not("resting")][0];
  return passing ?? (parts[0] as State);
}

/** Of an upstream of plain routes. */
export function upstreamState(upstream: Upstream, now: number): State {
  if (upstream.drained !== null) return drainState(upstream.drained, now);
  const own = guardState(upstream.guard, now);
  if (upstream.is_well === false && isPlain(own)) {
    return { name: "unwell", since: null, about: "Its health check fails: others are tried before it." };
  }
  return own;
}

function earliest(states: readonly State[]): number | null {
  const known = states.map(({ since }) => since).filter((since) => since !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** Whether someone should look. */
export function isTrouble(state: State): boolean {
  return ["sick", "unwell", "down", "refused", "trying", "resting"].includes(state.name);
}

/** Whether there is nothing to say of it in a list. */
export function isPlain({ name }: State): boolean {
  return name === "well" || name === "idle";
}

/** `4 / 12`: calls in flight, and how many at a time it takes where it has shown a limit. */
export function load(guards: readonly Guard[]): string {
  const running = guards.reduce((all, guard) => all + guard.in_flight, 0);
  const limits = guards.map(({ limit }) => limit).filter((limit) => limit !== null);
  if (limits.length === 0 || limits.length < guards.length) return String(running);
  return `${running} / ${limits.reduce((all, limit) => all + limit, 0)}`;
}
