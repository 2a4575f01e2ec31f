// A stand-in for the gateway's admin API, to look at pages with: npm run mock, then npm run dev with
// GOODGATE_URL=http://127.0.0.1:4599, or the built pages at http://127.0.0.1:4599/ui/.
//
// Environment: PORT (4599), CALLS (how many there are at the start; 0 shows the first page), EVERY (a new one each so
// many ms; 0: none), DEMO=1, SIGNED_OUT=1. Facts of codes and pages are left to a real gateway.
// @ts-check
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { BAD_GATEWAY, CALLS, call, DETAILS, detail, FAILED, INCIDENT, NO_ROUTE } from "../fixtures/calls.mjs";
import { providers } from "../fixtures/providers.mjs";

/** @typedef {import("../src/api/types").Call} Call */

const port = Number(process.env.PORT ?? 4599);
const every = Number(process.env.EVERY ?? 700);
const demo = process.env.DEMO === "1";
const root = join(import.meta.dirname, "..", "dist");
const listeners = new Set();
let seq = 1_000;

/** @type {Call[]} */
const calls = [];
const many = Number(process.env.CALLS ?? 240);
for (let n = many; n > 0; n -= 1) calls.unshift(variant(Date.now() - n * n * 60));

/** @param {number} ended */
function variant(ended) {
  seq += 1;
  const pick = [3, 3, 3, 1, 3, 3, 3, 0, 3, 2, 3, 3, 1, 3, 5, 3, 4][seq % 17] ?? 3;
  const model = CALLS[pick] ?? FAILED;
  const id = `req_01K9ZQ${seq.toString(32).toUpperCase().padStart(4, "0")}${"ABCDEFGHJKMNPQRS"}`;
  const factor = 0.4 + ((seq * 7919) % 100) / 70;
  const scale = (/** @type {number} */ ms) => Math.round(ms * factor);
  return call({
    ...model,
    id,
    seq,
    started_ms: ended - scale(model.total_ms),
    ended_ms: ended,
    total_ms: scale(model.total_ms),
    ttft_ms: model.ttft_ms === null ? null : scale(model.ttft_ms),
    attempts: model.attempts.map((one) => ({ ...one, at_ms: scale(one.at_ms), ms: scale(one.ms) })),
  });
}

if (every > 0) {
  setInterval(() => {
    const one = variant(Date.now());
    calls.unshift(one);
    for (const send of listeners) send(`event: request\nid: ${one.seq}\ndata: ${JSON.stringify(one)}\n\n`);
  }, every);
}

/** @param {URLSearchParams} query */
function page(query) {
  const limit = Number(query.get("limit") ?? 50);
  const before = Number(query.get("cursor") ?? Number.MAX_SAFE_INTEGER);
  const fits = calls.filter((one) => {
    const outcomes = (query.get("outcome") ?? "").split(",").filter((word) => word !== "");
    const q = query.get("q");
    return (
      one.seq < before &&
      (outcomes.length === 0 || outcomes.includes(one.outcome)) &&
      (!query.has("model") || one.model === query.get("model")) &&
      (!query.has("key") || one.key === query.get("key")) &&
      (!query.has("code") || one.code === query.get("code")) &&
      (q === null || one.id.startsWith(q)) &&
      one.ended_ms >= Number(query.get("since") ?? 0) &&
      one.ended_ms < Number(query.get("until") ?? Number.MAX_SAFE_INTEGER)
    );
  });
  const requests = fits.slice(0, limit);
  const second = Math.floor((requests[4]?.ended_ms ?? 0) / 1000);
  return {
    requests,
    next: fits.length > limit ? String(requests.at(-1)?.seq) : null,
    not_kept: query.size > 1 || requests.length < 5 ? [] : [{ second, class: "plain", count: 1312 }],
  };
}

/** @param {URLSearchParams} query */
function summary(query) {
  const minutes = Number(query.get("minutes") ?? 60);
  const width = Math.ceil(minutes / 60) * 60_000;
  const until = Math.ceil(Date.now() / 60_000) * 60_000;
  const since = until - minutes * 60_000;
  const none = () => ({ ok: 0, recovered: 0, cached: 0, failed: 0, refused: 0, cancelled: 0 });
  const buckets = Array.from({ length: Math.ceil((minutes * 60_000) / width) }, (_, n) => ({
    start_ms: since + n * width,
    calls: 0,
    by_outcome: none(),
    cost_nano_usd: 0,
  }));
  const by_outcome = none();
  for (const one of calls) {
    const bucket = buckets[Math.floor((one.ended_ms - since) / width)];
    if (bucket === undefined) continue;
    bucket.calls += 1;
    bucket.by_outcome[one.outcome] += 1;
    by_outcome[one.outcome] += 1;
  }
  const spread = { sample: 0, p50_ms: null, p95_ms: null };
  const tokens = { input: 0, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };
  return {
    since_ms: since,
    until_ms: Date.now(),
    calls: calls.length,
    attempts: calls.length,
    by_outcome,
    tokens,
    cost_nano_usd: 0,
    buckets,
    models: [],
    keys: [],
    ttft: spread,
    total: spread,
  };
}

const incidents = [
  INCIDENT,
  {
    ...INCIDENT,
    id: "inc_0141",
    target: "azure-us/gpt-5-mini",
    code: "credentials_rejected",
    group: "configuration",
    started_ms: INCIDENT.started_ms - 9_000_000,
    ended_ms: INCIDENT.started_ms - 5_000_000,
    closed_by: "quiet",
    calls: 2118,
    saved: 2118,
    lost: 0,
  },
  {
    ...INCIDENT,
    id: "inc_0140",
    code: "rate_limited",
    group: "overload",
    started_ms: INCIDENT.started_ms - 90_000_000,
    ended_ms: INCIDENT.started_ms - 89_939_000,
    closed_by: "health",
    calls: 41,
    saved: 40,
    lost: 1,
  },
];

