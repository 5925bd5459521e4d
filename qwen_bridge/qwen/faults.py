"""What a refusal of Qwen's means: any answer that is not a stream, and any frame that is an error, to one leaf.

This is the only file that matches Qwen's prose. Most refusals come as HTTP 200 with JSON, so the order is: the real
status (the header `x-actual-status-code` overrules the status line), the content type, the typed fields (`code`, `ret`,
`num`), and words last, where there is nothing else. `FAULTS` is the registry; the first row that matches decides.

The rows are those of the protocol notes, section 5; the names in them come from captures and from client code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_bridge.errors import BridgeError
from qwen_bridge.qwen import verdicts
from qwen_bridge.qwen.refusal import Refusal, read_answer, read_frame

_FORBIDDEN = frozenset({403, 405})
_SIGNED_OUT_CODES = frozenset({"unauthorized", "invalidtoken", "tokenexpired", "invalidapikey", "forbidden"})
_QUOTA_CODES = frozenset({"ratelimited", "quotalimited", "exceedlimit", "quotaexhausted", "insufficientquota"})
_PARALLEL_CODES = frozenset({"parallellimited", "toomanyrequests"})
_UNKNOWN_PARENT = re.compile(r"parent_?id\b.*\bnot exist", re.IGNORECASE)
_UNKNOWN_CHAT = re.compile(r"chat has been deleted|chat(_id)?\b.*\bnot exist", re.IGNORECASE)
_UNKNOWN_MODEL = re.compile(r"\bmodel\b.*\b(not found|not exist|unsupported)\b|invalid model", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what it is called, how it is known (in words, and as code), what it becomes."""

    name: str
    known: str
    matches: Callable[[Refusal], bool]
    error: Callable[[Refusal], BridgeError]


