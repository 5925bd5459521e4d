"""A client's request, as a front end hands it to the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qwen_bridge.surfaces.routes import route_name


@dataclass(frozen=True, slots=True)
class Call:
    """What a client sent, whole. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """What it asks for, as a word for log and counters."""
        return route_name(self.method, self.path)
