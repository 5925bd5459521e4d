"""The machine's own clock and chance: what `ports` asks for, where no test stands in for it."""

from __future__ import annotations

import secrets
import string
import time
import uuid


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class RandomIds:
    """Ids from the operating system's random source."""

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def token(self) -> str:
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(24))