def classify(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> BridgeError:
    """The error that an answer without a stream means.

    In: the status line's number, the response headers, the body (its first megabyte is enough). Never raises, and
    never puts more of the body into the message than one short line of Qwen's own `details`.
    """
    return _decide(read_answer(status, headers, body))


def classify_frame(frame: Mapping[str, Any]) -> BridgeError:
    """The error that a frame inside a stream means: `error`, `success: false`, the WAF's `ret`, a delta's status.

    What is no error at all becomes `QwenRefused` without words; `is_fault` tells beforehand.
    """
    return _decide(read_frame(frame))


def is_fault(frame: Mapping[str, Any]) -> bool:
    """Whether a frame of the stream is a refusal. `choices` with words in them are looked at by the decoder."""
    if frame.get("error") or frame.get("success") is False or isinstance(frame.get("ret"), list):
        return True
    return isinstance(frame.get("code"), str) and "choices" not in frame


def is_event_stream(content_type: str) -> bool:
    """Whether a `Content-Type` names an event stream; parameters and case do not matter."""
    return content_type.split(";", 1)[0].strip().lower() == "text/event-stream"


def _decide(refusal: Refusal) -> BridgeError:
    return next(fault.error(refusal) for fault in FAULTS if fault.matches(refusal))


FAULTS: tuple[Fault, ...] = (
    Fault(
        "challenge",
        "a mark of the firewall in the body, in `ret`, `url` or `location`",
        lambda r: r.challenged,
        verdicts.challenge,
    ),
    Fault(
        "blocked",
        "a web page with status 403 or 405, the firewall's own for a request that it forbids",
        lambda r: r.page and r.status in _FORBIDDEN,
        verdicts.challenge,
    ),
    Fault(
        "page",
        "a web page with status 2xx or 3xx and no mark of the firewall: a gateway's, or the network's own",
        lambda r: r.page and r.status < 400,
        verdicts.page,
    ),
    Fault("too large", "status 413", lambda r: r.status == 413, verdicts.large),
    Fault(
        "timeout",
        "status 408, 504 or 524 without a code",
        lambda r: r.status in (408, 504, 524) and not r.code,
        verdicts.timeout,
    ),
    Fault(
        "account pending",
        '`role` pending, or the words "pending activation"',
        lambda r: r.role == "pending" or "pending activation" in r.details.lower(),
        verdicts.pending,
    ),
    Fault(
        "content inspection",
        "`code` DataInspection… or ContentFilter…, or the words 内容安全警告",
        lambda r: "datainspection" in r.code or "contentfilter" in r.code or "内容安全警告" in r.details,
        verdicts.rejected,
    ),
    Fault(
        "token quota",
        'the words "#token-limit" or "quota exceeded"',
        lambda r: "#token-limit" in r.details or "quota exceeded" in r.details.lower(),
        verdicts.tokens,
    ),
    Fault(
        "quota",
        "`code` RateLimited, QuotaLimited, ExceedLimit, QuotaExhausted or InsufficientQuota; `num` are hours",
        lambda r: r.code in _QUOTA_CODES,
        verdicts.quota,
    ),
    Fault(
        "chat busy",
        'the words "chat is in progress"',
        lambda r: "chat is in progress" in r.details.lower(),
        verdicts.busy,
    ),
    Fault(
        "parallel limit",
        "`code` ParallelLimited or TooManyRequests",
        lambda r: r.code in _PARALLEL_CODES,
        verdicts.parallel,
    ),
    Fault(
        "pace",
        'status 429, or the words "rate increased too quickly"',
        lambda r: "rate increased too quickly" in r.details.lower() or r.status == 429,
        verdicts.parallel,
    ),
    Fault(
        "parent",
        '`code` ParentNotFound, or the words "parent_id … not exist"',
        lambda r: r.code == "parentnotfound" or bool(_UNKNOWN_PARENT.search(r.details)),
        verdicts.parent,
    ),
    Fault(
        "chat gone",
        '`code` ChatNotFound, or the words "chat has been deleted", "chat … not exist"',
        lambda r: r.code == "chatnotfound" or bool(_UNKNOWN_CHAT.search(r.details)),
        verdicts.gone,
    ),
    Fault(
        "unknown model",
        "`code` ModelNotFound, or such words",
        lambda r: r.code == "modelnotfound" or bool(_UNKNOWN_MODEL.search(r.details)),
        verdicts.model,
    ),
    Fault(
        "signed out",
        "status 401, or `code` Unauthorized, InvalidToken, TokenExpired, InvalidApiKey or Forbidden",
        lambda r: r.status == 401 or r.code in _SIGNED_OUT_CODES,
        verdicts.signed_out,
    ),
    Fault(
        "token expired",
        'the words "token has expired"',
        lambda r: "token has expired" in r.details.lower(),
        verdicts.signed_out,
    ),
    Fault(
        "forbidden",
        "status 403 and JSON without a code",
        lambda r: r.status == 403 and r.parsed and not r.code,
        verdicts.signed_out,
    ),
    Fault(
        "not found",
        "status 404 and JSON, or `code` NotFound",
        lambda r: r.parsed and (r.code == "notfound" or r.status == 404),
        verdicts.gone,
    ),
    Fault(
        "too many messages",
        'the words "too many messages"',
        lambda r: "too many messages" in r.details.lower(),
        verdicts.malformed,
    ),
    Fault(
        "validation", "`code` RequestValidationError", lambda r: r.code == "requestvalidationerror", verdicts.malformed
    ),
    Fault("invalid input", "`code` InvalidInput", lambda r: r.code == "invalidinput", verdicts.invalid),
    Fault("server", "status from 500 without a code", lambda r: r.status >= 500 and not r.code, verdicts.server),
    Fault("empty", "status 200 and no body", lambda r: r.empty and r.status == 200, verdicts.empty),
    Fault(
        "not a refusal",
        "`success` is true, and there is no stream",
        lambda r: r.success is True and r.status < 400,
        verdicts.unreadable,
    ),
    Fault(
        "not json",
        "neither JSON nor a page nor a stream",
        lambda r: not r.parsed and r.status < 400,
        verdicts.unreadable,
    ),
    Fault("other", "anything else", lambda _: True, verdicts.other),
)
"""The registry, most certain first. A row that only words can tell stands behind the rows that fields can tell,
unless Qwen hides it under a code that means nothing (`Bad_Request`, `internal_error`)."""
