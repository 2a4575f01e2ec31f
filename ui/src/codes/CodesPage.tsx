// All codes, by group: the vocabulary of everything that can go wrong.
import { Skeleton, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { codesQuery } from "../api/queries";
import { CodeLink } from "../parts/CodeLink";
import { useKeys } from "../parts/keys";
import { Panel } from "../parts/Panel";
import { useTitle } from "../parts/title";
import { Trouble } from "../shell/Trouble";
import css from "./CodesPage.module.css";
import { byGroup } from "./groups";

const ABOUT: Record<string, string> = {
  overload: "The provider has no room at the moment.",
  network: "The bytes did not get through.",
  configuration: "Something is set up wrong, here or there.",
  timeout: "It took too long.",
  maintenance: "The provider is being worked on.",
  upstream: "It answered, but is broken.",
  policy: "The provider's rules forbid it.",
  client: "The request itself has to change.",
  gateway: "goodgate's own limits and rules.",
};

export function CodesPage() {
  useTitle("Errors");
  const { data, error } = useQuery(codesQuery);
  const [typed, setTyped] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => input.current?.focus() });
  const groups = byGroup(data?.codes ?? [], typed);
  return (
    <>
      <div className={css.head}>
        <div>
          <h1>Errors</h1>
          <p>Every failure has one name: in answers, headers, logs, metrics, here and on the command line.</p>
        </div>
        <TextInput
          ref={input}
          size="sm"
          aria-label="Search the codes"
          placeholder="Search, or paste a status"
          leftSection={<IconSearch size={15} aria-hidden />}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
      </div>
      {error !== null && <Trouble error={error} />}
      {error === null && data === undefined && <Skeleton height={400} radius="md" />}
      <div className={css.groups}>
        {groups.map(([group, codes]) => (
          <Panel
            key={group}
            title={group}
            aside={<span className={css.about}>{ABOUT[group] ?? ""}</span>}
            flush
          >
            <table className={css.table}>
              <thead className="unseen">
                <tr>
                  <th scope="col">Code</th>
                  <th scope="col">Meaning</th>
                  <th scope="col">Status</th>
                </tr>
              </thead>
              <tbody>
                {codes.map((facts) => (
                  <tr key={facts.code}>
                    <th scope="row">
                      <CodeLink code={facts.code} />
                    </th>
                    <td>{facts.meaning}</td>
                    <td className={css.status}>{facts.http}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Panel>
        ))}
        {data !== undefined && groups.length === 0 && <p className={css.about}>No code fits.</p>}
      </div>
    </>
  );
}
