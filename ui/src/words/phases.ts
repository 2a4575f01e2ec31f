// The phases of an attempt, as spans of time. The API says when each ended; here they get their beginnings.
import type { Phases } from "../api/types";

export type PhaseName = "dns" | "tcp" | "tls" | "send" | "wait" | "stream";

export const PHASES: readonly { name: PhaseName; meaning: string }[] = [
  { name: "dns", meaning: "looking up the name" },
  { name: "tcp", meaning: "connecting" },
  { name: "tls", meaning: "agreeing on encryption" },
  { name: "send", meaning: "writing the request" },
  { name: "wait", meaning: "until the answer begins" },
  { name: "stream", meaning: "reading the answer" },
];

export interface PhaseSpan {
  name: PhaseName;
  /** Microseconds since the attempt began. */
  from: number;
  to: number;
  /** Whether the attempt ended in it rather than after it. */
  unfinished: boolean;
}

/** The spans of an attempt that took `ms`. `code` tells phases apart where no time does. */
export function phaseSpans(phases: Phases, ms: number, code: string | null): PhaseSpan[] {
  const reached: { name: PhaseName; at: number | null }[] = [
    { name: "dns", at: phases.dns_us },
    { name: "tcp", at: phases.connect_us },
    { name: "tls", at: phases.tls_us },
    { name: "send", at: phases.sent_us },
    // Content is what one waits for; an answer without a first token is there with its head.
    { name: "wait", at: phases.first_token_us ?? phases.first_byte_us },
  ];
  const spans: PhaseSpan[] = [];
  let from = 0;
  let last: PhaseName | null = null;
  for (const { name, at } of reached) {
    if (at === null) continue;
    last = name;
    if (at > from) {
      spans.push({ name, from, to: at, unfinished: false });
      from = at;
    }
  }
  const end = Math.max(phases.end_us ?? ms * 1_000, from);
  if (end > from) {
    const name = running(last, code);
    spans.push({ name, from, to: end, unfinished: name !== "stream" || code !== null });
  }
  return spans;
}

/** What was going on after the last phase that ended. */
function running(last: PhaseName | null, code: string | null): PhaseName {
  switch (last) {
    case null:
      return code?.startsWith("dns") ? "dns" : "tcp";
    case "dns":
      return "tcp";
    case "tcp":
      return code?.startsWith("tls") ? "tls" : "send";
    case "tls":
      return "send";
    case "send":
      return "wait";
    default:
      return "stream";
  }
}