const started = Date.now() - 11_000_000;
/** @type {Record<string, (query: URLSearchParams) => unknown>} */
const answers = {
  "/api/v1/requests": page,
  "/api/v1/summary": summary,
  "/api/v1/in-flight": () => ({
    now_ms: Date.now(),
    total: many === 0 ? 0 : 2,
    calls:
      many === 0
        ? []
        : [
            {
              id: "req_A",
              age_ms: 12_400,
              key: "ci-bot",
              model: "smart",
              target: "azure-eu/gpt-5-mini",
              attempt: 2,
              phase: "attempting",
            },
            {
              id: "req_B",
              age_ms: 320,
              key: "web",
              model: "smart",
              target: "openai/gpt-5-mini",
              attempt: 1,
              phase: "relaying",
            },
          ],
  }),
  "/api/v1/status": () => ({
    version: "0.1.0",
    pid: 4312,
    started_ms: started,
    now_ms: Date.now(),
    base_url: `http://127.0.0.1:${port}`,
    config: { version: 1, file: null },
    demo,
    in_flight: many === 0 ? 0 : 2,
    storage: { queued: 0, trouble: null },
  }),
  "/api/v1/incidents": (query) => ({
    incidents:
      many === 0 ? [] : incidents.filter((one) => query.get("open") !== "true" || one.ended_ms === null),
    next: null,
  }),
  "/api/v1/providers": () =>
    many === 0 ? { providers: [], upstreams: [], seen: {} } : providers(Date.now()),
  "/api/v1/models": () => ({ aliases: [], direct: ["openai/gpt-5-mini", "local/smollm2"], routes: [] }),
  "/api/v1/codes": () => ({ codes: [BAD_GATEWAY, NO_ROUTE] }),
  "/api/v1/session": () => ({ kind: "browser", expires_ms: Date.now() + 1e9 }),
  "/api/v1/snippets": () => ({
    openai_base_url: `http://127.0.0.1:${port}/v1`,
    base_url: `http://127.0.0.1:${port}`,
    key_hint: "sk-gg-dev-…e2Lp",
    model: "first",
    snippets: [
      {
        id: "curl",
        title: "curl",
        language: "bash",
        code: `eval "$(goodgate env)"\ncurl -i http://127.0.0.1:${port}/v1/chat/completions \\\n  -H "authorization: Bearer $OPENAI_API_KEY" -H "content-type: application/json" \\\n  -d '{"model":"first","messages":[{"role":"user","content":"hi"}]}'`,
      },
      {
        id: "python",
        title: "Python",
        language: "python",
        code: `# in a shell first:  eval "$(goodgate env)"   and   pip install openai\nfrom openai import OpenAI\n\nclient = OpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY from the environment\nanswer = client.chat.completions.create(\n    model="first", messages=[{"role": "user", "content": "hi"}]\n)\nprint(answer.choices[0].message.content)`,
      },
      { id: "node", title: "TypeScript", language: "typescript", code: 'import OpenAI from "openai";' },
    ],
  }),
};

/** @param {string} path */
function one(path) {
  const id = path.split("/").at(-1) ?? "";
  const file = join(import.meta.dirname, "..", "..", "docs", "errors", `${id}.md`);
  if (path.startsWith("/api/v1/codes/") && /^[a-z0-9_]+$/.test(id) && existsSync(file)) {
    const facts = [BAD_GATEWAY, NO_ROUTE].find((known) => known.code === id) ?? { ...BAD_GATEWAY, code: id };
    return { code: id, facts, page: readFileSync(file, "utf8") };
  }
  if (path.startsWith("/api/v1/incidents/")) {
    const incident = incidents.find((known) => known.id === id);
    return incident && { incident, code_facts: BAD_GATEWAY };
  }
  if (!path.startsWith("/api/v1/requests/")) return undefined;
  const known = DETAILS.find((whole) => whole.request.id === id);
  if (known) return known;
  const stored = calls.find((whole) => whole.id === id);
  if (!stored) return undefined;
  const like = DETAILS.find(
    (whole) => whole.request.outcome === stored.outcome && whole.request.model === stored.model,
  );
  return like ? { ...like, request: stored } : detail(stored);
}

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://mock");
  const json = (/** @type {number} */ status, /** @type {unknown} */ body) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  if (url.pathname.startsWith("/api/")) {
    if (process.env.SIGNED_OUT === "1")
      return json(401, { status: 401, code: "signed_out", detail: "Not signed in.", fix: "" });
    if (url.pathname === "/api/v1/requests/live") {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("event: ready\ndata: {}\n\n");
      const send = (/** @type {string} */ text) => response.write(text);
      listeners.add(send);
      return request.on("close", () => listeners.delete(send));
    }
    const body = answers[url.pathname]?.(url.searchParams) ?? one(url.pathname);
    return body === undefined
      ? json(404, {
          status: 404,
          code: "request_not_found",
          detail: "No call of this id is stored.",
          fix: "",
        })
      : json(200, body);
  }
  const name = normalize(url.pathname.replace(/^\/ui\/?/, "")) || "index.html";
  const file = existsSync(join(root, name)) && extname(name) !== "" ? name : "index.html";
  response
    .writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" })
    .end(readFileSync(join(root, file)));
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/ui/`));
