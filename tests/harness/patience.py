"""Looking again until something is so: a bridge finishes its books just after the client has its answer."""

from __future__ import annotations

import time
from collections.abc import Callable


def looked_at[T](look: Callable[[], T], enough: Callable[[T], object]) -> T:
    """What `look` gives once it is `enough`, or after twenty seconds as it then is: the test says what is wrong."""
    end = time.monotonic() + 20
    while True:
        seen = look()
        if enough(seen) or time.monotonic() > end:
            return seen
        time.sleep(0.05)
