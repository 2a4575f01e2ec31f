// A failure code; it leads to its page.
import { Link } from "@tanstack/react-router";
import css from "./CodeLink.module.css";

export function CodeLink({ code }: { code: string }) {
  return (
    <Link to="/errors/$code" params={{ code }} className={css.code}>
      {code}
    </Link>
  );
}
