"""A bridge from OpenAI clients to a Qwen web chat; this is the map of the house.

The way of a request: ``proxy`` catches it, ``surfaces`` reads it, ``conversation`` finds where it continues,
``qwen`` writes the one message, ``upstream`` opens a chat where a new one is needed. The way of the answer: ``sse``
cuts the bytes into events, ``qwen`` reads them, ``surfaces`` writes them as the client expects, ``recovery`` says what
to do when they fail. ``exchange`` joins these rooms into one request and its answer, without doing any input or
output; ``bridge`` chooses clock, store and client for it, as ``settings`` say; ``proxy`` drives it inside mitmproxy.

Rules: arrows point down, siblings meet only in ``exchange``. Only ``upstream``, ``store``, ``bridge``, ``proxy``,
``cli`` and ``simulator.server`` await, open, sleep, read a clock or draw a random number, and only ``proxy`` imports
mitmproxy: ``import qwen_bridge`` needs none of it. ``tests/test_house.py`` holds these rules.
"""
