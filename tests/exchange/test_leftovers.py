from __future__ import annotations

import pytest

from qwen_bridge.errors import AnswerCutOff, BridgeError, ChatBusy, ChatGone, ParentRefused, QwenRefused
from qwen_bridge.events import ResponseStarted
from qwen_bridge.exchange.effects import Effect, Forget, Stop
from qwen_bridge.exchange.leftovers import forget, stop
from qwen_bridge.ports import Anchor

STARTED = ResponseStarted("c", "u", "a")
ANCHOR = Anchor("c", "a", "m", "account", "", 2)


@pytest.mark.parametrize(
    ("error", "started", "stopped"),
    [
        (ChatBusy(""), None, [Stop("c", "")]),
        (AnswerCutOff(""), STARTED, [Stop("c", "a")]),
        (AnswerCutOff(""), None, []),
        (QwenRefused(""), STARTED, []),
    ],
)
def test_what_may_still_be_written_is_stopped(
    error: BridgeError, started: ResponseStarted | None, stopped: list[Effect]
) -> None:
    """An answer that was opened and whose connection broke, and whatever holds a busy chat; not what Qwen refused."""
    assert stop(error, "c", started) == stopped


def test_only_a_dead_node_is_forgotten() -> None:
    """With its whole chat where that is gone."""
    assert forget(ParentRefused(""), ANCHOR) == [Forget(ANCHOR, whole_chat=False)]
    assert forget(ChatGone(""), ANCHOR) == [Forget(ANCHOR, whole_chat=True)]
    assert forget(QwenRefused(""), ANCHOR) == forget(ChatGone(""), None) == []
