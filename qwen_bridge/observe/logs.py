"""Log lines: structlog's events, rendered as one line, through the standard library's loggers."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_TO = r"""(?:\\*["']?\s*[:=]\s*|\\*["']\s*,\s*)b?"""
"""From a name to its value: as a header, an assignment, in a mapping or a pair, in JSON within a string."""

_SECRETS = (
    # A header of cookies, to its closing quote or else to the end of the line: each cookie in it may be a key.
    re.compile(rf"""(?P<keep>cookies?{_TO}(?P<quote>\\*["'])?)(?(quote)(?:(?!(?P=quote)).)+|[^\r\n"']+)""", re.I),
    re.compile(rf"""(?P<keep>authorization{_TO}\\*["']?(?:\w+\s+(?=\S))?)[^\s;,"'\\]+""", re.I),
    re.compile(rf"""(?P<keep>(?:token|bx[-_]ua|api[-_]key){_TO}\\*["']?)[^\s;,&"'\\…]+""", re.I),
    re.compile(r"(?P<keep>bearer\s+)[^\s;,\"'\\]+", re.I),
    re.compile(r"(?P<keep>)\bsk-[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?P<keep>)\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)+"),
)
"""What a secret looks like: Qwen's cookies, token headers, an authorization, an OpenAI key, a JWT."""

_SECRET_NAMES = frozenset(
    {"authorization", "cookie", "cookies", "set_cookie", "token", "bx_umidtoken", "bx_ua", "api_key"}
)


def redact(text: str) -> str:
    """`text` with everything that looks like a secret replaced by `[redacted]`; a name before it stays."""
    for secret in _SECRETS:
        text = secret.sub(r"\g<keep>[redacted]", text)
    return text


def redact_value(value: Any) -> Any:
    """A value of JSON with every text in it redacted, keys included; a text under a secret's name, whole."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact(str(key)): _secret_or(str(key), one) for key, one in value.items()}
        case list() | tuple():
            return [redact_value(one) for one in value]
        case _:
            return value


def _secret_or(name: str, value: Any) -> Any:
    secret = isinstance(value, str) and name.lower().replace("-", "_") in _SECRET_NAMES
    return "[redacted]" if secret else redact_value(value)


def configure() -> None:
    """Send structlog's events to the standard library's loggers, redacted, as `event key=value`. Idempotent.

    mitmproxy opens the root logger for everything; httpx and httpcore would then write URLs and header values into it.
    """
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            _redact_values,
            structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
            _without_traceback,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _redact_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name.lower().replace("-", "_") in _SECRET_NAMES:
            event[name] = "[redacted]"
        elif not isinstance(value, int | float | bool | None):
            event[name] = redact(str(value))
    return event


def _without_traceback(_logger: Any, _method: str, line: Any) -> tuple[tuple[Any], dict[str, bool]]:
    """The call to the standard library's logger. The traceback stands in the line; `exception` would add a raw one."""
    return (line,), {"exc_info": False}
