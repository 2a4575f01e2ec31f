// One request: what happened, in order; whose fault; what to do.
import { Skeleton, Tabs } from "@mantine/core";
import { IconArrowLeft, IconLink, IconTerminal2 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useRouter } from "@tanstack/react-router";
import { ApiError } from "../api/client";
import { callQuery } from "../api/queries";
import type { CallDetail } from "../api/types";
import { SameCause } from "../incidents/SameCause";
import { Code } from "../parts/Code";
import { CopyButton } from "../parts/CopyButton";
import { useKeys } from "../parts/keys";
import { OutcomeMark } from "../parts/OutcomeMark";
import { Panel } from "../parts/Panel";
import { useTitle } from "../parts/title";
import { Trouble } from "../shell/Trouble";
import { duration, instant, money } from "../words/format";
import { Chain } from "./Chain";
import { Explanation } from "./Explanation";
import { Policy } from "./Policy";
import css from "./RequestPage.module.css";
import { Timeline } from "./Timeline";
import { isTab, TABS, type TabName } from "./tabs";
import { YourCode } from "./YourCode";

const route = getRouteApi("/requests/$id");

export function RequestPage() {
  const { id } = route.useParams();
  useTitle(id);
  const call = useQuery(callQuery(id));
  if (call.isError) return <NotThere id={id} error={call.error} />;
  if (call.data === undefined) return <Loading />;
  return <Whole detail={call.data} />;
}

function Whole({ detail }: { detail: CallDetail }) {
  const { request: call } = detail;
  const { tab } = route.useSearch();
  const navigate = route.useNavigate();
  const router = useRouter();
  const setTab = (next: TabName) =>
    void navigate({ search: next === "timeline" ? {} : { tab: next }, replace: true });
  const command = `goodgate explain ${call.id}`;
  const keys = Object.fromEntries(TABS.map(({ name }, n) => [String(n + 1), () => setTab(name)]));
  useKeys({
    ...keys,
    c: () => void navigator.clipboard?.writeText(command),
    Escape: () => void router.navigate({ to: "/requests" }),
  });
  return (
    <>
      <Back />
      <header className={css.head}>
        <div className={css.title}>
          <h1>
            <OutcomeMark outcome={call.outcome} size="title" />
            {call.status !== null && <span className={css.status}>{call.status}</span>}
            <span className={css.model}>{call.model ?? `${call.method} ${call.path}`}</span>
          </h1>
          <p className={`${css.id} mono`}>{call.id}</p>
        </div>
        <div className={css.actions}>
          <CopyButton text={`${window.location.origin}/ui/requests/${call.id}`} size="sm">
            <IconLink size={14} aria-hidden className={css.icon} /> Copy link
          </CopyButton>
          <CopyButton text={command} size="sm" title={command}>
            <IconTerminal2 size={15} aria-hidden className={css.icon} /> Copy CLI line
          </CopyButton>
        </div>
      </header>
      <Facts detail={detail} />
      <div className={css.blocks}>
        <Chain detail={detail} />
        <Explanation detail={detail} />
        <SameCause incident={detail.incident} />
        <Tabs value={tab ?? "timeline"} onChange={(next) => isTab(next) && setTab(next)} keepMounted={false}>
          <Tabs.List className={css.tabs} aria-label="Views of this request">
            {TABS.map(({ name, title }) => (
              <Tabs.Tab key={name} value={name}>
                {title}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value="timeline" pt="md">
            <Timeline detail={detail} />
          </Tabs.Panel>
          <Tabs.Panel value="code" pt="md">
            <YourCode detail={detail} />
          </Tabs.Panel>
          <Tabs.Panel value="policy" pt="md">
            <Policy detail={detail} />
          </Tabs.Panel>
          <Tabs.Panel value="raw" pt="md">
            <Panel
              title="As the API tells it"
              aside={<code className={css.path}>GET /api/v1/requests/{call.id}</code>}
            >
              <Code
                code={JSON.stringify(detail, null, 2)}
                language="json"
                label="The request as JSON"
                height={720}
              />
            </Panel>
          </Tabs.Panel>
        </Tabs>
      </div>
    </>
  );
}

/** The small facts, in one line that wraps. */
function Facts({ detail }: { detail: CallDetail }) {
  const { request: call } = detail;
  const { usage } = call;
  const facts: [string, string | null][] = [
    [
      "Began",
      new Date(call.started_ms).toLocaleString("en", {
        dateStyle: "medium",
        timeStyle: "medium",
        hourCycle: "h23",
      }),
    ],
    ["Took", duration(call.total_ms)],
    ["First content", call.ttft_ms === null ? null : duration(call.ttft_ms)],
    ["Call", `${call.method} ${call.path}${call.stream ? ", streamed" : ""}`],
    ["Key", call.key],
    ["Served by", call.served_by],
    [
      "Tokens",
      usage.input === null && usage.output === null
        ? null
        : `${usage.input ?? "?"} in, ${usage.output ?? "?"} out`,
    ],
    ["Cost", call.cost_nano_usd === null ? null : `${money(call.cost_nano_usd)}${certain(call)}`],
    ["Client", call.client.agent],
    ["Its id", call.client.request_id],
    ["Its retry", call.client.retry_count ? `number ${call.client.retry_count}` : null],
  ];
  return (
    <dl className={css.facts}>
      {facts.map(([name, value]) =>
        value === null ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd title={name === "Began" ? instant(call.started_ms) : undefined}>{value}</dd>
          </div>
        ),
      )}
      {call.demo && (
        <div>
          <dt>Demo</dt>
          <dd>a script answered, not a model</dd>
        </div>
      )}
    </dl>
  );
}

function certain({ certainty, demo }: CallDetail["request"]): string {
  if (certainty === "exact" || demo) return "";
  return certainty === "estimated" ? ", estimated" : ", perhaps more";
}

function Back() {
  return (
    <Link to="/requests" className={css.back}>
      <IconArrowLeft size={15} aria-hidden /> Requests
    </Link>
  );
}

function NotThere({ id, error }: { id: string; error: unknown }) {
  const missing = error instanceof ApiError && error.status === 404;
  return (
    <>
      <Back />
      <div className={css.notThere}>
        {missing ? (
          <Panel title="This request is not stored">
            <p className="mono">{id}</p>
            <p>{error.message} A call that still runs appears here when it has ended.</p>
            <p>{error.fix}</p>
          </Panel>
        ) : (
          <Trouble error={error} />
        )}
      </div>
    </>
  );
}

function Loading() {
  return (
    <div className={css.blocks} aria-hidden>
      <Skeleton height={64} radius="md" />
      <Skeleton height={110} radius="md" />
      <Skeleton height={130} radius="md" />
      <Skeleton height={260} radius="md" />
    </div>
  );
}
