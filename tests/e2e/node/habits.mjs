// What programs do with openai-node: node habits.mjs BASE_URL. One JSON object on standard output.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "any", maxRetries: 0 });
const model = "gpt-4o";
const user = (content) => ({ role: "user", content });
const ask = async (messages, more = {}) =>
  (await client.chat.completions.create({ model, messages, ...more })).choices[0].message.content;
const code = (promise) => promise.then(() => "answered", (error) => `${error.status} ${error.code}`);
const told = {};

const history = [user("Please invent a number.")];
told.begun = await ask(history);
history.push({ role: "assistant", content: told.begun });

told.left = 0;
for await (const _ of await client.chat.completions.create({ model, messages: [user("count to 99")], stream: true })) {
  if (++told.left > 3) break;
}

const control = new AbortController();
try {
  const options = { signal: control.signal };
  const request = { model, messages: [user("count to 99")], stream: true };
  const stream = await client.chat.completions.create(request, options);
  control.abort();
  for await (const _ of stream);
  await client.chat.completions.create(request, options);
} catch (error) {
  told.aborted = error.constructor.name;
}

told.beside = await Promise.all([1, 2, 3].map((turn) => ask([...history, user(`repeat the number, ${turn}`)])));

told.added = [];
const add = ({ a }) => {
  told.added.push(a);
  return String(a + 1);
};
const parameters = { type: "object", properties: { a: { type: "number" } }, required: ["a"] };
const tools = [{ type: "function", function: { name: "add", parse: JSON.parse, parameters, function: add } }];
const loop = client.chat.completions.runTools({ model, stream: true, messages: [user('call tool add with {"a": 2}')], tools });
told.tools = await loop.finalContent();

told.refused = {
  embeddings: await code(client.embeddings.create({ model, input: "x" })),
  responses: await code(client.responses.create({ model, input: "x" })),
  files: await code(client.files.create({ file: new File(["x"], "x.txt"), purpose: "assistants" })),
  images: await code(client.images.generate({ prompt: "x" })),
};
told.n = await code(ask([user("Hello")], { n: 2 }));
told.model = await code(ask([user("Hello")], { model: "no-such-model" }));
console.log(JSON.stringify(told));
