"""Server-sent events, both ways: bytes to events, and payloads to bytes.

Primitives: `SSEDecoder` (a stage from byte chunks to `SSEEvent`s, bounded, any cut), `encode`, `comment` and `DONE`
(the three things a surface may write).

Rule: the WHATWG event stream, on bytes. A line ends at LF, CR or CRLF and at nothing else: JSON may hold a raw
U+2028, and a decoder that splits text by `str.splitlines` breaks there. Bytes become text only when somebody asks an
event for its `text`.

It must not know: JSON, Qwen, OpenAI, HTTP.
"""
