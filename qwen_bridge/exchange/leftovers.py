"""What is left behind: an answer that Qwen may still be writing, a node that is dead, a question without its answer."""

from __future__ import annotations

from qwen_bridge.errors import AccessError, BridgeError, ChatBusy, ChatGone, InternalError, ParentRefused, WireError
from qwen_bridge.events import ResponseStarted
from qwen_bridge.exchange.effects import Commit, Effect, Forget, Stop
from qwen_bridge.exchange.question import Question
from qwen_bridge.exchange.telling import Telling
from qwen_bridge.ports import Anchor


def stop(error: BridgeError, chat_id: str, started: ResponseStarted | None) -> list[Effect]:
    """What may still be written in the chat, and would refuse the next attempt as busy.

    Qwen has ended by itself what it calls an error. What it was asked and has not even opened may turn out to be
    there, as a busy chat.
    """
    if isinstance(error, ChatBusy):
        return [Stop(chat_id, "")]
    if started is None or not isinstance(error, WireError):
        return []
    return [Stop(chat_id, started.response_id)]


def forget(error: BridgeError, anchor: Anchor | None) -> list[Effect]:
    """A node that Qwen refused is not tried again by anybody."""
    if anchor is None or not isinstance(error, ParentRefused | ChatGone):
        return []
    return [Forget(anchor, isinstance(error, ChatGone))]


def unheard(told: BridgeError | None, telling: Telling, chat_id: str, *, sent: bool) -> Stop | None:
    """The answer that Qwen may still be writing although nobody listens; None when it said that it had ended.

    Its chat stays busy ("The chat is in progress!") until it ends by itself or is stopped. What the bridge itself has
    broken off goes on at Qwen.
    """
    refused = told is not None and not isinstance(told, WireError | InternalError | AccessError)
    if refused or telling.reason is not None:
        return None
    if telling.unfinished is not None:
        return Stop(chat_id, telling.unfinished.response_id)
    return Stop(chat_id, "") if sent else None


def unanswered(told: BridgeError | None, telling: Telling, question: Question) -> Commit | None:
    """The question of an answer that its client has seen a part of: who left, or whose stream broke, may go on there.

    What Qwen refused may be the question itself, and is no place to go on from.
    """
    whole = telling.reason is not None or not telling.shown
    if whole or telling.question is None or not question.request.stream:
        return None
    return (
        question.commit_unanswered(telling.question)
        if told is None or isinstance(told, WireError | AccessError)
        else None
    )


def commits(telling: Telling, question: Question) -> list[Effect]:
    """Where the next turn may go on from a complete answer: behind it, or else behind its question.

    Behind both, where a client that runs the first tool in a text may forget what stands behind that.
    """
    found = [question.commit(telling.place, telling.message())] if telling.place is not None else []
    report = telling.report
    several = report is not None and len(report.released) > 1 and question.tooling.client == "roo_xml"
    if telling.question is not None and telling.reason != "content_filter" and (several or not found):
        found.append(question.commit_unanswered(telling.question))
    return [commit for commit in found if commit is not None]
