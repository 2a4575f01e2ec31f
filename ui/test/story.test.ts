import { describe, expect, test } from "vitest";
import {
  BROKEN,
  CANCELLED,
  detail,
  FAILED,
  FAILED_DETAIL,
  RECOVERED,
  REFUSED_DETAIL,
  SERVED,
} from "../fixtures/calls.mjs";
import { chain, fixes, type Part, whose, why } from "../src/request/story";
import { readTold } from "../src/request/told";
import { samples, sdkClass } from "../src/request/yourcode-samples";

const sentence = (parts: Part[]) =>
  parts.map((part) => ("code" in part ? part.code : "name" in part ? part.name : part.text)).join("");

describe("a call is explained", () => {
  test("that failed: each target's cause, the provider, the gateway's own fixes", () => {
    expect(sentence(why(FAILED_DETAIL))).toBe(
      "openai/gpt-5-mini failed 2 times: bad_gateway (text/html, 153 bytes, server: cloudflare) and " +
        "azure-eu/gpt-5-mini failed: connection_timeout (no SYN-ACK in 3000 ms).",
    );
    expect(whose(FAILED).who).toBe("The provider");
    expect(fixes(FAILED_DETAIL)).toEqual([
      "Retry after 20 s; no code change needed.",
      "Add a target to model 'smart' (goodgate.yaml:14).",
    ]);
  });

  test("that recovered: what failed, and who answered then", () => {
    expect(sentence(why(detail(RECOVERED)))).toBe(
      "demo/down failed: connection_refused (connection refused in 1 ms). Then local/smollm2 answered.",
    );
    expect(fixes(detail(RECOVERED))[0]).toMatch(/Nothing in the caller's code/);
  });

  test("that was refused: by the code's meaning", () => {
    expect(sentence(why(REFUSED_DETAIL))).toBe("Nothing in the configuration has this model or path.");
    expect(whose(REFUSED_DETAIL.request).who).toBe("This gateway's settings");
    expect(fixes(REFUSED_DETAIL)).toHaveLength(1);
  });

  test("that broke midway, was left, or went well", () => {
    expect(sentence(why(detail(BROKEN)))).toMatch(/Part of the answer had already been sent/);
    expect(sentence(why(detail(CANCELLED)))).toMatch(/caller closed the connection/);
    expect(sentence(why(detail(SERVED)))).toBe("openai/gpt-5-mini answered at the first attempt, in 1.34 s.");
    expect(fixes(detail(SERVED))).toEqual(["Nothing to do."]);
  });
});

test("the chain shows each station once, the ones not reached too", () => {
  expect(chain(FAILED_DETAIL).map(({ name, state, note }) => `${name} ${state}: ${note}`)).toEqual([
    "You good: 1\u202f312 tokens",
    "goodgate good: own part 3 ms, waited 210 ms",
    "openai/gpt-5-mini bad: bad gateway ×2",
    "azure-eu/gpt-5-mini bad: connection timeout",
    "vllm-a/qwen3 idle: not tried: circuit open",
  ]);
  expect(chain(REFUSED_DETAIL).map(({ state }) => state)).toEqual(["good", "bad"]);
  expect(chain(detail(RECOVERED)).map(({ state }) => state)).toEqual(["good", "good", "bad", "good"]);
  expect(chain(detail(CANCELLED)).map(({ state }) => state)).toEqual(["left", "good", "left"]);
});

describe("what the client was told is read", () => {
  test("from an SDK's body, a problem's, and anything else", () => {
    expect(readTold(FAILED_DETAIL.error)).toMatchObject({
      code: "bad_gateway",
      retryAfterMs: 20_000,
      isProblem: false,
    });
    const problem = { title: "Bad Gateway", detail: "all failed", goodgate: { fix: ["wait", 7] } };
    expect(readTold(problem)).toMatchObject({ message: "all failed", fix: ["wait"], isProblem: true });
    for (const odd of [null, 7, "x", [], { error: "x" }, { error: { goodgate: [] } }]) {
      expect(() => readTold(odd)).not.toThrow();
    }
  });
});

describe("what code saw", () => {
  test("has the class that the SDKs raise for the status", () => {
    expect([400, 401, 403, 404, 429, 500, 502, 503, 504, 418].map(sdkClass)).toEqual([
      "BadRequestError",
      "AuthenticationError",
      "PermissionDeniedError",
      "NotFoundError",
      "RateLimitError",
      "InternalServerError",
      "InternalServerError",
      "InternalServerError",
      "InternalServerError",
      "APIStatusError",
    ]);
  });

  test("has this call's own values, in both languages", () => {
    for (const { code } of samples(FAILED_DETAIL)) {
      for (const value of ["InternalServerError", "502", FAILED.id, "bad_gateway", "smart"])
        expect(code).toContain(value);
    }
    for (const { code } of samples(detail(RECOVERED))) {
      for (const value of [RECOVERED.id, "recovered", "local/smollm2"]) expect(code).toContain(value);
    }
  });
});
