// The live stream of calls, as an EventSource with its reconnection made visible.
import type { Call, NotKept } from "./types";

export type LiveState = "connecting" | "live" | "lost" | "off";

export interface LiveListener {
  /** The stream is open: whatever ends from now on is told. Read the first page now. */
  ready(): void;
  /** Some were skipped: read the first page anew. */
  lagged(): void;
  arrived(calls: Call[], notes: NotKept[]): void;
  state(state: LiveState): void;
}

/** Arrivals are handed on together, so that a burst is drawn once. */
const GATHER_MS = 250;
/** An EventSource gives up when the answer is no stream; then we try again. */
const AGAIN_MS = 3_000;

/** Follows the stream until the returned function is called. */
export function follow(
  query: Record<string, string | number | undefined>,
  listener: LiveListener,
): () => void {
  let source: EventSource | null = null;
  let again: ReturnType<typeof setTimeout> | undefined;
  let gathering: ReturnType<typeof setTimeout> | undefined;
  let calls: Call[] = [];
  let notes: NotKept[] = [];

  const hand = () => {
    gathering = undefined;
    const [arrivedCalls, arrivedNotes] = [calls, notes];
    calls = [];
    notes = [];
    listener.arrived(arrivedCalls, arrivedNotes);
  };
  const gather = () => {
    gathering ??= setTimeout(hand, GATHER_MS);
  };
  const open = () => {
    listener.state("connecting");
    source = new EventSource(address(query));
    source.addEventListener("ready", () => {
      listener.state("live");
      listener.ready();
    });
    source.addEventListener("request", (event) => {
      calls.push(JSON.parse(event.data) as Call);
      gather();
    });
    source.addEventListener("not_kept", (event) => {
      notes.push(JSON.parse(event.data) as NotKept);
      gather();
    });
    source.addEventListener("lagged", () => listener.lagged());
    source.addEventListener("error", () => {
      listener.state("lost");
      if (source?.readyState === EventSource.CLOSED) {
        source.close();
        // It does not say why; whether the cookie is lost is seen by the status, which is asked for all the time.
        again = setTimeout(open, AGAIN_MS);
      }
    });
  };
  open();
  return () => {
    source?.close();
    clearTimeout(again);
    clearTimeout(gathering);
  };
}

/** A tab out of sight gives its connection back after so long: browsers have six for all tabs together. */
const UNSEEN_MS = 30_000;

/** Keeps something going while the tab is seen, or was a moment ago. */
export function whileSeen(start: () => () => void): () => void {
  let stop: (() => void) | null = start();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") {
      stop ??= start();
    } else {
      timer = setTimeout(() => {
        stop?.();
        stop = null;
      }, UNSEEN_MS);
    }
  };
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    clearTimeout(timer);
    stop?.();
  };
}

function address(query: Record<string, string | number | undefined>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return `/api/v1/requests/live${text === "" ? "" : `?${text}`}`;
}
