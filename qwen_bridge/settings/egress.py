"""A proxy on the way to Qwen, as a setting: its address, and who the bridge is there.

As in `values`: what cannot be used raises `ValueError` with the end of a sentence that never repeats a value.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from qwen_bridge.settings.values import one_header_line

SCHEMES = {"http": 8080, "socks5": 1080}
"""Kinds of proxies, with the port that is meant when none is named."""

LONGEST = 255
"""Bytes of a name or password that SOCKS has room for (RFC 1929)."""


@dataclass(frozen=True, slots=True)
class Egress:
    """One proxy. `user` is empty where it asks for none; the password is shown to nobody."""

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """As httpx reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        known = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"{self.scheme}://{known}{host}:{self.port}"


def egress_of(address: str) -> Egress:
    """Read `scheme://[user:password@]host[:port]`. Raises `ValueError`."""
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = 0
    scheme = "socks5" if parts.scheme == "socks5h" else parts.scheme
    if scheme not in SCHEMES or not parts.hostname or port == 0 or parts.path.rstrip("/") or parts.query:
        raise ValueError(
            "must be http://HOST:PORT or socks5://HOST:PORT, with USER:PASSWORD@ before the host if needed"
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if max(len(user.encode()), len(password.encode())) > LONGEST:
        raise ValueError(f"has a user or password of more than {LONGEST} bytes")
    return Egress(scheme, parts.hostname, port or SCHEMES[scheme], user, password)


def _checked(value: SecretStr | None) -> SecretStr | None:
    socks = value is not None and egress_of(value.get_secret_value()).scheme == "socks5"
    if socks and importlib.util.find_spec("socksio") is None:
        raise ValueError('socks5 needs a package that is not installed: pip install "qwen-bridge[socks]"')
    return value


ProxyAddress = Annotated[SecretStr | None, BeforeValidator(one_header_line), AfterValidator(_checked)]
"""Address of a proxy, secret because a password may stand in it."""
