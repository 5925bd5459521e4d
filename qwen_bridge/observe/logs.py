"""Log lines: structlog's events, rendered as one line, through the standard library's loggers."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRETS = re.compile(
    r"(?i)(?P<keep>bearer\s+|\btoken=|\bcookie[\"']?\s*[:=]\s*|\bbx-umidtoken[\"']?\s*[:=]\s*)[^\s;,\"']+"
    r"|\bsk-[A-Za-z0-9_-]{8,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
)
"""What a secret looks like: an authorization value, Qwen's cookies and token header, an OpenAI key, a JWT."""

_SECRET_NAMES = frozenset({"authorization", "cookie", "cookies", "token", "bx_umidtoken", "bx-umidtoken", "api_key"})


def redact(text: str) -> str:
    """`text` with everything that looks like a secret replaced by `[redacted]`; a name before it stays."""
    return _SECRETS.sub(lambda found: f"{found.group('keep') or ''}[redacted]", text)


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
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _redact_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name.lower() in _SECRET_NAMES:
            event[name] = "[redacted]"
        elif not isinstance(value, int | float | bool | None):
            event[name] = redact(str(value))
    return event
