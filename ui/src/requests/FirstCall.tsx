// What one sees before the first call: how to make it. The page flips by itself when it comes.
import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { snippetsQuery } from "../api/queries";
import { Code } from "../parts/Code";
import { CopyButton } from "../parts/CopyButton";
import { asLanguage } from "../parts/highlight";
import css from "./FirstCall.module.css";

export function FirstCall() {
  const snippets = useQuery(snippetsQuery).data;
  return (
    <div className={css.page}>
      <p className={css.waiting} role="status">
        <span className={css.pulse} aria-hidden />
        Waiting for your first call…
      </p>
      <h2 className={css.title}>Point a client at this gateway</h2>
      <p className={css.lead}>
        Any OpenAI client will do. Its calls are retried, sent elsewhere when a provider fails, and explained
        here.
      </p>
      {snippets !== undefined && (
        <>
          <dl className={css.facts}>
            <Fact name="Base URL" value={snippets.openai_base_url} copy />
            {snippets.key_hint !== null && <Fact name="Your key" value={snippets.key_hint} />}
            {snippets.model !== null && <Fact name="A model that answers" value={snippets.model} copy />}
          </dl>
          <Tabs defaultValue={snippets.snippets[0]?.id ?? null} className={css.tabs} keepMounted={false}>
            <Tabs.List aria-label="Languages">
              {snippets.snippets.map(({ id, title }) => (
                <Tabs.Tab key={id} value={id}>
                  {title}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            {snippets.snippets.map(({ id, title, language, code }) => (
              <Tabs.Panel key={id} value={id} pt="sm">
                <Code code={code} language={asLanguage(language)} label={`First call, ${title}`} />
              </Tabs.Panel>
            ))}
          </Tabs>
          <p className={css.note}>
            {snippets.key_hint === null
              ? "No key exists yet: the gateway makes one at its first start."
              : "The whole key is in the gateway's terminal; the first line of a shell snippet sets it for you."}
          </p>
        </>
      )}
    </div>
  );
}

function Fact({ name, value, copy = false }: { name: string; value: string; copy?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <code>{value}</code>
        {copy && (
          <CopyButton text={value} size="compact-xs" variant="subtle" aria-label={`Copy: ${name}`}>
            Copy
          </CopyButton>
        )}
      </dd>
    </div>
  );
}
