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

from qwen_bridge.errors import (
    AccountPending,
    AnswerUnreadable,
    BridgeError,
    ChallengeRequired,
    ChatBusy,
    ChatGone,
    ContentRejected,
    EmptyAnswer,
    ExpiredCredentials,
    ParentRefused,
    QuotaExceeded,
    QwenRefused,
    QwenTimeout,
    RequestTooLarge,
    TokensExhausted,
    TooManyStreams,
    UnknownModel,
)
from qwen_bridge.qwen.refusal import LONGEST_WAIT, Refusal, read_answer, read_frame

_PAGE_REFUSALS = frozenset({200, 301, 302, 303, 307, 308, 403, 405})
_SIGNED_OUT_CODES = frozenset({"unauthorized", "invalidtoken", "tokenexpired", "invalidapikey", "forbidden"})
_QUOTA_CODES = frozenset({"ratelimited", "quotalimited", "exceedlimit", "quotaexhausted", "insufficientquota"})
_PARALLEL_CODES = frozenset({"parallellimited", "toomanyrequests"})
_UNKNOWN_PARENT = re.compile(r"parent_?id\b.*\bnot exist", re.IGNORECASE)
_UNKNOWN_CHAT = re.compile(r"chat has been deleted|chat(_id)?\b.*\bnot exist", re.IGNORECASE)
_UNKNOWN_MODEL = re.compile(r"\bmodel\b.*\b(not found|not exist|unsupported)\b|invalid model", re.IGNORECASE)

TOKENS_BACK = 60.0
"""Seconds until tokens are there again where Qwen does not say: the words are those of a limit per minute."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what it is called, how it is known, what it becomes."""

    name: str
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


def _challenge(_: Refusal) -> BridgeError:
    return ChallengeRequired(
        "Qwen's web firewall asks for a check that only a person can pass. Open https://chat.qwen.ai in the "
        "browser that the cookies come from, pass the check, give the bridge the new cookies if they changed, and wait "
        "15 to 30 minutes. Do not retry: each retry prolongs it. "
        "If it happens with long conversations only, the message was too large for the firewall."
    )


def _quota(refusal: Refusal) -> BridgeError:
    wait = refusal.wait if refusal.hours is None else min(refusal.hours * 3600, LONGEST_WAIT)
    when = "later" if wait is None else f"in about {max(1, round(wait / 3600))} h"
    return QuotaExceeded(
        f"Qwen says that this account has used up its quota. Try again {when}, or use another account. Qwen says the "
        f"same when the session is missing or has expired: if you have hardly used it today, sign in at "
        f"https://chat.qwen.ai and give the bridge the new cookies.{refusal.quote}",
        retry_after=wait,
    )


def _parallel(refusal: Refusal) -> BridgeError:
    return TooManyStreams(
        f"Qwen says that this account asks too often or too much at once. Ask again in a few seconds, with fewer "
        f"requests side by side.{refusal.quote}",
        retry_after=refusal.wait,
    )


def _busy(refusal: Refusal) -> BridgeError:
    return ChatBusy(
        "Qwen is still writing an earlier answer in this chat. Ask again in a few seconds.", retry_after=refusal.wait
    )


def _parent(refusal: Refusal) -> BridgeError:
    return ParentRefused(f"Qwen does not know the message that this turn follows.{refusal.quote}")


def _gone(refusal: Refusal) -> BridgeError:
    return ChatGone(
        f"Qwen no longer has this chat: it was deleted, or belongs to another account. Ask again and a new chat is "
        f"opened.{refusal.quote}"
    )


def _pending(refusal: Refusal) -> BridgeError:
    return AccountPending(
        f"This Qwen account is not activated yet. Confirm it at https://chat.qwen.ai, then try again.{refusal.quote}"
    )


def _signed_out(refusal: Refusal) -> BridgeError:
    return ExpiredCredentials(
        f"Qwen does not accept the session. Sign in at https://chat.qwen.ai and give the bridge the new cookies "
        f"(QWEN_COOKIES or QWEN_TOKEN); retrying with the old ones is of no use.{refusal.quote}"
    )


def _rejected(refusal: Refusal) -> BridgeError:
    return ContentRejected(f"Qwen's content inspection rejected the request or the answer.{refusal.quote}")


def _model(refusal: Refusal) -> BridgeError:
    return UnknownModel(
        f"Qwen does not offer this model to this account. GET /v1/models lists what it offers.{refusal.quote}",
        param="model",
    )


def _tokens(refusal: Refusal) -> BridgeError:
    return TokensExhausted(
        f"Qwen has no tokens left for this account or model at the moment. Try again in a minute, or with another "
        f"model.{refusal.quote}",
        retry_after=refusal.wait or TOKENS_BACK,
    )


