// The line on a request's page that tells of the others: it was not alone.
import { Link } from "@tanstack/react-router";
import type { CallDetail } from "../api/types";
import { useNow } from "../parts/now";
import { IncidentState } from "./IncidentState";
import css from "./Incidents.module.css";
import { span, toll } from "./words";

export function SameCause({ incident }: { incident: CallDetail["incident"] }) {
  const now = useNow();
  if (incident === null) return null;
  return (
    <p className={css.same}>
      <b>Same cause</b> <IncidentState incident={incident} />{" "}
      <Link to="/incidents/$id" params={{ id: incident.id }}>
        {incident.id}
      </Link>
      : {incident.target} {span(incident, now)}; {toll(incident)}
    </p>
  );
}
