// The part of Markdown that our pages about codes are written in, read into a tree. Nothing becomes HTML by itself:
// what is not understood stays text.

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong" | "em"; inside: Inline[] }
  | { kind: "link"; to: string; inside: Inline[] };

export type Block =
  | { kind: "heading"; level: number; inside: Inline[] }
  | { kind: "paragraph" | "quote"; inside: Inline[] }
  | { kind: "code"; language: string; text: string }
  | { kind: "list"; ordered: boolean; items: Inline[][] }
  | { kind: "table"; head: Inline[][]; rows: Inline[][][] };

const FENCE = /^```\s*([\w-]*)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;
const RULE = /^\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

export function blocks(text: string): Block[] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const result: Block[] = [];
  let n = 0;
  const more = () => n < lines.length;
  const line = () => lines[n] ?? "";
  while (more()) {
    const heading = HEADING.exec(line());
    const fence = FENCE.exec(line());
    if (line().trim() === "") {
      n += 1;
    } else if (fence !== null) {
      const inside: string[] = [];
      for (n += 1; more() && !line().startsWith("```"); n += 1) inside.push(line());
      n += 1;
      result.push({ kind: "code", language: fence[1] ?? "", text: inside.join("\n") });
    } else if (heading !== null) {
      result.push({ kind: "heading", level: heading[1]?.length ?? 1, inside: inlines(heading[2] ?? "") });
      n += 1;
    } else if (line().includes("|") && RULE.test(lines[n + 1] ?? "") && (lines[n + 1] ?? "").includes("|")) {
      const head = cells(line());
      const rows: Inline[][][] = [];
      for (n += 2; more() && line().includes("|"); n += 1) rows.push(cells(line()));
      result.push({ kind: "table", head, rows });
    } else if (ITEM.test(line())) {
      const ordered = ITEM.exec(line())?.[1] !== undefined;
      const items: string[] = [];
      for (; more() && line().trim() !== ""; n += 1) {
        const item = ITEM.exec(line());
        if (item !== null) items.push(item[2] ?? "");
        else items.push(`${items.pop() ?? ""} ${line().trim()}`);
      }
      result.push({ kind: "list", ordered, items: items.map(inlines) });
    } else {
      const quote = line().startsWith(">");
      const inside: string[] = [];
      for (; more() && line().trim() !== "" && !starts(line()); n += 1)
        inside.push(line().replace(/^>\s?/, "").trim());
      result.push({ kind: quote ? "quote" : "paragraph", inside: inlines(inside.join(" ")) });
    }
  }
  return result;
}

/** Whether a line ends a paragraph without an empty one before it. */
function starts(line: string): boolean {
  return FENCE.test(line) || HEADING.test(line);
}

function cells(line: string): Inline[][] {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => inlines(cell.trim().replaceAll("\\|", "|")));
}

const INLINE =
  /(?<code>`+)(?<inCode>.+?)\k<code>(?!`)|\[(?<label>[^\]]+)\]\((?<to>[^)\s]+)\)|\*\*(?<strong>.+?)\*\*|(?<![\w*])\*(?<em>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])/g;

export function inlines(text: string): Inline[] {
  const result: Inline[] = [];
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > done) result.push({ kind: "text", text: text.slice(done, match.index) });
    result.push(inline(match));
    done = match.index + match[0].length;
  }
  if (done < text.length) result.push({ kind: "text", text: text.slice(done) });
  return result;
}

function inline(match: RegExpExecArray): Inline {
  const { inCode, label, to, strong, em } = match.groups ?? {};
  if (inCode !== undefined) return { kind: "code", text: inCode.trim() };
  if (label !== undefined) return { kind: "link", to: to ?? "", inside: inlines(label) };
  if (strong !== undefined) return { kind: "strong", inside: inlines(strong) };
  return { kind: "em", inside: inlines(em ?? "") };
}

/** Where a link of a page leads: to another page of ours, to the web, or (unknown schemes) nowhere. */
export function destination(to: string): { code: string } | { url: string } | null {
  const page = /^(?:\.\/)?([a-z0-9_]+)\.md$/.exec(to);
  if (page?.[1] !== undefined) return { code: page[1] };
  return /^https?:\/\//.test(to) ? { url: to } : null;
}
