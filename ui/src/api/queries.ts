// What pages read, and how often.
import { infiniteQueryOptions, QueryCache, QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiError, api, isSignedOut, unwrap } from "./client";
import type { Incident } from "./types";

/** Told whenever an answer says that this browser is not (any more) signed in. */
export const signedOut = new EventTarget();

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError(error) {
      if (isSignedOut(error)) signedOut.dispatchEvent(new Event("signed-out"));
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) => !isSignedOut(error) && failures < 2 && isPassing(error),
    },
  },
});

/** Whether asking again may help: not where the API says what is wrong with the question. */
function isPassing(error: unknown): boolean {
  const status = (error as { status?: number }).status ?? 0;
  return status === 0 || status >= 500;
}

export const statusQuery = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/v1/status", { signal })),
  refetchInterval: 5_000,
});

export const summaryQuery = (minutes: number, demo: "exclude" | "include") =>
  queryOptions({
    queryKey: ["summary", minutes, demo],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/summary", { signal, params: { query: { minutes, demo } } })),
    refetchInterval: minutes <= 60 ? 5_000 : 60_000,
    placeholderData: (before) => before,
  });

export const inFlightQuery = queryOptions({
  queryKey: ["in-flight"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/v1/in-flight", { signal })),
  refetchInterval: 1_000,
});

export const snippetsQuery = queryOptions({
  queryKey: ["snippets"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/v1/snippets", { signal })),
  staleTime: 60_000,
});

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/v1/models", { signal })),
  staleTime: 60_000,
});

export const providersQuery = queryOptions({
  queryKey: ["providers"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/v1/providers", { signal })),
  refetchInterval: 3_000,
});

export const incidentsQuery = (open: boolean) =>
  infiniteQueryOptions({
    queryKey: ["incidents", open],
    queryFn: ({ signal, pageParam }) =>
      unwrap(
        api.GET("/api/v1/incidents", {
          signal,
          params: { query: { open, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: 5_000,
  });

export const incidentQuery = (id: string) =>
  queryOptions({
    queryKey: ["incident", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/incidents/{id}", { signal, params: { path: { id } } })),
    refetchInterval: 5_000,
  });

/** The latest calls that an attempt at the target failed with the code while it lasted. */
export const metIncidentQuery = ({ id, target, code, started_ms, ended_ms }: Incident) =>
  queryOptions({
    queryKey: ["requests", "of-incident", id, ended_ms],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/requests", {
          signal,
          params: { query: { target, code, since: started_ms, limit: 10 } },
        }),
      ),
    refetchInterval: ended_ms === null ? 5_000 : false,
  });

export const codesQuery = queryOptions({
  queryKey: ["codes"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/v1/codes", { signal })),
  staleTime: Number.POSITIVE_INFINITY,
});

export const codeQuery = (code: string) =>
  queryOptions({
    queryKey: ["codes", code],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/codes/{code}", { signal, params: { path: { code } } })),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const latestOfCodeQuery = (code: string) =>
  queryOptions({
    queryKey: ["requests", "of-code", code],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/requests", { signal, params: { query: { code, limit: 10 } } })),
  });

export const callQuery = (id: string) =>
  queryOptions({
    queryKey: ["request", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/requests/{id}", { signal, params: { path: { id } } })),
    staleTime: Number.POSITIVE_INFINITY,
    // A call is stored a moment after its end: whoever follows the link of an error may be faster.
    retry: (failures, error) =>
      failures < 3 && error instanceof ApiError && [0, 404, 503].includes(error.status),
    retryDelay: 600,
  });
