"""Calls to Qwen besides the answer itself: open a chat, list the models, stop an answer, delete a chat.

Primitive: ``QwenClient``, over one httpx connection pool per bridge. The answer's own stream is carried by mitmproxy,
so that it shows in mitmweb; these calls are short and must not wait for a client connection.

Rule: nothing but httpx does input or output here, what is sent comes from ``qwen.payload``, what comes back is read by
``qwen``, and every failure leaves as a ``BridgeError``. The environment's proxy variables are ignored: they often name
this very bridge.
"""
