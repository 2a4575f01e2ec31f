import { expect, test } from "vitest";
import { BAD_GATEWAY, NO_ROUTE } from "../fixtures/calls.mjs";
import { byGroup } from "../src/codes/groups";
import { asLanguage, tokens } from "../src/parts/highlight";
import { match } from "../src/parts/keys";
import { readTab } from "../src/request/tabs";

test("colouring never changes the code", () => {
  const samples = {
    json: JSON.stringify({ a: 'x "y" \\', b: [1, -2.5e3, null, true], "c d": "😀" }, null, 2),
    python: 'import openai  # "why"\nx = "it\'s" + \'"\'\nprint(x, 12, None)',
    typescript: 'const a = "b"; // c "d"\nawait f(`x`, 1);',
    bash: 'eval "$(goodgate env)" # x\ncurl -d \'{"a":\n1}\' http://h/#frag',
  } as const;
  for (const [language, code] of Object.entries(samples)) {
    const parts = tokens(code, asLanguage(language));
    expect(parts.map((part) => part.text).join("")).toBe(code);
    expect(new Set(parts.map((part) => part.kind)).size, language).toBeGreaterThan(2);
  }
  expect(tokens("", "json")).toEqual([]);
});

test("a colour's kind is right where it matters", () => {
  const kinds = (code: string, language: Parameters<typeof tokens>[1]) =>
    tokens(code, language)
      .filter((part) => part.kind !== "text")
      .map((part) => `${part.kind} ${part.text}`);
  expect(kinds('{"a": "b", "n": -1}', "json")).toEqual(['key "a"', 'string "b"', 'key "n"', "number -1"]);
  expect(kinds("x = 'a # b'  # c", "python")).toEqual(["string 'a # b'", "comment # c"]);
  expect(kinds("open http://h/x#y", "bash")).toEqual([]);
});

test("a sequence of keys comes before its last key alone", () => {
  const did: string[] = [];
  const keys = { r: () => did.push("r"), "g r": () => did.push("g r") };
  match(keys, "g", "r")?.({} as KeyboardEvent);
  match(keys, "x", "r")?.({} as KeyboardEvent);
  match(keys, null, "r")?.({} as KeyboardEvent);
  expect(did).toEqual(["g r", "r", "r"]);
  expect(match(keys, null, "q")).toBeUndefined();
});

test("codes are found by name, words, status and meaning", () => {
  const found = (typed: string) =>
    byGroup([BAD_GATEWAY, NO_ROUTE], typed).flatMap(([, codes]) => codes.map((one) => one.code));
  expect(found("")).toEqual(["bad_gateway", "no_route"]);
  expect(found("502")).toEqual(["bad_gateway"]);
  expect(found("no route")).toEqual(["no_route"]);
  expect(found("CONFIGURATION")).toEqual(["no_route"]);
  expect(found("zzz")).toEqual([]);
});

test("a tab that does not exist is the first one", () => {
  expect(readTab({ tab: "policy" })).toEqual({ tab: "policy" });
  expect(readTab({ tab: "x" })).toEqual({});
  expect(readTab({})).toEqual({});
});
