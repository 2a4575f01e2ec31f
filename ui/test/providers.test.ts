// What is said of providers: their states, their last hour, and what draining them does.
import { expect, test } from "vitest";
import { guard, history, provider, providers, seen, upstream } from "../fixtures/providers.mjs";
import type { Guard, Models, Provider } from "../src/api/types";
import { causes, lastFailure, pace, share, sums, wholeHour } from "../src/providers/hour";
import { guardState, isTrouble, load, providerState, upstreamState } from "../src/providers/states";
import { drainCommand, stranded } from "../src/providers/use";

const NOW = 1_790_000_030_000;

const of = (change: Partial<Provider>) => providerState(provider({ id: "openai", ...change }), NOW);
const open = (name: string, change: Partial<Guard> = {}) =>
  guard({ name, state: "open", cause: "bad_gateway", open_since_ms: NOW - 9_000, ...change });

test("a target says why it takes no calls and when the next one may try", () => {
  expect(guardState(null, NOW).name).toBe("idle");
  expect(guardState(guard({ name: "a/x" }), NOW).name).toBe("well");
  const closed = guardState(open("a/x", { next_probe_ms: NOW + 10_200 }), NOW);
  expect(closed).toEqual({
    name: "down",
    since: NOW - 9_000,
    about: "Closed to calls after bad_gateway; the next call may try in 11 s.",
  });
  expect(guardState(open("a/x", { next_probe_ms: NOW - 1 }), NOW).about).toMatch(/may try now\.$/);
  expect(guardState(open("a/x", { state: "half_open" }), NOW).name).toBe("trying");
  expect(guardState(guard({ name: "a/x", state: "ramping" }), NOW).name).toBe("recovering");
  const resting = guard({ name: "a/x", resting_until_ms: NOW + 61_000 });
  expect(guardState(resting, NOW)).toMatchObject({
    name: "resting",
    about: "It asked to be left alone; 1 m to go.",
  });
  expect(guardState(resting, NOW + 61_000).name).toBe("well");
});

test("what a hand or a plan took out of use comes before what fails", () => {
  const targets = [open("openai/x")];
  const drained = [{ name: "openai", since_ms: NOW - 1, until_ms: null, reason: null }];
  const now = { start_ms: NOW - 1, end_ms: NOW + 120_000, is_now: true, recurs: false, reason: "new driver" };
  expect(of({ targets, drained }).about).toBe("Out of use by hand until it is resumed.");
  expect(of({ targets, maintenance: [now] }).about).toBe("Planned, for another 2 m: new driver.");
  expect(of({ targets, maintenance: [{ ...now, is_now: false }] }).name).toBe("down");
  expect(of({ targets, drained: [{ ...drained[0], name: "openai/x" } as never] }).name).toBe("down");
});

test("a provider is as bad as what touches all of it, and partly failing where only parts are", () => {
  expect(of({ guard: null }).name).toBe("idle");
  expect(of({}).name).toBe("well");
  expect(of({ guard: open("openai", { level: "provider" }) }).name).toBe("down");
  const bad = [open("openai/x", { open_since_ms: NOW - 5_000 }), open("openai/y")];
  expect(of({ targets: bad })).toMatchObject({
    name: "down",
    since: NOW - 9_000,
    about: "All 2 models fail.",
  });
  const mixed = [...bad.slice(1), guard({ name: "openai/z" })];
  expect(of({ targets: mixed })).toMatchObject({ name: "sick", about: "1 of 2 models fails." });
  expect(of({ targets: [guard({ name: "openai/x", state: "ramping" })] }).name).toBe("recovering");
});

test("a provider whose keys are all refused fails; one of several leaves it partly failing", () => {
  const key = (id: string, refused: boolean) => ({
    id,
    hint: "…1",
    source: "A",
    guard: refused ? open(`openai/${id}`, { level: "credential", cause: "credentials_rejected" }) : null,
  });
  const targets = [guard({ name: "openai/x" })];
  expect(of({ targets, credentials: [key("a", true)] })).toMatchObject({
    name: "refused",
    about: "Its key is refused.",
  });
  expect(of({ targets, credentials: [key("a", true), key("b", true)] }).about).toBe(
    "All its keys are refused.",
  );
  expect(of({ targets, credentials: [key("a", true), key("b", false)] })).toMatchObject({
    name: "sick",
    about: "1 of 2 keys is refused.",
  });
});

