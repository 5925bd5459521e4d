"""A Qwen web chat that behaves, and misbehaves, on demand: for tests, the demo, benches and acceptance.

Primitives: `Simulator` (`server.py`, a real HTTP/1.1 server, plain or TLS) · the model (`model.py`, a pure function)
· the tree of each chat (`tree.py`) · the ledger of what was received and said (`ledger.py`) · frames (`frames.py`) ·
refusals and faults (`refusals.py`, `faults.py`, one row each) · the script of prepared answers (`script.py`).

Rule: it is the judge. It is as strict as the live service is reported to be, and never kinder than the captures:
where sources disagree it takes the stricter one. Every answer is deterministic: ids are counted, the clock is given.

It must not know the bridge: not its decoder, its planner, nor its error mapping. What it sends and what it accepts
comes from captures and reports of the live service alone. Only `server.py`, `connection.py` and `stream.py` know the
event loop, and only `certificate.py` draws random numbers (a key); all else is plain values.
"""
