// What is said of incidents.
import { expect, test } from "vitest";
import type { Incident } from "../src/api/types";
import { percent, savedShare, span, state, toll } from "../src/incidents/words";

const START = 1_790_000_000_000;

const incident = (change: Partial<Incident> = {}): Incident => ({
  id: "inc_0142",
  target: "openai/gpt-5-mini",
  code: "bad_gateway",
  group: "upstream",
  started_ms: START,
  latest_ms: START + 60_000,
  ended_ms: null,
  closed_by: null,
  attempts: 340,
  calls: 312,
  saved: 300,
  lost: 12,
  evidence: "text/html, 153 bytes",
  last_request: null,
  ...change,
});

test("an incident is open, healed or quiet", () => {
  expect(state(incident())).toBe("open");
  expect(state(incident({ ended_ms: START + 1, closed_by: "health" }))).toBe("healed");
  expect(state(incident({ ended_ms: START + 1, closed_by: "quiet" }))).toBe("quiet");
});

test("its span is told since its beginning while it lasts, then as it was", () => {
  expect(span(incident(), START + 240_000)).toBe("since 4 m");
  expect(span(incident({ ended_ms: START + 61_000 }), START + 9e9)).toBe("for 1 m 01 s");
  expect(span(incident({ ended_ms: START + 200 }), START + 9e9)).toBe("for a moment");
});

test("its toll names calls, saved and lost ones, and no share of nothing", () => {
  expect(toll(incident())).toBe("312 calls hit, 300 saved, 12 lost");
  expect(toll(incident({ calls: 1, saved: 0, lost: 0 }))).toBe("1 call hit, 0 saved, 0 lost");
  expect(percent(savedShare(incident()))).toBe("96 %");
  expect(percent(savedShare(incident({ saved: 0, lost: 0 })))).toBe("–");
  expect(savedShare(incident({ saved: 999, lost: 1 }))).toBe(99);
});
