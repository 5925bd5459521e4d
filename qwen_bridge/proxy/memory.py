"""What keeps the memory of a process where it is, for as long as it serves.

Nothing that a request leaves behind stays, and yet a process grew under load (`tests/load`: 150 to 166 MiB in ten
minutes, while Python held the same after each full round of its collector). Two reasons were measured:

- Some of it lies in circles: mitmproxy's layers of a connection, httpx's answers, exceptions with their frames. CPython
  frees circles that grew old only in a full round, and makes one when a quarter of everything alive is new; mitmproxy
  and its libraries bring some 130,000 objects that never die. So those are set aside (`gc.freeze`), which makes a full
  round cheap, and one is made for every so many flows: what waits is bounded by a number of requests, not by chance.
- glibc gives a large block, a body of a request say, pages of its own and hands them back at once, but with each one
  freed it raises the size from which it does so, up to 32 MiB; then bodies lie in the heap, and leave holes between
  what lives longer. Its heap grew by 1.2 MiB a minute while what was in use in it stayed. So the size is held where
  it begins (mallopt(3); environment variables, the other way, have to be there before the process is).
"""

from __future__ import annotations

import ctypes
import gc

FLOWS = 1_000
"""Flows between two full rounds. Under load about 600 bytes of each waited in circles."""

LARGE = 128 * 1024
"""Bytes from which a block has pages of its own, and of free heap at its end from which they go back: glibc's own."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""As malloc.h has them."""


class Memory:
    """The memory of this process."""

    def __init__(self) -> None:
        self._flows = 0

    def settle(self) -> None:
        """Leave what is alive now out of every later round, until `unsettle`."""
        gc.collect()
        gc.freeze()
        _hold_the_thresholds()

    def flow_over(self) -> None:
        self._flows += 1
        if self._flows >= FLOWS:
            self._flows = 0
            gc.collect()

    def unsettle(self) -> None:
        """Let the next rounds look at everything again: the script may be about to be loaded anew."""
        gc.unfreeze()


def _hold_the_thresholds() -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl and macOS have no such function; Windows has no such library
        return
    mallopt(_M_MMAP_THRESHOLD, LARGE)
    mallopt(_M_TRIM_THRESHOLD, LARGE)
