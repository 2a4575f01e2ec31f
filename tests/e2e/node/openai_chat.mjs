// One chat call with the OpenAI npm client, as a program of its own.
import OpenAI from "openai";

const { stream, ...ask } = JSON.parse(process.argv[2]);
const client = new OpenAI({ maxRetries: 0 });
const seen = { client: "openai-node" };
try {
  if (stream) {
    let text = "";
    let finish = null;
    let usage = null;
    const chunks = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of chunks) {
      usage = chunk.usage?.total_tokens ?? usage;
      for (const choice of chunk.choices) {
        text += choice.delta.content ?? "";
        finish = choice.finish_reason ?? finish;
      }
    }
    Object.assign(seen, { text, finish, usage });
  } else {
    const { data, response } = await client.chat.completions.create(ask).withResponse();
    const [choice] = data.choices;
    Object.assign(seen, { text: choice.message.content, finish: choice.finish_reason });
    Object.assign(seen, { usage: data.usage.total_tokens, headers: Object.fromEntries(response.headers) });
  }
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  Object.assign(seen, { error: error.constructor.name, message: error.message, body: error.error });
  Object.assign(seen, { status: error.status ?? null, code: error.code ?? null });
}
console.log(JSON.stringify(seen));
