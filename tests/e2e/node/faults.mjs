// openai-node, unchanged and with its own retries: node faults.mjs
// One question a line on standard input, {"baseURL", "stream"}; what came of it, a line each, on standard output.
import { createInterface } from "node:readline";
import OpenAI from "openai";

const ask = async ({ baseURL, stream }) => {
  const client = new OpenAI({ baseURL, apiKey: "sk-test" });
  const request = { model: "gpt-4o", messages: [{ role: "user", content: "Hello" }], stream };
  const told = { text: "", ended: null };
  try {
    const answer = await client.chat.completions.create(request);
    if (stream) {
      for await (const chunk of answer) {
        for (const choice of chunk.choices) {
          told.text += choice.delta.content ?? "";
          told.ended = choice.finish_reason ?? told.ended;
        }
      }
    } else {
      told.text = answer.choices[0].message.content;
      told.ended = answer.choices[0].finish_reason;
    }
  } catch (error) {
    const header = (name) => error.headers?.get(name) ?? null;
    told.error = {
      status: error.status ?? null,
      type: error.type ?? error.error?.type ?? null,
      code: error.code ?? error.error?.code ?? null,
      message: error.error?.message ?? error.message,
      retry_after: header("retry-after"),
      should_retry: header("x-should-retry"),
    };
  }
  return told;
};

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await ask(JSON.parse(line))));
}
