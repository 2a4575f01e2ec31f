// One line above everything else for each incident that lasts: who is sick since when, and what became of the calls.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { incidentsQuery } from "../api/queries";
import { useNow } from "../parts/now";
import { plural, words } from "../words/format";
import css from "./Incidents.module.css";
import { span, toll } from "./words";

/** More than this and the line says how many more there are. */
const SHOWN = 3;

export function Now() {
  const now = useNow();
  const open = useInfiniteQuery(incidentsQuery(true)).data?.pages[0]?.incidents ?? [];
  if (open.length === 0) return null;
  return (
    <ul className={css.now} aria-label="Open incidents">
      {open.slice(0, SHOWN).map((incident) => (
        <li key={incident.id}>
          <b>
            <span aria-hidden>!</span> Now
          </b>
          <span>
            {incident.target}: {words(incident.code)} {span(incident, now)} · {toll(incident)}
          </span>
          <Link to="/incidents/$id" params={{ id: incident.id }}>
            {incident.id}
          </Link>
        </li>
      ))}
      {open.length > SHOWN && (
        <li>
          <Link to="/incidents" search={{ open: true }}>
            and {plural(open.length - SHOWN, "more incident")}
          </Link>
        </li>
      )}
    </ul>
  );
}
