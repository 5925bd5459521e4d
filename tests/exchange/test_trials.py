from __future__ import annotations

from qwen_bridge.errors import BridgeError, ChatBusy, ParentRefused, QwenRefused, QwenUnreachable
from qwen_bridge.exchange.trials import Trials
from qwen_bridge.recovery.policy import GiveUp, RecoveryPolicy, RestartChat, Retry


def trials(patience: float = 60.0) -> Trials:
    return Trials(RecoveryPolicy(patience=patience), lambda: 0.0)


def error(kind: type[BridgeError]) -> BridgeError:
    return kind("It failed.")


def test_the_same_in_a_row_waits_longer_each_time() -> None:
    """Another fault in between begins anew, for what kept happening did not."""
    made = trials()
    kinds = (QwenUnreachable, QwenUnreachable, QwenRefused, QwenUnreachable)
    waits = [made.failed(error(kind), shown=False) for kind in kinds]
    assert waits == [Retry(0.25), Retry(0.5), Retry(1.0), Retry(0.25)]
    assert [type(failure) for failure in made.failures] == list(kinds)
    assert made.decisions == waits


def test_the_waits_of_one_request_add_up() -> None:
    """The sum of them has an end, not each of them."""
    made = trials(patience=1.0)
    decisions = [made.failed(error(kind), shown=False) for kind in (QwenUnreachable, QwenUnreachable, QwenRefused)]
    assert decisions[:2] == [Retry(0.25), Retry(0.5)]
    assert isinstance(decisions[2], GiveUp)


def test_the_whole_history_goes_to_a_new_chat_once() -> None:
    """A new chat that is refused as well is told to the client."""
    made = trials()
    assert made.failed(error(ParentRefused), shown=False) == RestartChat()
    assert isinstance(made.failed(error(ParentRefused), shown=False), GiveUp)


def test_nothing_is_asked_again_behind_a_word() -> None:
    """Whatever the fault, a client that has seen a word gets no second answer."""
    assert isinstance(trials().failed(error(ChatBusy), shown=True), GiveUp)


def test_another_way_is_taken_at_once() -> None:
    """It waits for nothing and costs no patience, and is one of the failures all the same."""
    made = trials(patience=0.0)
    assert made.failed(error(QwenRefused), shown=False, another_way=True) == Retry(0.0)
    assert len(made.failures) == 1
