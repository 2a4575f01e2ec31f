import { describe, expect, test } from "vitest";
import { CALLS, FAILED, RECOVERED } from "../fixtures/calls.mjs";
import {
  asQuery,
  belongs,
  isFiltered,
  isOpenEnded,
  liveQuery,
  parseAddress,
  readSearch,
  readTyped,
  toggleOutcome,
  withValue,
  writeAddress,
} from "../src/requests/filters";

describe("the address holds the view", () => {
  test("what is written is read back, and people can read it", () => {
    const search = { outcome: "recovered,failed", model: "openai/gpt-5-mini", last: "60" };
    const address = writeAddress(search);
    expect(address).toBe("?outcome=recovered,failed&model=openai/gpt-5-mini&last=60");
    expect(readSearch(parseAddress(address))).toEqual(search);
  });

  test("odd values survive the way", () => {
    const search = { model: 'a&b=c #?+%2F "ü"' };
    expect(readSearch(parseAddress(writeAddress(search)))).toEqual(search);
  });

  test("nonsense is left out, never an error", () => {
    const raw = {
      outcome: "failed,nonsense",
      status: "teapot",
      last: "-5",
      since: "1e9",
      other: "x",
      q: "  ",
      key: ["a"],
    };
    expect(readSearch(raw)).toEqual({ outcome: "failed" });
    expect(readSearch({ outcome: "nonsense" })).toEqual({});
    expect(readSearch({ last: "99999" })).toEqual({});
    expect(readSearch({ status: 502 })).toEqual({ status: "502" });
  });

  test("an outcome is switched on and off; all of them are none", () => {
    const one = toggleOutcome({}, "failed");
    expect(one).toEqual({ outcome: "failed" });
    expect(toggleOutcome(one, "ok")).toEqual({ outcome: "ok,failed" });
    expect(toggleOutcome(one, "failed")).toEqual({});
    expect(toggleOutcome({ outcome: "ok,recovered,cached,refused,cancelled" }, "failed")).toEqual({});
  });

  test("a span that ends now and a fixed one exclude each other", () => {
    expect(withValue({ since: "1", until: "2", model: "m" }, "last", "60")).toEqual({
      model: "m",
      last: "60",
    });
    expect(withValue({ last: "60" }, "since", "1")).toEqual({ since: "1" });
  });

  test("a list that ends in the past gets no new calls", () => {
    expect(isOpenEnded({ last: "60" })).toBe(true);
    expect(isOpenEnded({ since: "1", until: "2" })).toBe(false);
    expect([isFiltered({}), isFiltered({ last: "60" })]).toEqual([false, true]);
  });
});

describe("the filter field reads", () => {
  test.each([
    ["model:smart status:502", { model: "smart", status: "502" }],
    ["failed", { outcome: "failed" }],
    ["Outcome:recovered KEY:ci-bot", { outcome: "recovered", key: "ci-bot" }],
    ["429", { status: "429" }],
    ["req_01K9ZQ7V", { q: "req_01K9ZQ7V" }],
    ["target:http://10.2.0.7:8000/v1", { target: "http://10.2.0.7:8000/v1" }],
    ["code:", { q: "code:" }],
    ["", {}],
  ])("%s", (typed, search) => {
    expect(readTyped({}, typed)).toEqual(search);
  });
});

describe("the API is asked", () => {
  test("for a span that ends now, from now", () => {
    expect(asQuery({ last: "60", status: "502" }, 10_000_000)).toMatchObject({
      since: 6_400_000,
      status: 502,
    });
    expect(asQuery({ since: "5", until: "9", q: "req_" }, 0)).toMatchObject({
      since: 5,
      until: 9,
      q: "req_",
    });
  });

  test("for live calls only by what the stream knows", () => {
    expect(Object.keys(liveQuery({ q: "x", last: "60" })).sort()).toEqual([
      "code",
      "key",
      "model",
      "outcome",
      "status",
      "target",
    ]);
  });

  test("and a call that arrives belongs where the list would have it", () => {
    const ids = (search: Parameters<typeof belongs>[0]) =>
      CALLS.filter((call) => belongs(search, call)).map((call) => call.id);
    expect(ids({})).toHaveLength(CALLS.length);
    expect(ids({ outcome: "recovered" })).toEqual([RECOVERED.id]);
    expect(ids({ status: "502" })).toEqual([FAILED.id]);
    expect(ids({ code: "connection_timeout" })).toEqual([FAILED.id]);
    expect(ids({ target: "local/smollm2" })).toEqual([RECOVERED.id]);
    expect(ids({ key: "ci-bot", model: "smart" })).toEqual([FAILED.id]);
    expect(ids({ q: FAILED.id.slice(0, 14) })).toEqual([FAILED.id]);
    expect(ids({ since: String(FAILED.ended_ms) })).toEqual([FAILED.id]);
  });
});
