"""HTTP requests and finished answers as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request read to its end. `target` is what stands in the request line; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    def header(self, name: str) -> str:
        """The value of a header, `""` when it is absent. `name` in lower case."""
        return self.headers.get(name, "")

    def cookie(self, name: str) -> str | None:
        """The value of a cookie, None when it is absent or the jar cannot be read."""
        for part in self.header("cookie").split(";"):
            key, separator, value = part.strip().partition("=")
            if separator and key == name:
                return value
        return None

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError` when it is none, or nested deeper than can be read."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deep") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def json_of(cls, value: object, status: int = 200) -> Self:
        """`value` as the service writes bodies: compact (capture 04)."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return cls(status=status, body=text.encode("utf-8", "backslashreplace"))
