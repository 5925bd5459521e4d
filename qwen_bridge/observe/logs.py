"""Log lines: structlog's events, rendered as one line, through the standard library's loggers."""

from __future__ import annotations

import logging
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from qwen_bridge.observe.redaction import REDACTED, is_secret_name, redact

MITMWEB = ("mitmproxy.tools.web.master", "mitmproxy.tools.web.webaddons")
"""Loggers that print the address of mitmweb's page, with the token of this run in it: without it nobody gets in. With
`web_password` mitmproxy leaves it out.
"""


def configure() -> None:
    """Send structlog's events to the standard library's loggers, redacted, as `event key=value`. Idempotent.

    mitmproxy opens the root logger for everything; httpx and httpcore would then write URLs and header values into it.
    What other programs' loggers write in this process, mitmproxy's own tracebacks among it, is redacted too.
    """
    _redact_records()
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


def _redact_records() -> None:
    """Every record of the process, whoever makes it and whoever writes it: handlers come and go, the factory stays."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if record.name in MITMWEB and not record.exc_info:
            return record
        try:
            message = record.getMessage()
            trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        except Exception:
            # A record that cannot be formatted is reported by its handler; it must not stop who logs.
            return record
        told, traced = redact(message), redact(trace)
        if traced != trace:
            # Formatters make the traceback anew from the exception; here it becomes part of the message.
            record.exc_info, told = None, f"{told}\n{traced.rstrip()}"
        if told != message:
            record.msg, record.args = told, None
        return record

    make_redacted.redacts = True  # type: ignore[attr-defined]  # how a second call knows that it is in place
    logging.setLogRecordFactory(make_redacted)


def _redact_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if is_secret_name(name):
            event[name] = REDACTED
        elif not isinstance(value, int | float | bool | None):
            event[name] = redact(str(value))
    return event


def _without_traceback(_logger: Any, _method: str, line: Any) -> tuple[tuple[Any], dict[str, bool]]:
    """The call to the standard library's logger. The traceback stands in the line; `exception` would add a raw one."""
    return (line,), {"exc_info": False}
