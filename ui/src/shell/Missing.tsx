// An address that is no page.
import { Link } from "@tanstack/react-router";
import { Panel } from "../parts/Panel";
import { useTitle } from "../parts/title";

export function Missing() {
  useTitle("No such page");
  return (
    <Panel title="There is no such page">
      <p>
        The address may be mistyped. <Link to="/requests">All requests</Link>
      </p>
    </Panel>
  );
}
