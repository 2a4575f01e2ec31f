// An outcome as shape, word and colour.
import { IconAlertCircle, IconBan, IconBolt, IconCheck, IconRefresh, IconX } from "@tabler/icons-react";
import type { Outcome } from "../api/types";
import { MEANING } from "../words/outcome";
import css from "./OutcomeMark.module.css";

const SHAPES = {
  ok: IconCheck,
  recovered: IconRefresh,
  cached: IconBolt,
  refused: IconBan,
  cancelled: IconAlertCircle,
  failed: IconX,
} satisfies Record<Outcome, typeof IconCheck>;

export function OutcomeShape({ outcome, size = 14 }: { outcome: Outcome; size?: number }) {
  const Shape = SHAPES[outcome];
  return <Shape className={css.shape} size={size} stroke={2.5} aria-hidden data-outcome={outcome} />;
}

export function OutcomeMark({ outcome, size = "row" }: { outcome: Outcome; size?: "row" | "title" }) {
  return (
    <span className={css.mark} data-outcome={outcome} data-size={size} title={MEANING[outcome]}>
      <OutcomeShape outcome={outcome} size={size === "title" ? 18 : 13} />
      {outcome}
    </span>
  );
}
