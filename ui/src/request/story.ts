// Why, whose and what to do, in sentences, from what the API says of a call.
import type { Attempt, Call, CallDetail } from "../api/types";
import { duration, plural, words } from "../words/format";
import { readTold } from "./told";

/** Attempts that followed each other at one target with one result. */
export interface Run {
  target: string;
  code: string | null;
  status: number | null;
  evidence: string | null;
  count: number;
}

export function runs(attempts: readonly Attempt[]): Run[] {
  const result: Run[] = [];
  for (const { target, code, status, evidence } of attempts) {
    const last = result.at(-1);
    if (last !== undefined && last.target === target && last.code === code) last.count += 1;
    else result.push({ target, code, status, evidence, count: 1 });
  }
  return result;
}

/** A part of a sentence; `code` parts lead to the code's page. */
export type Part = { text: string } | { code: string } | { name: string };

/** Why it went as it did. */
export function why(detail: CallDetail): Part[] {
  const { request: call, code_facts: facts } = detail;
  const failed = runs(call.attempts.filter((attempt) => stateOf(attempt, call) === "bad"));
  if (call.attempts.length === 0) {
    const reason = facts?.meaning ?? readTold(detail.error)?.message ?? "No attempt was made.";
    return [{ text: reason }];
  }
  if (failed.length === 0) return plainly(call);
  const parts: Part[] = [];
  failed.forEach((run, n) => {
    if (n > 0) parts.push({ text: n === failed.length - 1 ? " and " : ", " });
    parts.push({ name: run.target }, { text: run.count > 1 ? ` failed ${run.count} times: ` : " failed: " });
    parts.push({ code: run.code ?? "" });
    if (run.evidence !== null) parts.push({ text: ` (${run.evidence})` });
  });
  if (call.outcome === "recovered") {
    parts.push({ text: ". Then " }, { name: call.served_by ?? "another target" }, { text: " answered." });
  } else if (call.outcome === "cancelled") {
    parts.push({ text: ". Then the caller left." });
  } else if (call.output_sent) {
    parts.push({ text: ". Part of the answer had already been sent, so nothing else could be tried." });
  } else {
    parts.push({ text: "." });
  }
  return parts;
}

function plainly(call: Call): Part[] {
  if (call.outcome === "cancelled") return [{ text: "The caller closed the connection before the end." }];
  if (call.outcome === "cached") return [{ text: "The answer was in the cache." }];
  const served: Part = { name: call.served_by ?? call.attempts[0]?.target ?? "the target" };
  if (call.outcome !== "ok") return [served, { text: " was asked, but the call ended before its answer." }];
  return [served, { text: ` answered at the first attempt, in ${duration(call.total_ms)}.` }];
}

/** Whose fault it was. */
export function whose(call: Call): { who: string; more: string } {
  if (call.outcome === "ok" || call.outcome === "cached") return { who: "Nobody's", more: "All went well." };
  if (call.outcome === "cancelled")
    return { who: "The caller's choice", more: "The connection was closed on that side." };
  switch (call.origin) {
    case "client":
      return { who: "The request", more: "It has to change before it is sent again." };
    case "gateway":
      return { who: "This gateway's settings", more: "Not the request, and not the caller's code." };
    case "network":
      return { who: "The network", more: "Between this gateway and the target. The request is fine." };
    case "upstream":
      return { who: "The provider", more: "Not the request, not the caller's key." };
    default:
      return { who: "Not known", more: "The evidence below is all there is." };
  }
}

/** What to do, the most urgent first. */
export function fixes(detail: CallDetail): string[] {
  const { request: call, code_facts: facts } = detail;
  if (call.outcome === "ok" || call.outcome === "cached") return ["Nothing to do."];
  if (call.outcome === "recovered") {
    const survived = "Nothing in the caller's code: it got its answer.";
    return facts === null ? [survived] : [survived, `If it happens often: ${lowerFirst(facts.fix)}`];
  }
  const told = readTold(detail.error)?.fix ?? [];
  if (told.length > 0) return told;
  return facts === null ? ["Look at the evidence of the attempts below."] : [facts.fix];
}

