"""What every error of `errors` is made of: OpenAI's envelope, a status, and the headers that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class BridgeError(Exception):
    """Base of all failures that reach a client.

    `status` is the HTTP status, `type` and `code` are OpenAI's fields, `param` names the offending field of the
    request if there is one, `retry_after` is in seconds. `should_retry` becomes `x-should-retry`: false wherever the
    bridge has already done what a repetition could do, so that retries do not multiply. `resting` says that an earlier
    answer of Qwen's is told again, and that it was not asked. `notes` are further headers that belong to it.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "bridge_internal_error"
    should_retry: ClassVar[bool] = False

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.resting = False
        self.notes: Sequence[tuple[str, str]] = ()

    def envelope(self) -> dict[str, dict[str, str | None]]:
        """OpenAI's error object: `{"error": {"message", "type", "param", "code"}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def headers(self) -> list[tuple[str, str]]:
        """The response headers that belong to the error: `x-should-retry`, `retry-after` in whole seconds, notes."""
        headers = [("x-should-retry", "true" if self.should_retry else "false")]
        if self.retry_after is not None:
            headers.append(("retry-after", str(max(1, round(self.retry_after)))))
        return [*headers, *self.notes]
