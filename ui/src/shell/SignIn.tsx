// What a browser sees that has no cookie: how to get in. There is nothing to type.
import { useEffect } from "react";
import { useTitle } from "../parts/title";
import { Mark } from "./Mark";
import css from "./Shell.module.css";

export function SignIn() {
  useTitle("Sign in");
  useEffect(() => {
    // The link was opened in another tab: this one can go on.
    const look = async () => {
      if (document.visibilityState !== "visible") return;
      const answer = await fetch("/api/v1/session").catch(() => null);
      if (answer?.ok === true) window.location.reload();
    };
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
    };
  }, []);
  return (
    <main className={css.alone}>
      <div className={css.card}>
        <Mark size={40} />
        <h1>Open goodgate with its link</h1>
        <p>
          There is no password. A link signs this browser in, once, and the browser stays signed in for a
          week.
        </p>
        <ol>
          <li>
            Run <code>goodgate ui</code> in a terminal on the gateway's machine: it prints a fresh link. So
            does <code>goodgate serve</code> when it starts.
          </li>
          <li>
            Open the link in this browser. It looks like <code>{window.location.origin}/ui?t=…</code> and
            works once, for ten minutes.
          </li>
        </ol>
      </div>
    </main>
  );
}
