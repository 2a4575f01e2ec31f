// The line at the foot: what runs, since when, from which configuration.
import type { Status } from "../api/types";
import { age, instant } from "../words/format";
import css from "./Shell.module.css";

export function Foot({ status }: { status: Status }) {
  const { config } = status;
  return (
    <footer className={css.foot}>
      <span>goodgate {status.version}</span>
      <span className="mono">{status.base_url}</span>
      <span title={`since ${instant(status.started_ms)}`}>up {age(status.now_ms - status.started_ms)}</span>
      <span>
        configuration {config.version}, from {config.file ?? "the environment"}
      </span>
    </footer>
  );
}
