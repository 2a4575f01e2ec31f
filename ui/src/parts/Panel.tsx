// A surface with an optional title.
import type { ReactNode } from "react";
import css from "./Panel.module.css";

interface PanelProps {
  title?: string;
  aside?: ReactNode;
  children: ReactNode;
  flush?: boolean;
}

export function Panel({ title, aside, children, flush = false }: PanelProps) {
  return (
    <section className={css.panel} data-flush={flush}>
      {title !== undefined && (
        <header className={css.head}>
          <h2 className={css.title}>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}
