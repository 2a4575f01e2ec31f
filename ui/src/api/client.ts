// The typed client of the admin API. It is the only door to the gateway; the cookie of the printed link opens it.
import createClient from "openapi-fetch";
import type { paths } from "./schema";
import type { Problem } from "./types";

export const api = createClient<paths>({ baseUrl: window.location.origin });

/** An answer of the API that is no success, or none at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fix: string;

  constructor(status: number, problem: Partial<Problem>) {
    super(
      problem.detail ?? (status === 0 ? "The gateway does not answer." : `The gateway answered ${status}.`),
    );
    this.name = "ApiError";
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.fix = problem.fix ?? "";
  }
}

/** The gateway does not know this browser (any more). */
export function isSignedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

interface Answer<T> {
  data?: T | undefined;
  error?: unknown;
  response: Response;
}

/** Unwraps an answer, or throws what went wrong as an [`ApiError`]. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  let settled: Answer<T>;
  try {
    settled = await answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, {});
  }
  const { data, error, response } = settled;
  if (!response.ok || data === undefined) {
    const problem = typeof error === "object" && error !== null ? (error as Partial<Problem>) : {};
    throw new ApiError(response.status, problem);
  }
  return data;
}
