from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge import errors
from qwen_bridge.errors import BridgeError, ChatBusy, ParentRefused, QwenUnreachable, TooManyStreams
from qwen_bridge.recovery.policy import RULES, Decision, GiveUp, Progress, RecoveryPolicy, RestartChat, Retry

POLICY = RecoveryPolicy(attempts=100, patience=1000.0)
FIRST = Progress(failures=1, same=1, waited=0.0, shown=False, restarted=False)


def leaves(kind: type[BridgeError]) -> list[type[BridgeError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]


def decisions(kind: type[BridgeError], policy: RecoveryPolicy = POLICY, jitter: float = 0.0) -> list[Decision]:
    """What is decided when the same fault comes again and again, up to the end."""
    made: list[Decision] = []
    waited, restarted = 0.0, False
    for count in itertools.count(1):
        made.append(policy.decide(kind("no"), Progress(count, count, waited, False, restarted), jitter))
        match made[-1]:
            case Retry(delay):
                waited += delay
            case RestartChat():
                restarted = True
            case GiveUp():
                break
    return made


def in_words(made: list[Decision]) -> list[float | str]:
    return [decision.delay if isinstance(decision, Retry) else type(decision).__name__ for decision in made]


TABLE: dict[type[BridgeError], list[float | str]] = {
    errors.ParentRefused: ["RestartChat", "GiveUp"],
    errors.ChatGone: ["RestartChat", "GiveUp"],
    errors.ChatBusy: [1.0, 2.0, "RestartChat", "GiveUp"],
    errors.TooManyStreams: [2.0, 4.0, 8.0, "GiveUp"],
    errors.QwenUnreachable: [0.25, 0.5, 1.0, "GiveUp"],
    errors.ConnectionLost: [0.25, 0.5, 1.0, "GiveUp"],
    errors.AnswerCutOff: [0.5, 1.0, "GiveUp"],
    errors.EmptyAnswer: [0.5, "GiveUp"],
    errors.QwenRefused: [1.0, "GiveUp"],
    errors.AnswerUnreadable: [0.5, "GiveUp"],
}


@pytest.mark.parametrize("kind", leaves(BridgeError), ids=lambda kind: kind.__name__)
def test_each_fault_is_treated_as_its_row_says(kind: type[BridgeError]) -> None:
    """A fault that does not pass runs through its row: growing waits, perhaps a new chat, the end."""
    assert in_words(decisions(kind)) == TABLE.get(kind, ["GiveUp"])


def test_the_table_has_no_row_that_is_not_proved() -> None:
    """A new row needs its line here."""
    assert set(RULES) == set(TABLE)


def test_giving_up_tells_the_present_fault() -> None:
    """The client is told what went wrong last."""
    error = ParentRefused("no")
    assert POLICY.decide(error, Progress(2, 1, 0.0, False, True)) == GiveUp(error)


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_nothing_is_tried_again_once_a_word_was_shown(kind: type[BridgeError]) -> None:
    """The rule above the table."""
    decision = POLICY.decide(kind("no"), Progress(1, 1, 0.0, True, False))
    assert isinstance(decision, GiveUp)


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_there_are_never_more_attempts_than_allowed(kind: type[BridgeError], attempts: int) -> None:
    """Retries and new chats count alike."""
    made = decisions(kind, RecoveryPolicy(attempts=attempts))
    assert len(made) <= attempts
    assert in_words(made)[:-1] == TABLE[kind][: len(made) - 1]


@given(
    kinds=st.lists(st.sampled_from(leaves(BridgeError)), max_size=30),
    retry_after=st.none() | st.floats(0, 1000),
    jitter=st.floats(0, 1),
    attempts=st.integers(1, 20),
    patience=st.floats(0, 120),
)
def test_the_limits_hold_for_any_row_of_faults(
    kinds: list[type[BridgeError]], retry_after: float | None, jitter: float, attempts: int, patience: float
) -> None:
    """Whatever goes wrong in whatever order: few attempts, little waiting, one new chat."""
    policy = RecoveryPolicy(attempts, patience)
    waited, restarts, tries, same = 0.0, 0, 1, 0
    before: type[BridgeError] | None = None
    for count, kind in enumerate(kinds, 1):
        same = same + 1 if kind is before else 1
        before = kind
        error = kind("no", retry_after=retry_after)
        match policy.decide(error, Progress(count, same, waited, False, restarts > 0), jitter):
            case Retry(delay):
                assert delay >= (retry_after or 0.0)
                waited += delay
            case RestartChat():
                restarts += 1
            case GiveUp():
                break
        tries += 1
    assert tries <= attempts
    assert waited <= patience
    assert restarts <= 1


@given(jitter=st.floats(0, 1), kind=st.sampled_from([kind for kind in TABLE if isinstance(TABLE[kind][0], float)]))
def test_jitter_lengthens_a_wait_by_a_quarter_at_most(jitter: float, kind: type[BridgeError]) -> None:
    """Clients that failed together do not come back together, and none comes too early."""
    plain = POLICY.decide(kind("no"), FIRST)
    spread = POLICY.decide(kind("no"), FIRST, jitter)
    assert isinstance(plain, Retry)
    assert isinstance(spread, Retry)
    assert spread.delay == pytest.approx(plain.delay * (1 + jitter / 4))
    assert plain.delay <= spread.delay <= plain.delay * 1.25


def test_qwens_own_word_for_the_wait_is_kept() -> None:
    """`retry-after` lengthens a wait and never shortens it; jitter does not count on top."""
    assert POLICY.decide(TooManyStreams("no", retry_after=7.0), FIRST, 1.0) == Retry(7.0)
    assert POLICY.decide(TooManyStreams("no", retry_after=1.0), FIRST) == Retry(2.0)


def test_a_wait_longer_than_the_patience_is_not_begun() -> None:
    """A demand that exceeds what is left of the sum ends the request at once; one that just fits is met."""
    policy = RecoveryPolicy(patience=10.0)
    error = TooManyStreams("no", retry_after=4.0)
    assert policy.decide(error, Progress(2, 1, 6.0, False, False)) == Retry(4.0)
    assert policy.decide(error, Progress(2, 1, 6.1, False, False)) == GiveUp(error)


def test_a_new_chat_costs_no_patience() -> None:
    """Where waiting has run out, a row with a new chat still opens it."""
    progress = Progress(1, 1, 60.0, False, False)
    assert RecoveryPolicy(patience=60.0).decide(ChatBusy("no"), progress) == RestartChat()
    error = QwenUnreachable("no")
    assert RecoveryPolicy(patience=60.0).decide(error, progress) == GiveUp(error)