function lowerFirst(sentence: string): string {
  const second = sentence.charAt(1);
  const isName = second !== second.toLowerCase();
  return isName ? sentence : sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

/** Whether an attempt answered, failed, or was given up because the caller left. */
export function stateOf(
  { code }: Pick<Attempt, "code">,
  { outcome }: Pick<Call, "outcome">,
): "good" | "bad" | "left" {
  if (outcome === "cancelled" && (code === null || code === "client_cancelled")) return "left";
  return code === null ? "good" : "bad";
}

/** One station of the chain from the caller to the targets. */
export interface Station {
  kind: "caller" | "gateway" | "target";
  name: string;
  state: "good" | "bad" | "left" | "idle";
  note: string;
}

export function chain(detail: CallDetail): Station[] {
  const { request: call } = detail;
  const stations: Station[] = [caller(call), gateway(call)];
  const targets = new Map<string, Attempt[]>();
  for (const attempt of call.attempts) {
    targets.set(attempt.target, [...(targets.get(attempt.target) ?? []), attempt]);
  }
  for (const [name, attempts] of targets) stations.push(target(name, attempts, call));
  for (const { target: name, why: reason } of detail.not_tried) {
    if (!targets.has(name))
      stations.push({ kind: "target", name, state: "idle", note: `not tried: ${words(reason)}` });
  }
  return stations;
}

function caller(call: Call): Station {
  const blamed = call.origin === "client" && call.outcome === "refused";
  if (blamed || (call.origin === "client" && call.outcome === "failed")) {
    return { kind: "caller", name: "You", state: "bad", note: words(call.code ?? "request refused") };
  }
  if (call.outcome === "cancelled")
    return { kind: "caller", name: "You", state: "left", note: "left before the end" };
  const { input } = call.usage;
  return {
    kind: "caller",
    name: "You",
    state: "good",
    note: input === null ? "request valid" : plural(input, "token"),
  };
}

function gateway(call: Call): Station {
  if (call.origin === "gateway" && call.outcome !== "recovered" && call.attempts.length === 0) {
    return { kind: "gateway", name: "goodgate", state: "bad", note: words(call.code ?? "refused") };
  }
  return { kind: "gateway", name: "goodgate", state: "good", note: ownPart(call) };
}

/** What of the call's time is the gateway's own: its work, and apart from it what it waited before trying again. */
function ownPart({ gateway_us, attempts }: Call): string {
  if (gateway_us === null) return "this gateway";
  let waited = 0;
  for (const [n, attempt] of attempts.entries()) {
    const before = attempts[n - 1];
    if (before !== undefined) waited += Math.max(0, attempt.at_ms - before.at_ms - before.ms);
  }
  const work = spent(Math.max(0, gateway_us - waited * 1_000));
  return waited === 0 ? `own part ${work}` : `own part ${work}, waited ${duration(waited)}`;
}

function spent(us: number): string {
  return us < 1_000 ? "< 1 ms" : duration(us / 1_000);
}

function target(name: string, attempts: readonly Attempt[], call: Call): Station {
  const bad = attempts.filter((attempt) => stateOf(attempt, call) === "bad");
  const last = attempts.at(-1);
  if (last !== undefined && stateOf(last, call) !== "bad") {
    if (call.outcome === "cancelled") return { kind: "target", name, state: "left", note: "was being asked" };
    const before = bad.length > 0 ? `, after ${plural(bad.length, "failure")}` : "";
    return { kind: "target", name, state: "good", note: `answered${before}` };
  }
  const times = bad.length > 1 ? ` ×${bad.length}` : "";
  return { kind: "target", name, state: "bad", note: `${words(last?.code ?? "failed")}${times}` };
}
