"""Everything that is particular to chat.qwen.ai, as pure values: what is sent, what comes back, what can go wrong.

Primitives: `payload` (request bodies and paths), `Credentials` and `request_headers`, `QwenDecoder` (a stage from
server-sent events to the neutral `StreamEvent`s), `thinking` (summary arrays to running text), `answers` (the two plain
JSON answers: models, new chat), `faults` (any refusal to one leaf of the error tree).

Rule: decide by framing, status and typed fields. Where Qwen gives only prose, `faults` alone may match it. An unknown
phase, field or event is read over, never an exception: the site changes without notice.

It must not know: OpenAI's formats, tool calls, conversations, how bytes travel. It reads no clock and draws no ids:
they come in as arguments.
"""
