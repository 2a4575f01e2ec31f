import { describe, expect, test } from "vitest";
import {
  age,
  bytes,
  clock,
  count,
  duration,
  micros,
  money,
  plural,
  roundDuration,
  words,
} from "../src/words/format";

const check = <T>(write: (value: T) => string, cases: [T, string][]) => {
  for (const [value, text] of cases) expect(write(value), String(value)).toBe(text);
};

describe("numbers are written", () => {
  test("durations, with the unit that people say", () => {
    check(duration, [
      [null, "–"],
      [undefined, "–"],
      [0, "< 1 ms"],
      [812, "812 ms"],
      [999, "999 ms"],
      [1_000, "1.00 s"],
      [4_812, "4.81 s"],
      [9_994, "9.99 s"],
      [9_995, "10.0 s"],
      [12_400, "12.4 s"],
      [59_949, "59.9 s"],
      [60_000, "1 m 00 s"],
      [65_400, "1 m 05 s"],
      [3_599_400, "59 m 59 s"],
      [3_599_900, "1 h 00 m"],
      [7_380_000, "2 h 03 m"],
    ]);
  });

  test("settings without idle digits", () => {
    check(roundDuration, [
      [200, "200 ms"],
      [1_500, "1.5 s"],
      [20_000, "20 s"],
      [90_000, "90 s"],
      [300_000, "5 m"],
      [3_600_000, "1 h"],
    ]);
  });

  test("microseconds", () => {
    check(micros, [
      [null, "–"],
      [340, "340 µs"],
      [2_500, "2.5 ms"],
      [96_000, "96 ms"],
      [3_000_000, "3.00 s"],
    ]);
  });

  test("how long something has run", () => {
    check(age, [
      [-5, "0 s"],
      [41_900, "41 s"],
      [180_000, "3 m"],
      [18_000_000, "5 h"],
      [3 * 86_400_000, "3 d"],
    ]);
  });

  test("money, two digits that matter", () => {
    check(money, [
      [null, "–"],
      [0, "$0"],
      [10, "< $0.0000001"],
      [312_000, "$0.00031"],
      [45_600_000, "$0.046"],
      [400_000_000, "$0.40"],
      [994_000_000, "$0.99"],
      [999_000_000, "$1.00"],
      [12_400_000_000, "$12.40"],
    ]);
  });

  test("counts, sizes and words", () => {
    expect(count(1_312)).toBe("1\u202f312");
    expect(count(21)).toBe("21");
    check(bytes, [
      [153, "153 B"],
      [12_400, "12.4 KB"],
      [5_000_000, "5.0 MB"],
    ]);
    expect(words("connection_refused")).toBe("connection refused");
    expect([plural(1, "call"), plural(2, "call"), plural(0, "retry", "retries")]).toEqual([
      "1 call",
      "2 calls",
      "0 retries",
    ]);
  });

  test("a time of another day has its date", () => {
    const noon = new Date(2026, 10, 25, 12, 4, 5).getTime();
    expect(clock(noon, noon + 3_600_000)).toBe("12:04:05");
    expect(clock(noon, noon + 86_400_000)).toMatch(/Nov.*12:04:05/);
  });
});
