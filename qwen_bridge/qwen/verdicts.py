"""What the client is told about each refusal of Qwen's: the facts in, an error with a sentence that helps out.

Which facts make which verdict is decided in `faults`.
"""

from __future__ import annotations

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
from qwen_bridge.qwen import renewal
from qwen_bridge.qwen.refusal import LONGEST_WAIT, Refusal

TOKENS_BACK = 60.0
"""Seconds until tokens are there again where Qwen does not say: the words are those of a limit per minute."""


def challenge(_: Refusal) -> BridgeError:
    """The firewall wants a person."""
    return ChallengeRequired(
        f"Qwen's web firewall asks for a check that only a person can pass. {renewal.CHECK} "
        "If it happens with long conversations only, the message was too large for the firewall."
    )


def quota(refusal: Refusal) -> BridgeError:
    """The day's allowance is used up, or the session is none."""
    wait = refusal.wait if refusal.hours is None else min(refusal.hours * 3600, LONGEST_WAIT)
    when = "later" if wait is None else f"in about {max(1, round(wait / 3600))} h"
    return QuotaExceeded(
        f"Qwen says that this account has used up its quota. Try again {when}, or use another account. Qwen says the "
        f"same when the session is missing or has expired: if you have hardly used it today, "
        f"{renewal.SIGN_IN}{refusal.quote}",
        retry_after=wait,
    )


def parallel(refusal: Refusal) -> BridgeError:
    """Too much at once."""
    return TooManyStreams(
        f"Qwen says that this account asks too often or too much at once. Ask again in a few seconds, with fewer "
        f"requests side by side.{refusal.quote}",
        retry_after=refusal.wait,
    )


def busy(refusal: Refusal) -> BridgeError:
    """An answer is being written in the chat."""
    return ChatBusy(
        "Qwen is still writing an earlier answer in this chat. Ask again in a few seconds.", retry_after=refusal.wait
    )


def parent(refusal: Refusal) -> BridgeError:
    """The node is unknown."""
    return ParentRefused(f"Qwen does not know the message that this turn follows.{refusal.quote}")


def gone(refusal: Refusal) -> BridgeError:
    """The chat is unknown."""
    return ChatGone(
        f"Qwen no longer has this chat: it was deleted, or belongs to another account. Ask again and a new chat is "
        f"opened.{refusal.quote}"
    )


def pending(refusal: Refusal) -> BridgeError:
    """The account is not confirmed."""
    return AccountPending(
        f"This Qwen account is not activated yet. Confirm it at https://chat.qwen.ai, then try again.{refusal.quote}"
    )


def signed_out(refusal: Refusal) -> BridgeError:
    """The session is not accepted."""
    return ExpiredCredentials(f"Qwen does not accept the session. {renewal.NEW_SESSION}{refusal.quote}")


def rejected(refusal: Refusal) -> BridgeError:
    """The words did not pass inspection."""
    return ContentRejected(f"Qwen's content inspection rejected the request or the answer.{refusal.quote}")


def model(refusal: Refusal) -> BridgeError:
    """The model is unknown."""
    return UnknownModel(
        f"Qwen does not offer this model to this account. GET /v1/models lists what it offers.{refusal.quote}",
        param="model",
    )


def tokens(refusal: Refusal) -> BridgeError:
    """The allowance per minute is used up."""
    return TokensExhausted(
        f"Qwen has no tokens left for this account or model at the moment. Try again in a minute, or with another "
        f"model.{refusal.quote}",
        retry_after=refusal.wait or TOKENS_BACK,
    )


def malformed(refusal: Refusal) -> BridgeError:
    """What the bridge sent has the wrong form."""
    return QwenRefused(
        f"Qwen did not accept the form of what the bridge sent. This is a fault of the bridge, not of your "
        f"request.{refusal.quote}"
    )


def invalid(refusal: Refusal) -> BridgeError:
    """What the bridge sent is not for this model."""
    return QwenRefused(
        f"Qwen found the request invalid. Some of its models cannot switch thinking off: try with thinking on, or "
        f"another model. Otherwise the site has changed and the bridge must follow.{refusal.quote}"
    )


def large(refusal: Refusal) -> BridgeError:
    """The message is too large."""
    return RequestTooLarge(
        f"Qwen refused the message as too large. Shorten the conversation or leave out attachments.{refusal.quote}"
    )


def timeout(_: Refusal) -> BridgeError:
    """Qwen's own servers gave up."""
    return QwenTimeout("Qwen's own servers timed out. Ask again in a moment.")


def empty(_: Refusal) -> BridgeError:
    """There was no answer in the answer."""
    return EmptyAnswer("Qwen answered with nothing at all. Ask again; if it stays so, the message may be too long.")


def unreadable(refusal: Refusal) -> BridgeError:
    """It is not the protocol."""
    return AnswerUnreadable(
        f"Qwen answered with status {refusal.status} and something that is not its protocol. Ask again; if it stays "
        f"so, the site has changed."
    )


def page(refusal: Refusal) -> BridgeError:
    """A page for people, and not the firewall's."""
    return AnswerUnreadable(
        f"Where Qwen's answer should be came a web page (status {refusal.status}): of a gateway, of maintenance, or "
        f"of a network that wants you to sign in. Open https://chat.qwen.ai in a browser to see it, and ask again."
    )


def server(refusal: Refusal) -> BridgeError:
    """Qwen's servers failed."""
    return QwenRefused(
        f"Qwen's servers failed (status {refusal.status}). Nothing is wrong with your request: try again in a moment."
    )


def other(refusal: Refusal) -> BridgeError:
    """No, without a known reason."""
    status = "" if refusal.status == 200 else f" (status {refusal.status})"
    return QwenRefused(
        f"Qwen refused this turn{status} without a reason the bridge knows. Ask again, or start a new "
        f"conversation.{refusal.quote}"
    )
