from __future__ import annotations

from qwen_bridge.conversation.keys import chain
from tests.contexts.naming import SCOPE, Time, history, measured, table


def test_the_history_has_the_size_that_is_asked_for() -> None:
    """So many messages, so many bytes, the question last; every prefix has a name of its own."""
    request = history(200, 2**20)
    assert len(request.dialogue) == 200
    assert abs(sum(len(message.text) for message in request.dialogue) - 2**20) < 200
    assert request.dialogue[-1].role == "user"
    assert len(set(chain(SCOPE, request.dialogue))) == 200


async def test_a_case_is_a_line() -> None:
    """What is measured can be printed."""
    (only,) = await measured([(4, 1000)], runs=1)
    assert (only.messages, only.size) == (4, 1000)
    assert table([Time(200, 1_000_000, 1.234, 0.5)]).endswith("200 | 1,000,000 | 1.23 | 0.50")
