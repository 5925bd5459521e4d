"""A proxy on the way to Qwen, as a setting."""

from __future__ import annotations

import pytest

from qwen_bridge.settings.egress import Egress, egress_of
from qwen_bridge.settings.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("address", "egress"),
    [
        ("http://proxy:3128", Egress("http", "proxy", 3128)),
        ("http://proxy", Egress("http", "proxy", 8080)),
        ("socks5://anna:s%40cret@127.0.0.1", Egress("socks5", "127.0.0.1", 1080, "anna", "s@cret")),
        ("socks5h://[::1]:9050/", Egress("socks5", "::1", 9050)),
    ],
)
def test_an_address_is_read(address: str, egress: Egress) -> None:
    """Kind, place, and who one is there; httpx reads the same from what is made of it."""
    assert egress_of(address) == egress
    assert egress_of(egress.url) == egress


def test_a_password_is_shown_to_nobody() -> None:
    """Neither the settings nor their parts print it."""
    made = Settings.load({"upstream_proxy": "http://anna:s3cret@proxy:3128"})
    assert made.egress is not None
    assert made.egress.password == "s3cret"
    assert "s3cret" not in repr(made) + repr(made.egress)


@pytest.mark.parametrize(
    "address",
    [
        *("proxy:3128", "https://s3cret:s3cret@proxy", "http://", "http://proxy:0", "http://proxy:x", "http://proxy/p"),
        f"socks5://{'a' * 256}:s3cret@proxy",
    ],
)
def test_what_is_no_proxy_is_told(address: str) -> None:
    """The sentence names the setting and never the password."""
    with pytest.raises(SettingsError, match="upstream_proxy: ") as refused:
        Settings.load({"upstream_proxy": address})
    assert "s3cret" not in str(refused.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCKS needs one that HTTP does not."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"qwen-bridge\[socks\]"):
        Settings.load({"upstream_proxy": "socks5://proxy"})
    assert Settings.load({"upstream_proxy": "http://proxy"}).egress
