// What the client was told: the error body, read with care, since its shape depends on the dialect.

export interface Told {
  message: string | null;
  /** The dialect's own code and type. */
  code: string | null;
  fix: string[];
  retryAfterMs: number | null;
  /** Whether the body is RFC 9457's rather than an SDK's. */
  isProblem: boolean;
}

type Fields = Record<string, unknown>;

export function readTold(body: unknown): Told | null {
  if (!isFields(body)) return null;
  const inner = isFields(body.error) ? body.error : body;
  const goodgate = isFields(inner.goodgate) ? inner.goodgate : isFields(body.goodgate) ? body.goodgate : {};
  const fix = goodgate.fix;
  return {
    message: text(inner.message) ?? text(body.detail) ?? text(body.title),
    code: text(inner.code) ?? text(inner.type),
    fix: Array.isArray(fix) ? fix.filter((one) => typeof one === "string") : [],
    retryAfterMs: typeof goodgate.retry_after_ms === "number" ? goodgate.retry_after_ms : null,
    isProblem: inner === body,
  };
}

/** The `goodgate` member's place in the body, for code that reads it. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
