"""Client keys and profiles as settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.settings.access import digest_of, is_loopback
from qwen_bridge.settings.settings import Settings, SettingsError

KEY, OTHER = "a-key-of-some-length", "another-key-of-some-length"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TOML file of the test's own."""
    file = tmp_path / "config.toml"
    file.write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(file))
    return file


def digests(settings: Settings) -> dict[str, str]:
    return {name: key.get_secret_value() for name, key in (settings.client_keys or {}).items()}


def test_keys_are_read_from_text_and_kept_as_digests() -> None:
    """A key and a digest written down mean the same, and the key itself is nowhere in the settings."""
    made = Settings.load({"client_keys": f"anna={KEY}, ben=sha256:{digest_of(OTHER)}"})
    assert digests(made) == {"anna": digest_of(KEY), "ben": digest_of(OTHER)}
    assert KEY not in repr(made)
    assert digest_of(KEY) not in repr(made)


def test_tables_of_the_file_are_read(config: Path) -> None:
    """Keys, profiles and who uses which, as a user writes them."""
    config.write_text(
        f'[client_keys]\nanna = "{KEY}"\n[client_profiles]\nanna = "work"\n'
        '[profiles.work]\ntoken = "t"\nbx_umidtoken = "u"\nuser_agent = "Mozilla"\n'
    )
    made = Settings.load()
    assert digests(made) == {"anna": digest_of(KEY)}
    assert made.client_profiles == {"anna": "work"}
    assert made.profiles is not None
    assert made.profiles["work"].token is not None
    assert made.profiles["work"].user_agent == "Mozilla"


def test_profiles_are_read_from_json() -> None:
    """An environment variable or an option has no tables."""
    made = Settings.load({"profiles": '{"work": {"token": "t"}}'})
    assert made.profiles is not None
    assert made.profiles["work"].cookies is None


def test_nothing_is_set_without_a_word() -> None:
    """Empty text means no clients and no profiles; only this machine is served then."""
    made = Settings.load({"client_keys": "", "client_profiles": "", "profiles": ""})
    assert (made.client_keys, made.client_profiles, made.profiles) == (None, None, None)
    assert not made.serves_network
    assert Settings.load({"client_keys": f"anna={KEY}"}).serves_network
    assert Settings.load({"open_to_network": "true"}).serves_network


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"client_keys": "anna=short"}, "client_keys: the key of 'anna' must have 16 characters or more"),
        ({"client_keys": "anna=sha256:123"}, "client_keys: the key of 'anna' must have 16"),
        ({"client_keys": "anna"}, "client_keys: must be NAME=VALUE pairs"),
        ({"client_keys": f"anna={KEY},ben={KEY}"}, "client_keys: two clients have the same key"),
        ({"client_profiles": "anna=work"}, "client_profiles: there is no client 'anna' in client_keys"),
        (
            {"client_keys": f"anna={KEY}", "client_profiles": "anna=work"},
            "client_profiles: there is no profile 'work' in profiles",
        ),
        ({"profiles": "{"}, "profiles: must be tables"),
        ({"profiles": '{"work": {"tokn": "t"}}'}, "profiles.work.tokn: no such setting"),
        ({"profiles": '{"work": {"token": "a\\nb"}}'}, "profiles.work.token: must be one line"),
    ],
)
def test_what_cannot_be_used_is_told_and_not_shown(chosen: dict[str, Any], sentence: str) -> None:
    """The sentence names the setting; no value of a secret stands in it."""
    with pytest.raises(SettingsError, match=sentence) as refused:
        Settings.load(chosen)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("bridge.example.com", False),
    ],
)
def test_loopback_is_told_from_everything_else(address: str, here: bool) -> None:
    """In every way it is written; what cannot be read is elsewhere."""
    assert is_loopback(address) is here
