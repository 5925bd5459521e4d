"""As whom the bridge speaks: the settings' session, or the learned one of the right account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.bridge.sessions import Sessions, session_file
from qwen_bridge.errors import ExpiredCredentials, MissingCredentials
from qwen_bridge.observe import redaction
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.learning import LearnedSession
from qwen_bridge.settings.settings import Settings
from tests.qwen.test_credentials import jwt

AGENT = "Mozilla/5.0 (X11)"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own, and a redactor of its own."""
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setattr(redaction, "_known", redaction._Known())


def token(user: str, end: int = 2_000_000_000) -> str:
    return jwt(id=user, exp=end)


def account(user: str) -> str:
    return Credentials(token(user), "", "", "").account


def settings(folder: Path, **chosen: Any) -> Settings:
    return Settings.load({"state": str(folder), **chosen})


def learn(folder: Path, user: str, end: int = 2_000_000_000, umid: str = "umid") -> None:
    cookies = f"acw_tc=learned-cookie-of-{user}; token={token(user, end)}"
    session = LearnedSession(Credentials("", cookies, umid, AGENT, learned=True), 1.0, 2.0, 3.0)
    session_file(settings(folder)).change(lambda known: known.with_session(session))


def by_hand(user: str, end: int = 2_000_000_000) -> dict[str, str]:
    return {"token": token(user, end), "bx_umidtoken": "own", "user_agent": AGENT}


def test_what_is_learned_is_spoken_with_at_once(tmp_path: Path) -> None:
    """Without settings; and nothing of it can be read in a log from then on."""
    sessions = Sessions(settings(tmp_path))
    with pytest.raises(MissingCredentials, match="uses the bridge as its proxy"):
        sessions.of("").require(1.0)
    learn(tmp_path, "u1")
    sessions.of("").require(1.0)
    assert sessions.of("").account == account("u1")
    assert redaction.redact("it was learned-cookie-of-u1") == "it was [redacted]"


def test_a_later_account_of_the_browser_is_not_spoken_with(tmp_path: Path) -> None:
    """A web page can sign a browser in: only a person changes the account."""
    learn(tmp_path, "u1")
    learn(tmp_path, "attacker")
    assert Sessions(settings(tmp_path)).of("").account == account("u1")
    assert Sessions(settings(tmp_path, account=account("attacker")[:8])).of("").account == account("attacker")


def test_who_signed_out_is_missed_and_not_replaced(tmp_path: Path) -> None:
    """Not even by the only other account there is."""
    learn(tmp_path, "u1")
    learn(tmp_path, "attacker")
    session_file(settings(tmp_path)).change(lambda known: known.without(account("u1")))
    with pytest.raises(MissingCredentials):
        Sessions(settings(tmp_path)).of("").require(1.0)


def test_settings_say_who_and_the_browser_how(tmp_path: Path) -> None:
    """With `learn = on` the same account's learned session is used unless the settings' token is the newer one."""
    learn(tmp_path, "other")
    learn(tmp_path, "u1", 1_900_000_000)
    chosen = {"learn": "on"}
    assert Sessions(settings(tmp_path, **chosen, **by_hand("u1", 1_800_000_000))).of("").bx_umidtoken == "umid"
    assert Sessions(settings(tmp_path, **chosen, **by_hand("u1", 2_000_000_000))).of("").bx_umidtoken == "own"
    assert Sessions(settings(tmp_path, **chosen, **by_hand("nobody"))).of("").bx_umidtoken == "own"


@pytest.mark.parametrize("learn_setting", ["auto", "off"])
def test_a_session_of_the_settings_alone(learn_setting: str, tmp_path: Path) -> None:
    """Where nothing is to be learned, nothing learned is used."""
    learn(tmp_path, "u1")
    sessions = Sessions(settings(tmp_path, learn=learn_setting, **by_hand("u1", 1)))
    assert sessions.of("").bx_umidtoken == "own"
    assert sessions.learned("") is None
    assert [list(state.used) for state in sessions.states()] == [[]]
    assert not Sessions(settings(tmp_path, learn="off")).of("").session


def test_an_incomplete_lesson_does_not_hide_a_complete_session(tmp_path: Path) -> None:
    """Signed in, but without the umid token: the settings' own goes on."""
    learn(tmp_path, "u1", umid="")
    assert Sessions(settings(tmp_path, learn="on", **by_hand("u1", 5))).of("").bx_umidtoken == "own"
    with pytest.raises(MissingCredentials, match="no message of yours"):
        Sessions(settings(tmp_path)).of("").require(1.0)


def test_an_expired_lesson_says_to_open_the_site_again(tmp_path: Path) -> None:
    """Through the proxy, and names no cookies to copy."""
    learn(tmp_path, "u1", 5)
    with pytest.raises(ExpiredCredentials, match="uses the bridge as its proxy") as caught:
        Sessions(settings(tmp_path)).of("").require(6.0)
    assert "QWEN_COOKIES" not in caught.value.message


def test_profiles_have_accounts_of_their_own(tmp_path: Path) -> None:
    """By name; one without an account has the settings' values or none, never what somebody else's browser taught."""
    learn(tmp_path, "u1")
    learn(tmp_path, "u2")
    profiles = {"work": {"account": account("u2")[:8]}, "empty": {}, "gone": {"account": "00000000"}}
    sessions = Sessions(settings(tmp_path, profiles=profiles))
    found = {name: one.account for name, one in sessions.all().items()}
    assert found == {"": account("u1"), "work": account("u2"), "empty": "", "gone": ""}
    assert [(state.digest, state.used) for state in sessions.states()] == [
        (account("u1")[:8], ["default"]),
        (account("u2")[:8], ["work"]),
    ]
