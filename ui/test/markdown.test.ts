import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Block, blocks, destination, type Inline, inlines } from "../src/codes/markdown-tree";
import { apart, withoutHead } from "../src/codes/sections";

const PAGES = join(import.meta.dirname, "..", "..", "docs", "errors");

describe("Markdown is read", () => {
  test("block by block", () => {
    const text =
      "# A `b`\n\nOne\ntwo.\n- x\n\n1. a\n2. b\n   c\n\n> q\n\n```json\n{}\n```\n| h | |\n|---|---|\n| `a|b` | c |\n";
    expect(blocks(text).map((block) => block.kind)).toEqual([
      "heading",
      "paragraph",
      "list",
      "quote",
      "code",
      "table",
    ]);
    expect(blocks("1. a\n2. b\n   c")).toEqual([
      { kind: "list", ordered: true, items: [inlines("a"), inlines("b c")] },
    ]);
  });

  test("word by word", () => {
    expect(inlines("a `b*c*` **d `e`** *f* [g](h.md) 2*3*4 snake_case_word")).toEqual([
      { kind: "text", text: "a " },
      { kind: "code", text: "b*c*" },
      { kind: "text", text: " " },
      {
        kind: "strong",
        inside: [
          { kind: "text", text: "d " },
          { kind: "code", text: "e" },
        ],
      },
      { kind: "text", text: " " },
      { kind: "em", inside: [{ kind: "text", text: "f" }] },
      { kind: "text", text: " " },
      { kind: "link", to: "h.md", inside: [{ kind: "text", text: "g" }] },
      { kind: "text", text: " 2*3*4 snake_case_word" },
    ]);
  });

  test("and nothing in it can do harm", () => {
    expect(blocks("<script>alert(1)</script>")).toEqual([
      { kind: "paragraph", inside: [{ kind: "text", text: "<script>alert(1)</script>" }] },
    ]);
    expect(destination("javascript:alert(1)")).toBeNull();
    expect(destination("data:text/html,x")).toBeNull();
    expect(destination("//evil.example")).toBeNull();
    expect(destination("bad_gateway.md")).toEqual({ code: "bad_gateway" });
    expect(destination("https://www.rfc-editor.org/rfc/rfc9209")).toEqual({
      url: "https://www.rfc-editor.org/rfc/rfc9209",
    });
  });

  test("odd input ends", () => {
    for (const odd of ["", "```", "|", "|-|", "# ", "- ", "*", "**", "`", "[](", "[a](b", "> ", "a\n|-|\n"]) {
      expect(() => blocks(odd)).not.toThrow();
    }
  });
});

test("every page about a code is understood whole", () => {
  const words = (inside: readonly Inline[]): string =>
    inside.map((one) => (one.kind === "code" ? "" : "text" in one ? one.text : words(one.inside))).join("");
  const proses = (block: Block): string[] => {
    if (block.kind === "code") return [];
    if (block.kind === "list") return block.items.map(words);
    if (block.kind === "table") return [...block.head, ...block.rows.flat()].map(words);
    return [words(block.inside)];
  };
  const names = readdirSync(PAGES).filter((name) => name.endsWith(".md"));
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) {
    const all = blocks(readFileSync(join(PAGES, name), "utf8"));
    expect(all[0]?.kind, name).toBe("heading");
    for (const prose of all.flatMap(proses)) expect(prose, name).not.toMatch(/```|\*\*|\]\(|^\|/);
  }
});

test("what to do comes first, and what stands beside the page is not repeated", () => {
  const page = blocks("# `x`\n\nMeaning.\n\n## Causes\n\nA.\n\n## What to do\n\nB.\n\n## More\n\nC.");
  const { todo, rest } = apart(withoutHead(page, true), "What to do");
  expect(todo).toEqual(blocks("B."));
  expect(rest).toEqual(blocks("## Causes\n\nA.\n\n## More\n\nC."));
  expect(apart(blocks("A."), "What to do")).toEqual({ todo: [], rest: blocks("A.") });
  expect(withoutHead(page, false)[0]).toEqual(blocks("Meaning.")[0]);
});
