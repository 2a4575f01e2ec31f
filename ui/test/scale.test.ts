import { describe, expect, test } from "vitest";
import type { Phases } from "../src/api/types";
import { asCsv, selection } from "../src/requests/buckets";
import { phaseSpans } from "../src/words/phases";
import { niceCeil, sharedScale, span, ticks } from "../src/words/scale";

describe("time is drawn to scale", () => {
  test("limits are round and never too small", () => {
    const values = [0, 0.3, 1, 1.1, 2, 3, 5, 5.01, 10, 812, 4_812, 1e6];
    for (const value of values) expect(niceCeil(value)).toBeGreaterThanOrEqual(value);
    expect(values.map((value) => niceCeil(value))).toEqual([1, 1, 1, 2, 2, 5, 5, 10, 10, 1_000, 5_000, 1e6]);
  });

  test("ticks begin at nothing and stay within", () => {
    expect(ticks(4_812)).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
    expect(ticks(5_000)).toEqual([0, 1_000, 2_000, 3_000, 4_000, 5_000]);
    expect(ticks(0)).toEqual([0]);
    expect(ticks(1)).toHaveLength(2);
  });

  test("a list's scale ignores its few longest calls", () => {
    expect(sharedScale([])).toBe(1_000);
    expect(sharedScale([2])).toBe(10);
    expect(sharedScale([5_225])).toBe(6_000);
    expect(sharedScale([...Array<number>(99).fill(900), 300_000])).toBe(1_000);
  });

  test("a part of a line is cut at its end and absent beyond it", () => {
    expect(span(250, 500, 1_000)).toEqual({ left: 25, width: 25, cut: false });
    expect(span(900, 3_000, 1_000)).toEqual({ left: 90, width: 10, cut: true });
    expect(span(1_001, 3_000, 1_000)).toBeNull();
    expect(span(0, 10, 0)).toBeNull();
  });
});

describe("phases", () => {
  const none: Phases = {
    dns_us: null,
    connect_us: null,
    tls_us: null,
    sent_us: null,
    first_byte_us: null,
    first_token_us: null,
    end_us: null,
  };
  const told = (phases: Partial<Phases>, ms: number, code: string | null) =>
    phaseSpans({ ...none, ...phases }, ms, code).map(({ name, from, to }) => `${name} ${from}-${to}`);

  test("follow each other without gaps, to the end", () => {
    const phases = {
      dns_us: 10,
      connect_us: 30,
      tls_us: 60,
      sent_us: 61,
      first_byte_us: 90,
      first_token_us: 95,
    };
    expect(told({ ...phases, end_us: 200 }, 1, null)).toEqual([
      "dns 0-10",
      "tcp 10-30",
      "tls 30-60",
      "send 60-61",
      "wait 61-95",
      "stream 95-200",
    ]);
  });

  test("of a reused connection begin with sending", () => {
    expect(told({ sent_us: 5, first_byte_us: 50, end_us: 60 }, 1, null)).toEqual([
      "send 0-5",
      "wait 5-50",
      "stream 50-60",
    ]);
  });

  test("end in the one that failed", () => {
    expect(told({ dns_us: 8_000, end_us: 3_000_000 }, 3_000, "connection_timeout")).toEqual([
      "dns 0-8000",
      "tcp 8000-3000000",
    ]);
    expect(told({}, 2, "dns_failure")).toEqual(["dns 0-2000"]);
    expect(told({}, 1, "connection_refused")).toEqual(["tcp 0-1000"]);
    expect(told({ connect_us: 10 }, 1, "tls_cert_expired")).toEqual(["tcp 0-10", "tls 10-1000"]);
    expect(told({ connect_us: 10, sent_us: 12 }, 1, "response_header_timeout").at(-1)).toBe("wait 12-1000");
    expect(
      phaseSpans({ ...none, sent_us: 5, first_byte_us: 9 }, 1, "stream_incomplete").at(-1)?.unfinished,
    ).toBe(true);
  });

  test("of an attempt without any time are none", () => {
    expect(told({ end_us: 0 }, 0, null)).toEqual([]);
  });
});

describe("the volume's numbers", () => {
  const none = { ok: 0, recovered: 0, cached: 0, failed: 0, refused: 0, cancelled: 0 };
  const buckets = [0, 60_000, 120_000].map((start_ms) => ({
    start_ms,
    calls: 2,
    by_outcome: { ...none, ok: 1, failed: 1 },
    cost_nano_usd: 500_000_000,
  }));

  test("a drag selects whole buckets, either way round", () => {
    expect(selection(buckets, 60_000, 1, 2)).toEqual([60_000, 180_000]);
    expect(selection(buckets, 60_000, 2, 1)).toEqual([60_000, 180_000]);
  });

  test("a file for spreadsheets has a head and a line each", () => {
    const lines = asCsv(buckets).trimEnd().split("\r\n");
    expect(lines[0]).toBe("from,calls,ok,recovered,cached,refused,cancelled,failed,cost_usd");
    expect(lines[1]).toBe("1970-01-01T00:00:00.000Z,2,1,0,0,0,0,1,0.5");
    expect(lines).toHaveLength(4);
  });
});
