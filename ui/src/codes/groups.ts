// Codes by group, and those that fit a search.
import type { CodeFacts } from "../api/types";

/** The codes that fit what was typed, by group, in the table's order. */
export function byGroup(codes: readonly CodeFacts[], typed: string): [string, CodeFacts[]][] {
  const wanted = typed.trim().toLowerCase();
  const groups = new Map<string, CodeFacts[]>();
  for (const facts of codes) {
    const text = `${facts.code} ${facts.code.replaceAll("_", " ")} ${facts.group} ${facts.http} ${facts.meaning}`;
    if (!text.toLowerCase().includes(wanted)) continue;
    groups.set(facts.group, [...(groups.get(facts.group) ?? []), facts]);
  }
  return [...groups];
}
