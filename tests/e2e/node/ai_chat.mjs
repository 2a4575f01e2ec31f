// One chat call with the AI SDK and its OpenAI provider, as a program of its own.
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateText, streamText } from "ai";

const { stream, model, messages, max_tokens, temperature } = JSON.parse(process.argv[2]);
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });
const ask = { model: openai.chat(model), messages, maxOutputTokens: max_tokens, temperature, maxRetries: 0 };
const seen = { client: "ai-sdk" };
try {
  if (stream) {
    let failed = null;
    const answer = streamText({ ...ask, onError: ({ error }) => { failed = error; } });
    let text = "";
    for await (const delta of answer.textStream) text += delta;
    if (failed) throw failed;
    Object.assign(seen, { text, finish: await answer.finishReason, usage: (await answer.usage).totalTokens });
  } else {
    const answer = await generateText(ask);
    Object.assign(seen, { text: answer.text, finish: answer.finishReason, usage: answer.usage.totalTokens });
    seen.headers = answer.response.headers;
  }
} catch (error) {
  Object.assign(seen, { error: error?.constructor?.name ?? typeof error, message: String(error?.message ?? error) });
  if (APICallError.isInstance(error)) {
    seen.status = error.statusCode;
    seen.body = error.responseBody ? JSON.parse(error.responseBody).error : null;
  }
}
console.log(JSON.stringify(seen));
