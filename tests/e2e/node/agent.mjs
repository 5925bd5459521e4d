// An agent on the AI SDK, unchanged: node agent.mjs BASE_URL chat|compatible stream|whole TASK
// Its tools work in the current folder. Prints what it called and what it said at the end as one JSON object.
import { execSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [baseURL, provider, manner, prompt] = process.argv.slice(2);
const model =
  provider === "chat"
    ? createOpenAI({ baseURL, apiKey: "any" }).chat("gpt-4o")
    : createOpenAICompatible({ name: "bridge", baseURL, apiKey: "any", includeUsage: true })("gpt-4o");

const done = [];
const text = z.string();
const describe = (name, inputSchema, work) =>
  tool({
    description: name,
    inputSchema,
    execute: (input) => {
      done.push([name, input]);
      return work(input);
    },
  });
const tools = {
  read_file: describe("read_file", z.object({ path: text }), ({ path }) => readFileSync(path, "utf8")),
  write_file: describe("write_file", z.object({ path: text, content: text }), ({ path, content }) => {
    writeFileSync(path, content);
    return "written";
  }),
  run: describe("run", z.object({ command: text }), ({ command }) => execSync(command).toString()),
};

const messages = [{ role: "user", content: prompt }];
const request = { model, tools, stopWhen: stepCountIs(12), maxRetries: 0 };
let end;
for (let asked = 0; asked < 6; asked++) {
  const answer =
    manner === "stream"
      ? streamText({ ...request, messages, onError: ({ error }) => { throw error; } })
      : await generateText({ ...request, messages });
  end = { finish: await answer.finishReason, text: await answer.text };
  if (end.finish !== "length") break;
  messages.push(...(await answer.response).messages, { role: "user", content: "That was cut off. Once more, please." });
}
console.log(JSON.stringify({ done, ...end }));