def _malformed(refusal: Refusal) -> BridgeError:
    return QwenRefused(
        f"Qwen did not accept the form of what the bridge sent. This is a fault of the bridge, not of your "
        f"request.{refusal.quote}"
    )


def _invalid(refusal: Refusal) -> BridgeError:
    return QwenRefused(
        f"Qwen found the request invalid. Some of its models cannot switch thinking off: try with thinking on, or "
        f"another model. Otherwise the site has changed and the bridge must follow.{refusal.quote}"
    )


def _large(refusal: Refusal) -> BridgeError:
    return RequestTooLarge(
        f"Qwen refused the message as too large. Shorten the conversation or leave out attachments.{refusal.quote}"
    )


def _timeout(_: Refusal) -> BridgeError:
    return QwenTimeout("Qwen's own servers timed out. Ask again in a moment.")


def _empty(_: Refusal) -> BridgeError:
    return EmptyAnswer("Qwen answered with nothing at all. Ask again; if it stays so, the message may be too long.")


def _unreadable(refusal: Refusal) -> BridgeError:
    return AnswerUnreadable(
        f"Qwen answered with status {refusal.status} and something that is not its protocol. Ask again; if it stays "
        f"so, the site has changed."
    )


def _server(refusal: Refusal) -> BridgeError:
    return QwenRefused(
        f"Qwen's servers failed (status {refusal.status}). Nothing is wrong with your request: try again in a moment."
    )


def _other(refusal: Refusal) -> BridgeError:
    status = "" if refusal.status == 200 else f" (status {refusal.status})"
    return QwenRefused(
        f"Qwen refused this turn{status} without a reason the bridge knows. Ask again, or start a new "
        f"conversation.{refusal.quote}"
    )


FAULTS: tuple[Fault, ...] = (
    Fault("challenge", lambda r: r.challenged, _challenge),
    Fault("page", lambda r: r.page and r.status in _PAGE_REFUSALS, _challenge),
    Fault("too large", lambda r: r.status == 413, _large),
    Fault("timeout", lambda r: r.status in (408, 504, 524) and not r.code, _timeout),
    Fault("account pending", lambda r: r.role == "pending" or "pending activation" in r.details.lower(), _pending),
    Fault(
        "content inspection",
        lambda r: "datainspection" in r.code or "contentfilter" in r.code or "内容安全警告" in r.details,
        _rejected,
    ),
    Fault("token quota", lambda r: "#token-limit" in r.details or "quota exceeded" in r.details.lower(), _tokens),
    Fault("quota", lambda r: r.code in _QUOTA_CODES, _quota),
    Fault("chat busy", lambda r: "chat is in progress" in r.details.lower(), _busy),
    Fault("parallel limit", lambda r: r.code in _PARALLEL_CODES, _parallel),
    Fault("pace", lambda r: "rate increased too quickly" in r.details.lower() or r.status == 429, _parallel),
    Fault("parent", lambda r: r.code == "parentnotfound" or bool(_UNKNOWN_PARENT.search(r.details)), _parent),
    Fault("chat gone", lambda r: r.code == "chatnotfound" or bool(_UNKNOWN_CHAT.search(r.details)), _gone),
    Fault("unknown model", lambda r: r.code == "modelnotfound" or bool(_UNKNOWN_MODEL.search(r.details)), _model),
    Fault("signed out", lambda r: r.status == 401 or r.code in _SIGNED_OUT_CODES, _signed_out),
    Fault("token expired", lambda r: "token has expired" in r.details.lower(), _signed_out),
    Fault("forbidden", lambda r: r.status == 403 and r.parsed and not r.code, _signed_out),
    Fault("not found", lambda r: r.parsed and (r.code == "notfound" or r.status == 404), _gone),
    Fault("too many messages", lambda r: "too many messages" in r.details.lower(), _malformed),
    Fault("validation", lambda r: r.code == "requestvalidationerror", _malformed),
    Fault("invalid input", lambda r: r.code == "invalidinput", _invalid),
    Fault("server", lambda r: r.status >= 500 and not r.code, _server),
    Fault("empty", lambda r: r.empty and r.status == 200, _empty),
    Fault("not a refusal", lambda r: r.success is True and r.status < 400, _unreadable),
    Fault("not json", lambda r: not r.parsed and r.status < 400, _unreadable),
    Fault("other", lambda _: True, _other),
)
"""The registry, most certain first. A row that only words can tell stands behind the rows that fields can tell,
unless Qwen hides it under a code that means nothing (`Bad_Request`, `internal_error`)."""
