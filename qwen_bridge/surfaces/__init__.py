"""The faces the bridge shows to clients: OpenAI's APIs, read and written.

A surface turns the bytes of a request into a `ChatRequest`, and the `StreamEvent`s of an answer into the bytes its API
promises, streamed or whole. `routes` says which request belongs to which surface, `models` writes the model list and
resolves the client's word for a model.

Primitives: `Surface` (parse, encoder), `AnswerHead` (what an answer repeats in every chunk), `route`, `resolve`.

Rule: what comes in fails as a `RequestError` whose `param` names the field, and as nothing else; what goes out is a
legal answer for every legal sequence of events. `tests/conformance/invariants.py` is the judge of the latter.

It must not know Qwen's wire format, where a conversation continues, how a tool call is read out of text, or whether
anyone listens.
"""
