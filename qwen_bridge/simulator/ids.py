"""Ids that look like the service's own, and are the same in every run with the same seed."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class CountedIds:
    """An `IdSource` that counts: the n-th id is a digest of `seed` and n.

    The count is never taken back, also not by a reset: an id that a client still remembers must not come to mean
    another chat.
    """

    __slots__ = ("_count", "_seed")

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def uuid(self) -> str:
        """The next id in the form of a version 4 UUID."""
        return str(UUID(bytes=self._next(16), version=4))

    def token(self) -> str:
        """The next id as 24 letters and digits."""
        return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in self._next(24))

    def _next(self, size: int) -> bytes:
        self._count += 1
        return blake2b(f"{self._seed}:{self._count}".encode(), digest_size=size).digest()
