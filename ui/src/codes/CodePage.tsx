// One code: what it means, what to do, and the latest calls that had it.
import { Skeleton } from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { ApiError } from "../api/client";
import { codeQuery, latestOfCodeQuery } from "../api/queries";
import type { CodeFacts } from "../api/types";
import { Panel } from "../parts/Panel";
import { useTitle } from "../parts/title";
import { CallTable } from "../requests/CallTable";
import { Trouble } from "../shell/Trouble";
import css from "./CodePage.module.css";
import { Markdown } from "./Markdown";
import { blocks } from "./markdown-tree";
import { apart, withoutHead } from "./sections";

const route = getRouteApi("/errors/$code");

export function CodePage() {
  const { code } = route.useParams();
  useTitle(code);
  const { data, error } = useQuery(codeQuery(code));
  return (
    <>
      <Link to="/errors" className={css.back}>
        <IconArrowLeft size={15} aria-hidden /> All errors
      </Link>
      {error !== null && <Unknown code={code} error={error} />}
      {error === null && data === undefined && <Skeleton height={320} radius="md" />}
      {data !== undefined && <Known code={data.code} facts={data.facts} page={data.page} />}
    </>
  );
}

function Unknown({ code, error }: { code: string; error: Error }) {
  if (!(error instanceof ApiError) || error.status !== 404) return <Trouble error={error} />;
  return (
    <Panel title="There is no such code">
      <p>
        <code>{code}</code> is no code of this gateway. <Link to="/errors">All of them</Link>
      </p>
    </Panel>
  );
}

function Known({ code, facts, page }: { code: string; facts: CodeFacts | null; page: string | null }) {
  const { todo, rest } = useMemo(() => {
    const all = page === null ? [] : withoutHead(blocks(page), facts !== null);
    return facts === null ? { todo: [], rest: all } : apart(all, "What to do");
  }, [page, facts]);
  return (
    <article>
      <h1 className={`${css.title} mono`}>{code}</h1>
      {facts !== null && <p className={css.meaning}>{facts.meaning}</p>}
      <div className={css.columns} data-single={facts === null}>
        <div className={css.main}>
          {facts !== null && (
            <Panel title="What to do">
              {todo.length > 0 ? <Markdown blocks={todo} /> : <p className={css.fix}>{facts.fix}</p>}
            </Panel>
          )}
          {rest.length > 0 && (
            <Panel>
              <Markdown blocks={rest} />
            </Panel>
          )}
        </div>
        {facts !== null && <Facts facts={facts} />}
      </div>
      {facts !== null && <Latest code={code} />}
    </article>
  );
}

const ORIGIN: Record<string, string> = {
  client: "the request's",
  gateway: "this gateway's settings or account",
  network: "the network's",
  upstream: "the provider's",
};
const SAME: Record<string, string> = {
  no: "not tried again",
  fresh: "once, on a new connection",
  backoff: "after a random wait that doubles",
  hint: "when the provider says, else after a random wait",
};
const OTHER: Record<string, string> = {
  no: "nothing else is tried",
  key: "another key or target",
  deployment: "another target",
  provider: "another provider or model",
};
const PROCESSED: Record<string, string> = { no: "no", maybe: "perhaps", yes: "yes" };
const SAFE: Record<string, string> = {
  always: "always",
  llm: "LLM calls always; others if idempotent",
  pre: "before the first byte reached the client",
  never: "never",
};

function Facts({ facts }: { facts: CodeFacts }) {
  const rows: [string, string][] = [
    ["Group", facts.group],
    ["Whose fault", ORIGIN[facts.origin] ?? facts.origin],
    ["HTTP status", `${facts.http}, when nothing is left to try`],
    ["Same target", SAME[facts.same] ?? facts.same],
    ["Elsewhere", OTHER[facts.other] ?? facts.other],
    ["Worked on there", PROCESSED[facts.processed] ?? facts.processed],
    ["May be sent again", SAFE[facts.safe] ?? facts.safe],
    [
      "A later call",
      facts.later_may_help ? "may succeed by itself" : "fails too, until something is changed",
    ],
  ];
  return (
    <aside className={css.aside} aria-label="Facts">
      <Panel title="At a glance">
        <dl className={css.facts}>
          {rows.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </Panel>
    </aside>
  );
}

function Latest({ code }: { code: string }) {
  const page = useQuery(latestOfCodeQuery(code)).data;
  if (page === undefined) return null;
  const today = new Date().setHours(0, 0, 0, 0);
  return (
    <div className={css.latest}>
      <Panel
        title="Latest calls"
        flush
        aside={
          page.requests.length > 0 && (
            <Link to="/requests" search={{ code }}>
              All of them
            </Link>
          )
        }
      >
        {page.requests.length === 0 ? (
          <p className={css.none}>No stored call had this code.</p>
        ) : (
          <CallTable list={{ calls: page.requests, notKept: [], older: null }} today={today} />
        )}
      </Panel>
    </div>
  );
}
