"""Who is asking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.bridge.clients import DEFAULT, Clients, sessions
from qwen_bridge.errors import InvalidClientKey, RateLimited
from qwen_bridge.settings.access import digest_of
from qwen_bridge.settings.settings import Settings

KEY, OTHER = "a-key-of-some-length", "another-key-of-some-length"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own."""
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))


def clients(**chosen: Any) -> Clients:
    return Clients(Settings.load(chosen))


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_without_keys_everybody_is_a_client_of_its_own() -> None:
    """Any key, or none, is taken; two keys are two clients."""
    known = clients()
    mine, theirs, nobody = (known.identify(headers) for headers in (bearer("a"), bearer("b"), {}))
    assert len({mine.digest, theirs.digest, nobody.digest}) == 3
    assert {mine.name, mine.profile} == {"", DEFAULT}


def test_a_key_names_its_client_and_profile() -> None:
    """Who has the key is that client, and what is remembered of it outlives a change of its key."""
    chosen = {"client_keys": f"anna={KEY},ben={OTHER}", "profiles": '{"work": {}}', "client_profiles": "ben=work"}
    known = clients(**chosen)
    anna, ben = known.identify(bearer(KEY)), known.identify({"authorization": f"bearer  {OTHER}"})
    assert (anna.name, anna.profile, ben.name, ben.profile) == ("anna", DEFAULT, "ben", "work")
    assert anna.digest != ben.digest
    assert clients(client_keys="anna=a-new-key-of-some-length").identify(bearer("a-new-key-of-some-length")) == anna


@pytest.mark.parametrize(
    "given", [{}, bearer(""), bearer(KEY + "x"), bearer(KEY[:-1]), {"authorization": f"Basic {KEY}"}]
)
def test_any_other_key_is_refused(given: dict[str, str]) -> None:
    """With OpenAI's status and code, with what to do, and without a word of the key."""
    with pytest.raises(InvalidClientKey) as refused:
        clients(client_keys=f"anna={KEY}").identify(given)
    assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")
    assert "client_keys" in refused.value.message
    assert KEY[:-1] not in refused.value.message


def test_a_digest_is_no_key() -> None:
    """Who reads the bridge's settings cannot come in with what stands there."""
    for given in (digest_of(KEY), f"sha256:{digest_of(KEY)}"):
        with pytest.raises(InvalidClientKey):
            clients(client_keys=f"anna={KEY}").identify(bearer(given))


def test_the_rate_is_counted_for_each_client() -> None:
    """Two a minute: the third hears when to come again, in the header and in the sentence; others are not touched."""
    known = clients(client_rate=2)
    mine, theirs = known.identify(bearer("a")), known.identify(bearer("b"))
    assert dict(known.count(mine, 0.0))["x-ratelimit-remaining-requests"] == "1"
    known.count(mine, 0.0)
    with pytest.raises(RateLimited, match="2 requests a minute") as refused:
        known.count(mine, 1.0)
    headers = dict(refused.value.headers())
    assert (headers["retry-after"], headers["x-should-retry"], headers["x-ratelimit-remaining-requests"]) == (
        "29",
        "true",
        "0",
    )
    known.count(theirs, 1.0)


def test_without_a_rate_nothing_is_counted() -> None:
    """No limit, no headers."""
    known = clients()
    assert all(known.count(known.identify({}), 0.0) == () for _ in range(1000))


def test_sessions_are_the_settings_own_and_the_profiles() -> None:
    """What is not set is empty, and named as missing; one session lends the other nothing."""
    made = Settings.load(
        {"token": "mine", "cookies": "a=1", "user_agent": "Mozilla", "profiles": '{"work": {"token": "theirs"}}'}
    )
    own, work = sessions(made).values()
    assert own.cookie_header() == "a=1; token=mine"
    assert own.missing() == ["QWEN_BX_UMIDTOKEN"]
    assert (work.session, work.user_agent) == ("theirs", "")
    assert len(work.missing()) == 2
