"""OpenAI's Chat Completions: `POST /v1/chat/completions`.

`request` reads the body (`history` its messages, `toolset` its tools), `stream` writes the answer as server-sent
chunks, `body` writes it as one object. Both writers take the same events, so a streamed answer and a whole one say
the same thing. `surface.ChatCompletions` is the three of them as one `Surface`.

Sources: openai-openapi (`CreateChatCompletionRequest`, `CreateChatCompletionStreamResponse`), openai-python's types,
and the recorded requests of the clients named where they forced a rule. `reasoning_content` is not OpenAI's: DeepSeek
introduced it, and Roo Code, Cline, opencode, Kilo Code, qwen-code and pi read it.

It must not know Qwen, mitmproxy, or HTTP beyond the content type of the answer.
"""
