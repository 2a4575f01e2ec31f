import { describe, expect, test } from "vitest";
import { call } from "../fixtures/calls.mjs";
import type { NotKept } from "../src/api/types";
import { EMPTY, lines, MOST_LIVE, rate, withFirstPage, withLive, withOlderPage } from "../src/requests/rows";

const SECOND = 1_000_000;
const one = (seq: number, ended = (SECOND + seq) * 1_000) =>
  call({ id: `req_${seq}`, seq, outcome: "ok", started_ms: ended, total_ms: 0 });
const many = (from: number, to: number) => {
  const calls = [];
  for (let seq = to; seq >= from; seq -= 1) calls.push(one(seq));
  return calls;
};
const page = (from: number, to: number, next: string | null = null, notes: NotKept[] = []) => ({
  requests: many(from, to),
  next,
  not_kept: notes,
});
const note = (second: number, count: number, of: NotKept["class"] = "plain"): NotKept => ({
  second: SECOND + second,
  class: of,
  count,
});
const seqs = (list: { calls: { seq: number }[] }) => list.calls.map(({ seq }) => seq);

describe("the list of calls", () => {
  test("takes live calls that came before the first page was read, once", () => {
    const live = withLive(EMPTY, [one(5), one(6)], []);
    const list = withFirstPage(live, page(3, 6, "c"));
    expect(seqs(list)).toEqual([6, 5, 4, 3]);
    expect(list.older).toEqual({ cursor: "c" });
  });

  test("begins anew when a page has nothing in common with it", () => {
    const old = withFirstPage(EMPTY, page(1, 3));
    const list = withFirstPage(old, page(10, 12, "c"));
    expect(seqs(list)).toEqual([12, 11, 10]);
    expect(list.older).toEqual({ cursor: "c" });
  });

  test("keeps older pages when the first is read again", () => {
    const list = withOlderPage(withFirstPage(EMPTY, page(5, 8, "c")), page(1, 4));
    const again = withFirstPage(list, page(6, 9, "d"));
    expect(seqs(again)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(again.older).toBeNull();
  });

  test("is trimmed while only live calls come, and says where older ones begin", () => {
    const list = withLive(withFirstPage(EMPTY, page(1, 50, "c")), many(51, 1_000), []);
    expect(list.calls).toHaveLength(MOST_LIVE);
    expect(list.older).toEqual({ until: (list.calls.at(-1)?.ended_ms ?? 0) + 1 });
  });

  test("is not trimmed under the eyes of who reads older calls", () => {
    const reading = withOlderPage(withFirstPage(EMPTY, page(51, 100, "c")), page(1, 50));
    expect(withLive(reading, many(101, 1_000), []).calls).toHaveLength(1_000);
  });

  test("adds up live notes of one second, and takes a page's as the truth so far", () => {
    const list = withLive(
      withFirstPage(EMPTY, page(1, 3, null, [note(2, 40)])),
      [],
      [note(2, 2), note(2, 3)],
    );
    expect(list.notKept).toEqual([note(2, 45)]);
    expect(withFirstPage(list, page(1, 3, null, [note(2, 60)])).notKept).toEqual([note(2, 60)]);
  });
});

describe("the lines of the table", () => {
  const told = (calls: ReturnType<typeof one>[], notKept: NotKept[]) =>
    lines({ calls, notKept, older: null }).map((line) =>
      line.kind === "call"
        ? line.call.seq
        : `${line.count} ${line.class} ${line.from - SECOND}-${line.to - SECOND}`,
    );

  test("put a note between the calls it lies between", () => {
    expect(told([one(5), one(2)], [note(3, 7)])).toEqual([5, "7 plain 3-3", 2]);
    expect(told([one(5)], [note(9, 7), note(1, 2)])).toEqual(["7 plain 9-9", 5, "2 plain 1-1"]);
  });

  test("join notes of one class that stand together", () => {
    expect(told([one(9), one(1)], [note(3, 7), note(5, 10), note(4, 1, "refused")])).toEqual([
      9,
      "17 plain 3-5",
      "1 refused 4-4",
      1,
    ]);
  });
});

test("the rate is that of the last ten seconds", () => {
  expect(rate([0, 50_000, 55_000, 59_000], 60_000)).toBe(0.3);
});
