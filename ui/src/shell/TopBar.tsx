// The bar at the top: where one is, how the last hour went, whether the gateway answers.
import { ActionIcon, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconHelp, IconMoon, IconSun } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { summaryQuery } from "../api/queries";
import type { Status } from "../api/types";
import { OutcomeShape } from "../parts/OutcomeMark";
import { count, plural } from "../words/format";
import { MEANING, occurring } from "../words/outcome";
import { useHelp } from "./Help";
import { Mark } from "./Mark";
import css from "./Shell.module.css";

interface TopBarProps {
  status: Status | undefined;
  unreachable: boolean;
}

export function TopBar({ status, unreachable }: TopBarProps) {
  const help = useHelp();
  return (
    <header className={css.bar}>
      <div className={css.inner}>
        <Link to="/requests" className={css.brand} aria-label="goodgate: all requests">
          <Mark />
          <span>goodgate</span>
        </Link>
        <nav className={css.nav} aria-label="Pages">
          <Link to="/requests">Requests</Link>
          <Link to="/providers">Providers</Link>
          <Link to="/incidents">Incidents</Link>
          <Link to="/errors">Errors</Link>
        </nav>
        <div className={css.space} />
        {status !== undefined && <LastHour demo={status.demo} />}
        <span className={css.gateway} role="status">
          <span className={css.dot} data-state={unreachable ? "lost" : "up"} />
          <span>{unreachable ? "no answer" : `${plural(status?.in_flight ?? 0, "call")} running`}</span>
        </span>
        <div className={css.tools}>
          <Tooltip label="Keys and signs (?)">
            <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Help" onClick={help.open}>
              <IconHelp size={19} stroke={1.7} />
            </ActionIcon>
          </Tooltip>
          <SchemeSwitch />
        </div>
      </div>
    </header>
  );
}

function LastHour({ demo }: { demo: boolean }) {
  const summary = useQuery(summaryQuery(60, demo ? "include" : "exclude")).data;
  if (summary === undefined) return null;
  const shown = occurring(summary.by_outcome);
  return (
    <ul className={css.counts} aria-label="Calls of the last hour, by how they ended">
      <li
        className={css.span}
        title={demo ? "Calls to demo models are counted, since demo mode is on." : undefined}
      >
        Last hour{shown.length === 0 ? ": no calls" : ""}
      </li>
      {shown.map(({ outcome, calls }) => (
        <li key={outcome}>
          <Link to="/requests" search={{ outcome, last: "60" }} title={MEANING[outcome]}>
            <OutcomeShape outcome={outcome} />
            <b className="num">{count(calls)}</b>
            <span className={css.word}>{outcome}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  const label = dark ? "Light colours" : "Dark colours";
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={label}
        onClick={() => setColorScheme(dark ? "light" : "dark")}
      >
        {dark ? <IconSun size={18} stroke={1.7} /> : <IconMoon size={18} stroke={1.7} />}
      </ActionIcon>
    </Tooltip>
  );
}
