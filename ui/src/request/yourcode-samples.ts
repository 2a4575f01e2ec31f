// What the caller's code saw: the exception class of each SDK, and where its fields are.
import type { CallDetail } from "../api/types";
import { readTold } from "./told";

/** The class that OpenAI's SDKs, Python and TypeScript alike, raise for a status. */
export function sdkClass(status: number): string {
  const named: Record<number, string> = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
  };
  return named[status] ?? (status >= 500 ? "InternalServerError" : "APIStatusError");
}

export interface Sample {
  id: "python" | "typescript";
  title: string;
  code: string;
}

/** Samples with this call's own values. */
export function samples(detail: CallDetail): Sample[] {
  const { request: call } = detail;
  if (call.lane !== "model") return plainHttp(detail);
  const failed = detail.error !== null && call.status !== null;
  if (!failed) return answered(detail);
  // A failure after the first content comes as an event of a 200.
  return call.output_sent || call.status === 200 ? broken(detail) : refusedOrFailed(detail);
}

const quoted = (value: string | null) => (value === null ? "None" : JSON.stringify(value));
const orNull = (value: string | null) => (value === null ? "null" : JSON.stringify(value));

function refusedOrFailed(detail: CallDetail): Sample[] {
  const { request: call } = detail;
  const told = readTold(detail.error);
  const status = call.status ?? 0;
  const model = JSON.stringify(call.model ?? "…");
  const name = sdkClass(status);
  return [
    {
      id: "python",
      title: "Python",
      code: [
        "import openai",
        "",
        "try:",
        `    client.chat.completions.create(model=${model}, messages=messages)`,
        `except openai.${name} as error:`,
        `    error.status_code               # ${status}`,
        `    error.request_id                # ${quoted(call.id)}`,
        `    error.code                      # ${quoted(told?.code ?? null)}`,
        '    why = error.body["goodgate"]',
        `    why["code"], why["origin"]      # ${quoted(call.code)}, ${quoted(call.origin)}`,
        `    why["attempts"]                 # ${call.attempts.length} of them, as on the timeline`,
        `    why["fix"]                      # ${told?.fix.length ?? 0} sentences`,
      ].join("\n"),
    },
    {
      id: "typescript",
      title: "TypeScript",
      code: [
        'import OpenAI from "openai";',
        "",
        "try {",
        `  await client.chat.completions.create({ model: ${model}, messages });`,
        "} catch (error) {",
        `  if (!(error instanceof OpenAI.${name})) throw error;`,
        `  error.status;                     // ${status}`,
        `  error.requestID;                  // ${orNull(call.id)}`,
        `  error.code;                       // ${orNull(told?.code ?? null)}`,
        "  const why = (error.error as any).goodgate;",
        `  why.code, why.origin;             // ${orNull(call.code)}, ${orNull(call.origin)}`,
        `  why.attempts;                     // ${call.attempts.length} of them, as on the timeline`,
        `  why.fix;                          // ${told?.fix.length ?? 0} sentences`,
        "}",
      ].join("\n"),
    },
  ];
}

function broken(detail: CallDetail): Sample[] {
  const { request: call } = detail;
  const model = JSON.stringify(call.model ?? "…");
  return [
    {
      id: "python",
      title: "Python",
      code: [
        "import openai",
        "",
        "try:",
        `    for chunk in client.chat.completions.create(model=${model}, messages=messages, stream=True):`,
        "        ...                         # some text came, then the stream broke",
        "except openai.APIError as error:    # no status: it was 200 when the text began",
        `    error.message                   # ends with ${call.id}`,
        '    why = error.body["goodgate"]',
        `    why["code"], why["output_sent"] # ${quoted(call.code)}, True: treat the text as partial`,
      ].join("\n"),
    },
    {
      id: "typescript",
      title: "TypeScript",
      code: [
        'import OpenAI from "openai";',
        "",
        "try {",
        `  const stream = await client.chat.completions.create({ model: ${model}, messages, stream: true });`,
        "  for await (const chunk of stream) {",
        "    // some text came, then the stream broke",
        "  }",
        "} catch (error) {",
        "  if (!(error instanceof OpenAI.APIError)) throw error;",
        "  const why = (error.error as any).goodgate;",
        `  why.code, why.output_sent;        // ${orNull(call.code)}, true: treat the text as partial`,
        "}",
      ].join("\n"),
    },
  ];
}

function answered(detail: CallDetail): Sample[] {
  const { request: call } = detail;
  const model = JSON.stringify(call.model ?? "…");
  const served = call.served_by ?? "";
  return [
    {
      id: "python",
      title: "Python",
      code: [
        "# An ordinary answer. Its headers tell the rest, to whoever looks:",
        `raw = client.chat.completions.with_raw_response.create(model=${model}, messages=messages)`,
        `raw.headers["x-request-id"]           # ${quoted(call.id)}`,
        `raw.headers["x-goodgate-outcome"]     # ${quoted(call.outcome)}`,
        `raw.headers["x-goodgate-attempts"]    # "${call.attempts.length}"`,
        `raw.headers["x-goodgate-served-by"]   # ${quoted(served)}`,
        "answer = raw.parse()",
      ].join("\n"),
    },
    {
      id: "typescript",
      title: "TypeScript",
      code: [
        "// An ordinary answer. Its headers tell the rest, to whoever looks:",
        "const { data: answer, response } = await client.chat.completions",
        `  .create({ model: ${model}, messages })`,
        "  .withResponse();",
        `response.headers.get("x-request-id");         // ${orNull(call.id)}`,
        `response.headers.get("x-goodgate-outcome");   // ${orNull(call.outcome)}`,
        `response.headers.get("x-goodgate-attempts");  // "${call.attempts.length}"`,
        `response.headers.get("x-goodgate-served-by"); // ${orNull(served)}`,
      ].join("\n"),
    },
  ];
}

function plainHttp(detail: CallDetail): Sample[] {
  const { request: call } = detail;
  const url = JSON.stringify(`${window.location.origin}${call.path}`);
  const failed = detail.error !== null;
  const verb = call.method.toLowerCase();
  return [
    {
      id: "python",
      title: "Python",
      code: [
        "import requests",
        "",
        `answer = requests.${verb}(${url})`,
        `answer.status_code                  # ${call.status ?? "none: the connection ended"}`,
        `answer.headers["x-request-id"]      # ${quoted(call.id)}`,
        ...(failed
          ? [
              `answer.json()["goodgate"]["code"]   # ${quoted(call.code)}`,
              "answer.raise_for_status()           # HTTPError: its text names the cause and the request id",
            ]
          : [`answer.headers["x-goodgate-outcome"] # ${quoted(call.outcome)}`]),
      ].join("\n"),
    },
    {
      id: "typescript",
      title: "TypeScript",
      code: [
        `const answer = await fetch(${url}, { method: ${JSON.stringify(call.method)} });`,
        `answer.status;                              // ${call.status ?? "none: the connection ended"}`,
        `answer.headers.get("x-request-id");         // ${orNull(call.id)}`,
        failed
          ? `(await answer.json()).goodgate.code;        // ${orNull(call.code)}`
          : `answer.headers.get("x-goodgate-outcome");   // ${orNull(call.outcome)}`,
      ].join("\n"),
    },
  ];
}
