// A page about a code, drawn from its tree.
import { Link } from "@tanstack/react-router";
import { Fragment, type ReactNode } from "react";
import { Code } from "../parts/Code";
import { asLanguage } from "../parts/highlight";
import css from "./Markdown.module.css";
import { type Block, destination, type Inline } from "./markdown-tree";

export function Markdown({ blocks }: { blocks: readonly Block[] }) {
  return (
    <div className={css.text}>
      {blocks.map((block, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a block's place is what it is.
        <Fragment key={n}>{drawn(block)}</Fragment>
      ))}
    </div>
  );
}

function drawn(block: Block): ReactNode {
  switch (block.kind) {
    case "heading":
      return block.level <= 2 ? <h2>{words(block.inside)}</h2> : <h3>{words(block.inside)}</h3>;
    case "paragraph":
      return <p>{words(block.inside)}</p>;
    case "quote":
      return <blockquote>{words(block.inside)}</blockquote>;
    case "code":
      return <Code code={block.text} language={asLanguage(block.language)} label="Example" />;
    case "list": {
      const items = block.items.map((item, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an item's place is what it is.
        <li key={n}>{words(item)}</li>
      ));
      return block.ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
    }
    case "table":
      return <Table head={block.head} rows={block.rows} />;
  }
}

function Table({ head, rows }: { head: Inline[][]; rows: Inline[][][] }) {
  const cell = (inside: Inline[], n: number) =>
    n === 0 ? (
      <th key={n} scope="row">
        {words(inside)}
      </th>
    ) : (
      <td key={n}>{words(inside)}</td>
    );
  return (
    <table>
      {head.some((inside) => inside.length > 0) && (
        <thead>
          <tr>
            {head.map((inside, n) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a column's place is what it is.
              <th key={n} scope="col">
                {words(inside)}
              </th>
            ))}
          </tr>
        </thead>
      )}
      <tbody>
        {rows.map((row, n) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a row's place is what it is.
          <tr key={n}>{row.map(cell)}</tr>
        ))}
      </tbody>
    </table>
  );
}

function words(inside: readonly Inline[]): ReactNode {
  // biome-ignore lint/suspicious/noArrayIndexKey: a word's place is what it is.
  return inside.map((one, n) => <Fragment key={n}>{word(one)}</Fragment>);
}

function word(one: Inline): ReactNode {
  switch (one.kind) {
    case "text":
      return one.text;
    case "code":
      return <code>{one.text}</code>;
    case "strong":
      return <strong>{words(one.inside)}</strong>;
    case "em":
      return <em>{words(one.inside)}</em>;
    case "link": {
      const to = destination(one.to);
      if (to === null) return words(one.inside);
      if ("code" in to) {
        return (
          <Link to="/errors/$code" params={{ code: to.code }}>
            {words(one.inside)}
          </Link>
        );
      }
      return (
        <a href={to.url} target="_blank" rel="noreferrer">
          {words(one.inside)}
        </a>
      );
    }
  }
}
