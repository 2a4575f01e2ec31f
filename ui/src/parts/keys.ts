// Keys that work on a whole page. They are named by what they type, so that every keyboard layout has them.
import { useEffect, useRef } from "react";

export type Keys = Record<string, (event: KeyboardEvent) => void>;

/** The second key of `g r` must follow within this time. */
const SEQUENCE_MS = 900;

/** Finds what a key means, given the key before it. */
export function match(keys: Keys, before: string | null, key: string): Keys[string] | undefined {
  return (before === null ? undefined : keys[`${before} ${key}`]) ?? keys[key];
}

/** Whether someone is writing, or a dialogue is open: then keys are not ours. */
function isTaken(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const { target } = event;
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest("input, textarea, select") !== null) return true;
  return document.querySelector('[role="dialog"]') !== null;
}

/** Listens to keys while the component is shown. */
export function useKeys(keys: Keys) {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    let before: { key: string; at: number } | null = null;
    const listen = (event: KeyboardEvent) => {
      if (isTaken(event)) return;
      const fresh = before !== null && event.timeStamp - before.at < SEQUENCE_MS ? before.key : null;
      before = { key: event.key, at: event.timeStamp };
      const act = match(latest.current, fresh, event.key);
      if (act === undefined) return;
      event.preventDefault();
      act(event);
    };
    // Before anyone else: the Esc that closes a dialogue must still find it open here.
    window.addEventListener("keydown", listen, { capture: true });
    return () => window.removeEventListener("keydown", listen, { capture: true });
  }, []);
}
