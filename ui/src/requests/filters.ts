// The filters of the Requests page. They live in the address, so that a view can be sent to a colleague.
import type { Call, Outcome } from "../api/types";
import { isOutcome, OUTCOMES } from "../words/outcome";

/** The search part of the address, as written. */
export interface RequestSearch {
  outcome?: string;
  model?: string;
  key?: string;
  target?: string;
  code?: string;
  status?: string;
  q?: string;
  /** A span that ends now, in minutes. */
  last?: string;
  /** Or a fixed one, in milliseconds since 1970. */
  since?: string;
  until?: string;
}

export type Field = "model" | "key" | "target" | "code" | "status";
export const FIELDS: readonly Field[] = ["model", "key", "target", "code", "status"];

/** Spans that end now, in minutes; undefined is all there is. */
export const WINDOWS: readonly { minutes: string | undefined; label: string }[] = [
  { minutes: "15", label: "15 min" },
  { minutes: "60", label: "1 hour" },
  { minutes: "1440", label: "24 hours" },
  { minutes: "10080", label: "7 days" },
  { minutes: undefined, label: "All" },
];

const NAMES = ["outcome", "model", "key", "target", "code", "status", "q", "last", "since", "until"] as const;

/** Keeps what is known and sound of an address's search part; a bad value is left out, never an error. */
export function readSearch(raw: Record<string, unknown>): RequestSearch {
  const search: RequestSearch = {};
  for (const name of NAMES) {
    const value = raw[name];
    const text = typeof value === "string" ? value.trim() : typeof value === "number" ? String(value) : "";
    if (text !== "" && sound(name, text)) search[name] = text;
  }
  if (search.outcome !== undefined) {
    const known = outcomesOf(search);
    if (known.length === 0) delete search.outcome;
    else search.outcome = known.join(",");
  }
  return search;
}

function sound(name: (typeof NAMES)[number], text: string): boolean {
  if (name === "status") return /^[1-9]\d{2}$/.test(text);
  if (name === "last") return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 43_200;
  if (name === "since" || name === "until") return /^\d{1,15}$/.test(text);
  return text.length <= 300;
}

export function outcomesOf(search: RequestSearch): Outcome[] {
  const asked = (search.outcome ?? "").split(",").map((word) => word.trim());
  return OUTCOMES.filter((outcome) => asked.includes(outcome));
}

/** The search with one outcome switched on or off. */
export function toggleOutcome(search: RequestSearch, outcome: Outcome): RequestSearch {
  const now = outcomesOf(search);
  const next = OUTCOMES.filter((one) => (one === outcome ? !now.includes(one) : now.includes(one)));
  return withValue(search, "outcome", next.length === OUTCOMES.length ? undefined : next.join(","));
}

/** The search with one value set, or taken out. */
export function withValue(
  search: RequestSearch,
  name: keyof RequestSearch,
  value: string | undefined,
): RequestSearch {
  const next: RequestSearch = { ...search, [name]: value };
  if (name === "last") {
    delete next.since;
    delete next.until;
  }
  if (name === "since" || name === "until") delete next.last;
  return readSearch(next as Record<string, unknown>);
}

/** Whether anything narrows the list. */
export function isFiltered(search: RequestSearch): boolean {
  return NAMES.some((name) => search[name] !== undefined);
}

/** Whether new calls can belong to the list: not when it ends in the past. */
export function isOpenEnded(search: RequestSearch): boolean {
  return search.until === undefined;
}

/** Reads what was typed into the filter field: `model:smart status:502 failed req_01K9…`. */
export function readTyped(search: RequestSearch, typed: string): RequestSearch {
  let next = search;
  for (const word of typed.split(/\s+/).filter((part) => part !== "")) {
    const colon = word.indexOf(":");
    const name = word.slice(0, colon).toLowerCase();
    const value = word.slice(colon + 1);
    if (colon > 0 && value !== "" && (FIELDS as readonly string[]).includes(name)) {
      next = withValue(next, name as Field, value);
    } else if (colon > 0 && name === "outcome" && isOutcome(value)) {
      next = withValue(next, "outcome", value);
    } else if (isOutcome(word.toLowerCase())) {
      next = withValue(next, "outcome", word.toLowerCase());
    } else if (/^[1-5]\d{2}$/.test(word)) {
      next = withValue(next, "status", word);
    } else {
      next = withValue(next, "q", word);
    }
  }
  return next;
}

/** The API's query of the list and of the live stream. */
export function asQuery(search: RequestSearch, now: number) {
  const since = search.last === undefined ? number(search.since) : now - Number(search.last) * 60_000;
  return { ...liveQuery(search), q: search.q, since, until: number(search.until) };
}

/** The part that the live stream filters by itself. */
export function liveQuery(search: RequestSearch) {
  const { outcome, model, key, target, code } = search;
  return { outcome, model, key, target, code, status: number(search.status) };
}

/** The same conditions asked of a call that arrives live; the stream itself knows neither text nor time. */
export function belongs(search: RequestSearch, call: Call): boolean {
  const { model, key, target, code, q } = search;
  const outcomes = outcomesOf(search);
  const status = number(search.status);
  const since = number(search.since);
  const { attempts } = call;
  return (
    (outcomes.length === 0 || outcomes.includes(call.outcome)) &&
    (model === undefined || call.model === model) &&
    (key === undefined || call.key === key) &&
    (target === undefined || call.served_by === target || attempts.some((one) => one.target === target)) &&
    (code === undefined || call.code === code || attempts.some((one) => one.code === code)) &&
    (status === undefined || call.status === status || attempts.some((one) => one.status === status)) &&
    (since === undefined || call.ended_ms >= since) &&
    (q === undefined || hasId(call, q))
  );
}

function hasId(call: Call, q: string): boolean {
  const ids = [
    call.id,
    call.client.request_id,
    ...call.attempts.map((attempt) => attempt.upstream_request_id),
  ];
  return ids.some((id) => id?.startsWith(q) === true);
}

function number(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

/** Reads the search part of an address: plain text, nothing quoted. */
export function parseAddress(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}

/** Writes it; what people read stays readable. */
export function writeAddress(search: Record<string, unknown>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString().replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%3A", ":");
  return text === "" ? "" : `?${text}`;
}
