// The views of one request; the address names the one that is open.

export const TABS = [
  { name: "timeline", title: "Timeline" },
  { name: "code", title: "What your code saw" },
  { name: "policy", title: "Policy decisions" },
  { name: "raw", title: "Raw JSON" },
] as const;

export type TabName = (typeof TABS)[number]["name"];

export function isTab(word: unknown): word is TabName {
  return TABS.some(({ name }) => name === word);
}

export function readTab(raw: Record<string, unknown>): { tab?: TabName } {
  return isTab(raw.tab) && raw.tab !== "timeline" ? { tab: raw.tab } : {};
}
