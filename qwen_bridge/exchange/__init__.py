"""One request and its answer, as a pure object: bytes and events in, bytes and decisions out.

Primitives: ``Exchange`` (the answer's way back, and what to do when it fails), ``Question`` (what is asked of Qwen,
and where in which chat), the closed set of ``effects`` a driver carries out, ``ContentDecoder`` for upstream's content
encodings, ``AnswerCache`` and ``Replay`` (an answer that is told a second time without Qwen).

This is the one place where the sibling rooms meet: a surface, the conversation, Qwen's protocol, recovery. It does no
input or output itself, so mitmproxy, a replay tool or a test can drive it alike: take the effects in the order given,
ask again when told, and say when the connection failed, time passed or the client left.

(house.md draws one file here. Asking and answering grew apart: they share nothing but the exchange that owns both.)
"""
