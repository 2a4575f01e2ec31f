// What surrounds every page: the bar at the top, notices, the line at the foot.
import { QueryErrorResetBoundary, useQuery } from "@tanstack/react-query";
import { Outlet } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { signedOut, statusQuery } from "../api/queries";
import { Foot } from "./Foot";
import { HelpProvider } from "./Help";
import { Notices } from "./Notices";
import css from "./Shell.module.css";
import { SignIn } from "./SignIn";
import { TopBar } from "./TopBar";

export function Shell() {
  const [out, setOut] = useState(false);
  useEffect(() => {
    const leave = () => setOut(true);
    signedOut.addEventListener("signed-out", leave);
    return () => signedOut.removeEventListener("signed-out", leave);
  }, []);
  return out ? <SignIn /> : <Inside />;
}

function Inside() {
  const status = useQuery(statusQuery);
  // Nothing is drawn before it is known who looks: a page must not flash up and vanish.
  if (status.isPending) return <div className={css.blank} />;
  return (
    <HelpProvider>
      <a className={css.skip} href="#main">
        Skip to the content
      </a>
      <TopBar status={status.data} unreachable={status.isError} />
      <Notices status={status.data} unreachable={status.isError} />
      <main id="main" className={css.main} tabIndex={-1}>
        <QueryErrorResetBoundary>
          <Outlet />
        </QueryErrorResetBoundary>
      </main>
      {status.data !== undefined && <Foot status={status.data} />}
    </HelpProvider>
  );
}
