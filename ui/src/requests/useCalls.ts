// The list of calls: the first page, older pages, and what arrives live.
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api, unwrap } from "../api/client";
import { follow, type LiveListener, type LiveState, whileSeen } from "../api/live";
import type { Call, NotKept } from "../api/types";
import { asQuery, belongs, isOpenEnded, liveQuery, type RequestSearch } from "./filters";
import { type CallList, EMPTY, rate, withFirstPage, withLive, withOlderPage } from "./rows";

const ROWS = 50;
/** A list of before is shown at once when one comes back; after this it is read anew. */
const KEPT_MS = 300_000;

export interface Calls {
  list: CallList;
  pending: boolean;
  error: unknown;
  live: LiveState;
  paused: boolean;
  setPaused: (paused: boolean) => void;
  /** Calls that arrived while paused. */
  waiting: number;
  perSecond: number;
  loadOlder: () => void;
  loadingOlder: boolean;
}

function read(search: RequestSearch, more: { cursor?: string; until?: number }) {
  const query = { ...asQuery(search, Date.now()), limit: ROWS, ...more };
  return unwrap(api.GET("/api/v1/requests", { params: { query } }));
}

export function useCalls(search: RequestSearch): Calls {
  const client = useQueryClient();
  const place = JSON.stringify(search);
  const key = useMemo(() => ["requests", "list", place], [place]);
  const wanted = useMemo(() => JSON.parse(place) as RequestSearch, [place]);
  const [live, setLive] = useState<LiveState>("connecting");
  const [paused, setPaused] = useState(false);
  const [loadingOlder, setLoadingOlder] = useState(false);
  const arrivals = useArrivals();

  const change = useCallback(
    (step: (list: CallList) => CallList) => client.setQueryData<CallList>(key, (list) => step(list ?? EMPTY)),
    [client, key],
  );

  const first = useQuery({
    queryKey: key,
    queryFn: async () => {
      const page = await read(wanted, {});
      return withFirstPage(client.getQueryData<CallList>(key) ?? EMPTY, page);
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT_MS,
    refetchOnWindowFocus: false,
    placeholderData: keepPreviousData,
  });

  const { refetch } = first;
  const { take } = arrivals;
  useEffect(() => {
    if (!isOpenEnded(wanted)) {
      setLive("off");
      return undefined;
    }
    const listener: LiveListener = {
      ready: () => void refetch(),
      lagged: () => void refetch(),
      state: setLive,
      arrived: (calls, notes) =>
        take(
          calls.filter((call) => belongs(wanted, call)),
          notes,
        ),
    };
    return whileSeen(() => follow(liveQuery(wanted), listener));
  }, [wanted, refetch, take]);

  const { arrived, flush } = arrivals;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `arrived` is what says that there is something to flush.
  useEffect(() => {
    if (paused) return;
    flush((calls, notes) => change((list) => withLive(list, calls, notes)));
  }, [arrived, paused, flush, change]);

  const list = first.data ?? EMPTY;
  const { older } = list;
  const loadOlder = useCallback(() => {
    if (older === null) return;
    setLoadingOlder(true);
    read(wanted, older)
      .then((page) => change((now) => withOlderPage(now, page)))
      .catch(() => refetch())
      .finally(() => setLoadingOlder(false));
  }, [older, wanted, change, refetch]);

  return {
    list,
    pending: first.isPending,
    error: first.error,
    live,
    paused,
    setPaused,
    waiting: paused ? arrivals.waiting : 0,
    perSecond: arrivals.perSecond,
    loadOlder,
    loadingOlder,
  };
}

/** Gathers what arrives until the list takes it; while paused, that is later. */
function useArrivals() {
  const gathered = useRef<{ calls: Call[]; notes: NotKept[] }>({ calls: [], notes: [] });
  const ended = useRef<number[]>([]);
  const [arrived, setArrived] = useState(0);
  const [waiting, setWaiting] = useState(0);
  const [perSecond, setPerSecond] = useState(0);

  useEffect(() => {
    const timer = setInterval(() => {
      const now = Date.now();
      ended.current = ended.current.filter((at) => now - at <= 10_000);
      setPerSecond(rate(ended.current, now));
    }, 1_000);
    return () => clearInterval(timer);
  }, []);

  const take = useCallback((calls: Call[], notes: NotKept[]) => {
    const { current } = gathered;
    current.calls.push(...calls);
    current.notes.push(...notes);
    // A long pause must not fill the memory; the oldest can be read again.
    if (current.calls.length > 2_000) current.calls.splice(0, current.calls.length - 2_000);
    const now = Date.now();
    for (const _ of calls) ended.current.push(now);
    setWaiting(current.calls.length);
    setArrived((times) => times + 1);
  }, []);

  const flush = useCallback((use: (calls: Call[], notes: NotKept[]) => void) => {
    const { calls, notes } = gathered.current;
    if (calls.length === 0 && notes.length === 0) return;
    gathered.current = { calls: [], notes: [] };
    use(calls, notes);
    setWaiting(0);
  }, []);

  return { take, flush, arrived, waiting, perSecond };
}
