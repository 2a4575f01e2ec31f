// One incident: when, what, how many were saved and lost, and the calls that met it.
import { Skeleton } from "@mantine/core";
import { IconArrowLeft } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useRouter } from "@tanstack/react-router";
import { incidentQuery, metIncidentQuery } from "../api/queries";
import type { Incident, IncidentDetail } from "../api/types";
import { CodeLink } from "../parts/CodeLink";
import { useKeys } from "../parts/keys";
import { useNow } from "../parts/now";
import { OutcomeMark } from "../parts/OutcomeMark";
import { Panel } from "../parts/Panel";
import { useTitle } from "../parts/title";
import { Trouble } from "../shell/Trouble";
import { clock, count, duration, instant } from "../words/format";
import { IncidentState } from "./IncidentState";
import css from "./Incidents.module.css";
import { percent, STATE_WORDS, savedShare, span, state, toll } from "./words";

const route = getRouteApi("/incidents/$id");

export function IncidentPage() {
  const { id } = route.useParams();
  useTitle(id);
  const router = useRouter();
  useKeys({ Escape: () => void router.navigate({ to: "/incidents" }) });
  const { data, error } = useQuery(incidentQuery(id));
  return (
    <>
      <Link to="/incidents" className={css.back}>
        <IconArrowLeft size={15} aria-hidden /> Incidents
      </Link>
      {error !== null && <Trouble error={error} />}
      {error === null && data === undefined && <Skeleton height={320} radius="md" />}
      {data !== undefined && <Whole detail={data} />}
    </>
  );
}

function Whole({ detail }: { detail: IncidentDetail }) {
  const { incident, code_facts: facts } = detail;
  const now = useNow();
  return (
    <>
      <header className={css.title}>
        <h1>
          {incident.target} <CodeLink code={incident.code} />
        </h1>
        <p>
          <span className="mono">{incident.id}</span> <IncidentState incident={incident} />{" "}
          {span(incident, now)}: {toll(incident)}
        </p>
      </header>
      <Facts incident={incident} now={now} />
      <div className={css.blocks}>
        <section className={css.three} aria-label="Explanation">
          <div>
            <h2>What</h2>
            <p>{facts?.meaning}</p>
            {incident.evidence !== null && <p className={css.evidence}>{incident.evidence}</p>}
          </div>
          <div>
            <h2>Now</h2>
            <p>{STATE_WORDS[state(incident)].about}</p>
          </div>
          <div>
            <h2>Fix</h2>
            <p>{facts?.fix}</p>
          </div>
        </section>
        <Met incident={incident} />
      </div>
    </>
  );
}

function Facts({ incident, now }: { incident: Incident; now: number }) {
  const facts: [string, string, number?][] = [
    ["Began", clock(incident.started_ms, now), incident.started_ms],
    ["Last failure", clock(incident.latest_ms, now), incident.latest_ms],
    ["Failed attempts", count(incident.attempts)],
    ["Calls that met it", count(incident.calls)],
    ["Saved", `${count(incident.saved)} (${percent(savedShare(incident))})`],
    ["Lost", count(incident.lost)],
  ];
  return (
    <dl className={css.facts}>
      {facts.map(([name, value, at]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd title={at === undefined ? undefined : instant(at)}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The latest calls that met it. */
function Met({ incident }: { incident: Incident }) {
  const now = useNow();
  const calls = useQuery(metIncidentQuery(incident)).data?.requests;
  if (calls === undefined) return <Skeleton height={160} radius="md" />;
  return (
    <Panel title="The last calls that met it" flush>
      {calls.length === 0 ? (
        <p className={css.none}>None of them is stored.</p>
      ) : (
        <table className={css.met}>
          <thead className="unseen">
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Outcome</th>
              <th scope="col">Model</th>
              <th scope="col">Took</th>
            </tr>
          </thead>
          <tbody>
            {calls.map((call) => (
              <tr key={call.id}>
                <th scope="row">
                  <Link to="/requests/$id" params={{ id: call.id }}>
                    {clock(call.ended_ms, now)}
                  </Link>
                </th>
                <td>
                  <OutcomeMark outcome={call.outcome} />
                </td>
                <td>{call.model ?? call.path}</td>
                <td className={css.number}>{duration(call.total_ms)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
