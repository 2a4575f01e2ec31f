// The way of the call: the caller, goodgate, the targets. Where it broke shows at a glance.
import { IconCheck, IconDeviceLaptop, IconMinus, IconServer2, IconX } from "@tabler/icons-react";
import type { CallDetail } from "../api/types";
import { Panel } from "../parts/Panel";
import { Mark } from "../shell/Mark";
import css from "./Chain.module.css";
import { chain, type Station } from "./story";

const SIGNS = { good: IconCheck, bad: IconX, left: IconMinus, idle: IconMinus };
const WORDS = { good: "fine", bad: "failed", left: "left", idle: "not tried" };

export function Chain({ detail }: { detail: CallDetail }) {
  const stations = chain(detail);
  const targets = stations.filter((station) => station.kind === "target");
  return (
    <Panel>
      <div className={css.chain} role="group" aria-label="The way of the call">
        {stations
          .filter((station) => station.kind !== "target")
          .map((station) => (
            <Stop key={station.kind} station={station} />
          ))}
        {targets.length > 0 && (
          <div className={css.targets}>
            {targets.map((station) => (
              <Stop key={station.name} station={station} />
            ))}
          </div>
        )}
      </div>
    </Panel>
  );
}

function Stop({ station }: { station: Station }) {
  const Sign = SIGNS[station.state];
  return (
    <div className={css.stop} data-state={station.state} data-kind={station.kind}>
      <span className={css.face}>
        {station.kind === "gateway" ? (
          <Mark size={24} />
        ) : station.kind === "caller" ? (
          <IconDeviceLaptop size={23} stroke={1.6} aria-hidden />
        ) : (
          <IconServer2 size={22} stroke={1.6} aria-hidden />
        )}
        <span className={css.sign}>
          <Sign size={11} stroke={3.5} aria-hidden />
        </span>
      </span>
      <span className={css.words}>
        <b>{station.name}</b>
        <span className={css.note}>
          <span className="unseen">{WORDS[station.state]}: </span>
          {station.note}
        </span>
      </span>
    </div>
  );
}
