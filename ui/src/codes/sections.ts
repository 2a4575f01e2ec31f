// Parts of a page about a code: some are shown elsewhere than they are written.
import type { Block, Inline } from "./markdown-tree";

/** One section's blocks, without its heading, and all the others: what to do comes first. */
export function apart(all: readonly Block[], title: string): { todo: Block[]; rest: Block[] } {
  const isHead = (block: Block | undefined) => block?.kind === "heading" && block.level === 2;
  const names = (block: Block) => isHead(block) && block.kind === "heading" && text(block.inside) === title;
  const from = all.findIndex(names);
  if (from < 0) return { todo: [], rest: [...all] };
  const length = all.slice(from + 1).findIndex(isHead);
  const to = length < 0 ? all.length : from + 1 + length;
  return { todo: all.slice(from + 1, to), rest: [...all.slice(0, from), ...all.slice(to)] };
}

function text(inside: readonly Inline[]): string {
  return inside.map((one) => ("text" in one ? one.text : text(one.inside))).join("");
}

/** What the page's head repeats: its title and, where facts are shown beside it, all before its first section. */
export function withoutHead(all: Block[], factsAreShown: boolean): Block[] {
  if (factsAreShown) {
    const first = all.findIndex((block) => block.kind === "heading" && block.level === 2);
    if (first >= 0) return all.slice(first);
  }
  return all.filter((block) => !(block.kind === "heading" && block.level === 1));
}