test("an upstream that fails its health check is unwell though its calls are answered", () => {
  const url = "https://api.weather.example";
  expect(upstreamState(upstream({ url }), NOW).name).toBe("well");
  expect(upstreamState(upstream({ url, is_well: false }), NOW).name).toBe("unwell");
  expect(upstreamState(upstream({ url, is_well: false, guard: open(url) }), NOW).name).toBe("down");
  const drained = { name: url, since_ms: NOW, until_ms: NOW + 60_000, reason: "moved" };
  expect(upstreamState(upstream({ url, drained }), NOW).about).toBe(
    "Out of use by hand for another 1 m: moved.",
  );
});

test("whoever is out of use on purpose is in no trouble", () => {
  const states = providers(NOW).providers.map((one) => providerState(one, NOW));
  expect(states.map(({ name }) => name)).toEqual(["sick", "refused", "drained"]);
  expect(states.map(isTrouble)).toEqual([true, true, false]);
});

test("calls in flight stand beside the limit where every target has one", () => {
  expect(load([])).toBe("0");
  const limited = guard({ name: "a", in_flight: 3, limit: 4 });
  expect(load([limited, guard({ name: "b", in_flight: 2, limit: 8 })])).toBe("5 / 12");
  expect(load([limited, guard({ name: "b", in_flight: 2 })])).toBe("5");
});

test("an hour has sixty minutes, whatever was seen, and sums of all targets", () => {
  const minute = Math.floor(NOW / 60_000) * 60_000;
  const one = seen({ history: [{ start_ms: minute, answered: 3, failed: 1 }] });
  const old = seen({ history: [{ start_ms: minute - 3_600_000, answered: 9, failed: 9 }] });
  const hour = wholeHour([one, one, old], NOW);
  expect(hour).toHaveLength(60);
  expect(hour.at(-1)).toEqual({ start_ms: minute, answered: 6, failed: 2 });
  expect(sums(hour)).toEqual({ answered: 6, failed: 2, ok: "75.0 %" });
  expect(sums(wholeHour([seen({ history: history(NOW, () => 0) })], NOW)).ok).toBe("100 %");
  expect(sums(wholeHour([], NOW)).ok).toBe(null);
});

test("a share is never shown as all or nothing that is not", () => {
  expect(share(99_999, 100_000)).toBe("99.9 %");
  expect(share(1, 100_000)).toBe("< 0.1 %");
  expect(share(0, 5)).toBe("0.0 %");
});

test("causes are summed, the latest failure and the busiest target's pace stand for all", () => {
  const all = Object.values(providers(NOW).seen);
  const again = seen({ causes: [{ code: "rate_limited", attempts: 400 }] });
  expect(causes([...all, again])[0]).toEqual({ code: "rate_limited", attempts: 412 });
  expect(lastFailure(all)?.code).toBe("bad_gateway");
  expect(lastFailure([again])).toBe(null);
  expect(pace(all)?.p95_ms).toBe(2_900);
  expect(pace([again])).toBe(null);
});

test("who has no other target is told before anything is drained", () => {
  const alias = (name: string, targets: string[]) => ({
    name,
    targets: targets.map((label) => ({ label })),
  });
  const models = {
    aliases: [
      alias("smart", ["openai/gpt", "azure/gpt"]),
      alias("solo", ["openai/gpt", "openai/gpt-5"]),
      alias("other", ["openai-eu/gpt"]),
    ],
    routes: [{ name: "weather", upstreams: ["https://a.example"] }],
    direct: [],
  } as unknown as Models;
  expect(stranded("openai", models)).toEqual(["solo"]);
  expect(stranded("openai/gpt", models)).toEqual([]);
  expect(stranded("https://a.example", models)).toEqual(["route weather"]);
});

test("the command says the same as the dialogue, whatever the reason holds", () => {
  expect(drainCommand("openai", "", " ")).toBe("goodgate providers drain openai");
  expect(drainCommand("openai/gpt", "30m", "don't ask")).toBe(
    "goodgate providers drain openai/gpt --for 30m --reason 'don'\\''t ask'",
  );
});
