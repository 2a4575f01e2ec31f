// The rows of the Requests page: pages of the API, calls that arrive live, and notes of what was not kept.
import type { Call, CallPage, NotKept } from "../api/types";

/** Live calls kept in the page while nobody reads older ones. */
export const MOST_LIVE = 300;

/** Where older calls begin: the API's cursor, or a time when live rows pushed the cursor's place out. */
export type Older = { cursor: string } | { until: number } | null;

export interface CallList {
  /** The latest first. */
  calls: Call[];
  notKept: NotKept[];
  older: Older;
  /** Whether someone asked for older calls: then nothing is trimmed. */
  reading: boolean;
}

export const EMPTY: CallList = { calls: [], notKept: [], older: null, reading: false };

/** The first page, laid over what is shown: nothing is lost between the stream's start and the page's reading. */
export function withFirstPage(list: CallList, page: CallPage): CallList {
  const oldest = page.requests.at(-1);
  const overlaps = list.calls.length > 0 && oldest !== undefined && oldest.seq <= (list.calls[0]?.seq ?? 0);
  if (!overlaps) {
    return { calls: page.requests, notKept: page.not_kept, older: cursor(page), reading: false };
  }
  // Live calls alone do not know what lies before them; the page does, unless older ones are shown already.
  const reachesFurther = (oldest?.seq ?? 0) <= (list.calls.at(-1)?.seq ?? 0);
  return {
    ...list,
    calls: merged(list.calls, page.requests),
    notKept: mergedNotes(list.notKept, page.not_kept),
    older: reachesFurther ? cursor(page) : list.older,
  };
}

/** A further page, older than all that is shown. */
export function withOlderPage(list: CallList, page: CallPage): CallList {
  return {
    calls: merged(list.calls, page.requests),
    notKept: mergedNotes(list.notKept, page.not_kept),
    older: cursor(page),
    reading: true,
  };
}

/** Calls and notes that just arrived. */
export function withLive(list: CallList, calls: readonly Call[], notes: readonly NotKept[]): CallList {
  const all = merged(list.calls, calls);
  const next = { ...list, calls: all, notKept: addedNotes(list.notKept, notes) };
  if (list.reading || all.length <= MOST_LIVE * 1.2) return next;
  const kept = all.slice(0, MOST_LIVE);
  const last = kept.at(-1)?.ended_ms ?? 0;
  return {
    ...next,
    calls: kept,
    notKept: next.notKept.filter((note) => note.second * 1_000 >= last - 1_000),
    older: { until: last + 1 },
  };
}

function cursor(page: CallPage): Older {
  return page.next === null ? null : { cursor: page.next };
}

function merged(one: readonly Call[], other: readonly Call[]): Call[] {
  const bySeq = new Map<number, Call>();
  for (const call of [...one, ...other]) bySeq.set(call.seq, call);
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq);
}

const place = (note: NotKept) => `${note.second} ${note.class}`;

/** Of the same second and class the greater count is the later one. */
function mergedNotes(one: readonly NotKept[], other: readonly NotKept[]): NotKept[] {
  const notes = new Map<string, NotKept>();
  for (const note of [...one, ...other]) {
    const known = notes.get(place(note));
    if (known === undefined || known.count < note.count) notes.set(place(note), note);
  }
  return [...notes.values()];
}

/** A live note is an increment: how many more of its second were left out. */
function addedNotes(known: readonly NotKept[], arrived: readonly NotKept[]): NotKept[] {
  const notes = new Map(known.map((note) => [place(note), note]));
  for (const note of arrived) {
    const before = notes.get(place(note))?.count ?? 0;
    notes.set(place(note), { ...note, count: before + note.count });
  }
  return [...notes.values()];
}

/** A line of the table. */
export type Line =
  | { kind: "call"; call: Call }
  | { kind: "not_kept"; key: string; class: NotKept["class"]; from: number; to: number; count: number };

/** Calls and notes in one order, the latest first; notes of one class that stand together become one line. */
export function lines(list: Pick<CallList, "calls" | "notKept" | "older">): Line[] {
  const notes = [...list.notKept].sort((a, b) => b.second - a.second || a.class.localeCompare(b.class));
  const result: Line[] = [];
  let next = 0;
  const pour = (until: number) => {
    for (let note = notes[next]; note !== undefined && note.second * 1_000 > until; note = notes[next]) {
      add(result, note);
      next += 1;
    }
  };
  for (const call of list.calls) {
    pour(call.ended_ms);
    result.push({ kind: "call", call });
  }
  // Beyond the last call only what is not the next page's to tell.
  const last = list.calls.at(-1)?.ended_ms;
  pour(list.older === null ? Number.NEGATIVE_INFINITY : last === undefined ? 0 : last - 1_000);
  return result;
}

function add(lines: Line[], note: NotKept) {
  for (let n = lines.length - 1; n >= 0; n -= 1) {
    const line = lines[n];
    if (line === undefined || line.kind === "call") break;
    if (line.class === note.class) {
      line.from = note.second;
      line.count += note.count;
      return;
    }
  }
  const { second } = note;
  lines.push({
    kind: "not_kept",
    key: place(note),
    class: note.class,
    from: second,
    to: second,
    count: note.count,
  });
}

/** Calls per second over the last ten, from when calls ended. */
export function rate(ended: readonly number[], now: number): number {
  return ended.filter((at) => now - at <= 10_000).length / 10;
}
