// Incidents: when did it start and stop, how many calls were saved and lost, is it the same as last time.
import { Button, SegmentedControl, Skeleton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { incidentsQuery } from "../api/queries";
import type { Incident } from "../api/types";
import { CodeLink } from "../parts/CodeLink";
import { useNow } from "../parts/now";
import { Panel } from "../parts/Panel";
import { useTitle } from "../parts/title";
import { Trouble } from "../shell/Trouble";
import { clock, count, instant, plural } from "../words/format";
import { IncidentState } from "./IncidentState";
import css from "./Incidents.module.css";
import { percent, savedShare, span } from "./words";

const route = getRouteApi("/incidents");

export function IncidentsPage() {
  useTitle("Incidents");
  const { open } = route.useSearch();
  const navigate = route.useNavigate();
  const pages = useInfiniteQuery(incidentsQuery(open === true));
  const incidents = pages.data?.pages.flatMap((page) => page.incidents);
  return (
    <>
      <div className={css.head}>
        <div>
          <h1>Incidents</h1>
          <p>Failures of one cause at one target, from the first to the last.</p>
        </div>
        <SegmentedControl
          size="xs"
          aria-label="Which incidents"
          value={open === true ? "open" : "all"}
          onChange={(which) =>
            void navigate({ search: which === "open" ? { open: true } : {}, replace: true })
          }
          data={[
            { value: "all", label: "All" },
            { value: "open", label: "Open" },
          ]}
        />
      </div>
      {pages.error !== null && incidents === undefined && <Trouble error={pages.error} />}
      {pages.error === null && incidents === undefined && <Skeleton height={300} radius="md" />}
      {incidents !== undefined && (
        <Panel flush>
          {incidents.length === 0 ? <None open={open === true} /> : <IncidentTable incidents={incidents} />}
          {incidents.length > 0 && (
            <div className={css.more}>
              {pages.hasNextPage ? (
                <Button
                  variant="default"
                  size="sm"
                  loading={pages.isFetchingNextPage}
                  onClick={() => void pages.fetchNextPage()}
                >
                  Load older incidents
                </Button>
              ) : (
                <span>{plural(incidents.length, "incident")}; no older ones are stored</span>
              )}
            </div>
          )}
        </Panel>
      )}
    </>
  );
}

function None({ open }: { open: boolean }) {
  return (
    <div className={css.none}>
      <p className={css.good}>
        <span aria-hidden>✓</span> {open ? "No incident is open." : "No incident is stored."}
      </p>
      <p>
        One opens with the third failure of one cause at one target within a minute; at once where a key is
        refused, a certificate has expired, or a name does not exist. To rehearse one:{" "}
        <code>goodgate demo</code>
      </p>
    </div>
  );
}

export function IncidentTable({ incidents }: { incidents: readonly Incident[] }) {
  const now = useNow();
  return (
    <table className={css.table}>
      <thead>
        <tr>
          <th scope="col">Incident</th>
          <th scope="col">Target</th>
          <th scope="col">Cause</th>
          <th scope="col">Began</th>
          <th scope="col">Lasted</th>
          <th scope="col" className={css.number}>
            Calls
          </th>
          <th scope="col" className={css.number}>
            Lost
          </th>
          <th scope="col" className={css.number}>
            Saved
          </th>
        </tr>
      </thead>
      <tbody>
        {incidents.map((incident) => (
          <tr key={incident.id} data-open={incident.ended_ms === null}>
            <th scope="row">
              <Link to="/incidents/$id" params={{ id: incident.id }} className="mono">
                {incident.id}
              </Link>{" "}
              <IncidentState incident={incident} />
            </th>
            <td className={css.target}>{incident.target}</td>
            <td>
              <CodeLink code={incident.code} />
            </td>
            <td className={css.time}>
              <time dateTime={instant(incident.started_ms)}>{clock(incident.started_ms, now)}</time>
            </td>
            <td className={css.time}>{span(incident, now)}</td>
            <td className={css.number} data-label="calls">
              {count(incident.calls)}
            </td>
            <td className={css.number} data-label="lost" data-bad={incident.lost > 0}>
              {count(incident.lost)}
            </td>
            <td className={css.number} data-label="saved">
              {percent(savedShare(incident))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
