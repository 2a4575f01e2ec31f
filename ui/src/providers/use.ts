// What the dialogues of draining say.
import type { Models } from "../api/types";

export const LENGTHS: readonly { value: string; label: string; ms: number | null }[] = [
  { value: "30m", label: "30 min", ms: 30 * 60_000 },
  { value: "2h", label: "2 h", ms: 2 * 3_600_000 },
  { value: "1d", label: "1 day", ms: 24 * 3_600_000 },
  { value: "", label: "Until resumed", ms: null },
];

/** Aliases and routes that have no other target once `name` is out of use. */
export function stranded(name: string, { aliases, routes }: Models): string[] {
  const isIt = (target: string) => target === name || target.startsWith(`${name}/`);
  const of = (targets: readonly string[]) => targets.length > 0 && targets.every(isIt);
  return [
    ...aliases.filter(({ targets }) => of(targets.map(({ label }) => label))).map((alias) => alias.name),
    ...routes.filter(({ upstreams }) => of(upstreams)).map((route) => `route ${route.name}`),
  ];
}

export function drainCommand(name: string, length: string, reason: string): string {
  const time = length === "" ? "" : ` --for ${length}`;
  const why = reason.trim() === "" ? "" : ` --reason ${quoted(reason.trim())}`;
  return `goodgate providers drain ${name}${time}${why}`;
}

/** For a shell: single quotes take everything but themselves. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
