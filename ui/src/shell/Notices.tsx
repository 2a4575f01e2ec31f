// What everyone must know at once: demo mode, a store in trouble, a gateway that does not answer.
import type { Status } from "../api/types";
import css from "./Shell.module.css";

interface NoticesProps {
  status: Status | undefined;
  unreachable: boolean;
}

export function Notices({ status, unreachable }: NoticesProps) {
  const trouble = status?.storage.trouble;
  return (
    <>
      {status?.demo === true && (
        <aside className={css.notice} data-kind="demo" aria-label="Demo mode">
          <div>
            <b>Demo mode</b>
            <span>
              Models named <code>demo/…</code> answer from a script, not from an AI model. Nothing leaves this
              machine, nothing is billed.
            </span>
          </div>
        </aside>
      )}
      {unreachable && (
        <aside className={css.notice} data-kind="trouble" role="alert">
          <div>
            <b>The gateway does not answer.</b>
            <span>What is shown may be old. Asking again every few seconds.</span>
          </div>
        </aside>
      )}
      {trouble !== null && trouble !== undefined && (
        <aside className={css.notice} data-kind="trouble" role="alert">
          <div>
            <b>Calls cannot be stored at the moment.</b>
            <span>They are served and counted all the same. {trouble}</span>
          </div>
        </aside>
      )}
    </>
  );
}
