"""What a failed attempt leaves behind: an answer that Qwen may still be writing, and a node that is dead."""

from __future__ import annotations

from qwen_bridge.errors import BridgeError, ChatBusy, ChatGone, ParentRefused, WireError
from qwen_bridge.events import ResponseStarted
from qwen_bridge.exchange.effects import Effect, Forget, Stop
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
