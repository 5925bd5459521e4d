"""How accounts and store stand, without asking Qwen."""

from __future__ import annotations

from collections.abc import Mapping

from qwen_bridge.bridge.admission import Admission
from qwen_bridge.bridge.conversations import Conversations
from qwen_bridge.bridge.overview import Overview
from qwen_bridge.bridge.sessions import Sessions
from qwen_bridge.errors import ChallengeRequired
from qwen_bridge.ports import AccountState, Counts
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.recovery.cooldown import CoolDown
from qwen_bridge.recovery.pacing import Pace
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.memory import MemoryStore
from tests.bridge.test_conversations import FailingStore
from tests.harness.ports import FixedClock

GOOD = Credentials("token", "", "umid", "Mozilla/5.0")
VALUES = {"token": "token", "bx_umidtoken": "umid", "user_agent": "Mozilla/5.0"}


def overview(store: MemoryStore | None = None, **given: Mapping[str, str]) -> tuple[Overview, CoolDown, Admission]:
    clock = FixedClock()
    own = given.pop("default", {})
    sessions = Sessions(Settings.load({"learn": "off", "profiles": given or None, **own}))
    cooldown, admission = CoolDown(60.0), Admission(Pace(1, 0.0, 10), 60.0, clock)
    known = Conversations(store or MemoryStore(clock), clock, 1000.0)
    return Overview(sessions, admission, cooldown, known, clock), cooldown, admission


def test_a_session_that_can_be_used() -> None:
    """It is named by its owner's word and the beginning of its account's digest, never by what is secret in it."""
    made, _, _ = overview(mine=VALUES)
    assert made.accounts() == [AccountState("mine", GOOD.account[:8], "", 0.0, None, 0, 0)]
    assert "token" not in str(made.accounts())


def test_a_session_that_lacks_something() -> None:
    """The code says what; a request would hear the same."""
    made, _, _ = overview(mine={"token": "token"})
    assert made.accounts()[0].problem == "missing_qwen_credentials"


def test_a_name_without_a_session_is_left_out() -> None:
    """Where each client has a profile of its own, the settings hold no session besides."""
    made, _, _ = overview(mine=VALUES)
    assert [account.name for account in made.accounts()] == ["mine"]
    alone, _, _ = overview()
    assert [account.problem for account in alone.accounts()] == ["missing_qwen_credentials"]


def test_a_session_that_rests() -> None:
    """With the seconds that are left."""
    made, cooldown, _ = overview(mine=VALUES, other={**VALUES, "token": "other"})
    cooldown.struck(GOOD.fingerprint, ChallengeRequired("A captcha."), FixedClock().monotonic())
    mine, other = made.accounts()
    assert (mine.problem, mine.rests) == ("qwen_challenge", 60.0)
    assert (other.problem, other.rests) == ("", 0.0)


async def test_a_store_that_answers_and_one_that_does_not() -> None:
    """What it holds, or None."""
    made, _, _ = overview(mine=VALUES)
    assert await made.store() == Counts(0, 0, None)
    failing, _, _ = overview(FailingStore(), mine=VALUES)
    assert await failing.store() is None
