"""How many cases there are, and which part of them goes where.

`exchange`: from a client's bytes to its answer, without a network. `layer`: bytes of HTTP/1.1 and HTTP/2 through
mitmproxy's own HTTP layer with our streams in it, without sockets. `proxy`: a real mitmproxy on a real socket.
"""

from __future__ import annotations

import os

TOTAL = int(os.environ.get("FUZZ_CASES", "1000"))
CASES = {
    "exchange": TOTAL * 80 // 100,
    "layer": TOTAL * 14 // 100,
    "Qwen's bytes, proxy": TOTAL * 4 // 100,
    "client's bytes, proxy": TOTAL * 2 // 100,
}
