// One conversation with openai-node, unchanged: node conversation.mjs BASE_URL stream|whole WORDS...
// Prints the answers as one JSON array.
import OpenAI from "openai";

const [baseURL, manner, ...words] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "sk-test", maxRetries: 0 });
const messages = [{ role: "system", content: "You are a test." }];
const answers = [];

for (const content of words) {
  messages.push({ role: "user", content });
  const request = { model: "gpt-4o", messages };
  let text = "";
  if (manner === "stream") {
    // The stream helper is stricter than the plain iterator: it wants a finish_reason for every choice.
    const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
    text = (await stream.finalChatCompletion()).choices[0].message.content;
  } else {
    text = (await client.chat.completions.create(request)).choices[0].message.content;
  }
  messages.push({ role: "assistant", content: text });
  answers.push(text);
}
console.log(JSON.stringify(answers));
