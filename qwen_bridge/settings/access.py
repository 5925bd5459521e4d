"""Settings about who may use the bridge, and as whom it speaks to Qwen: client keys and profiles.

As in `values`: what cannot be used raises `ValueError` with the end of a sentence that never repeats a value.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

from qwen_bridge.settings.values import AccountDigest, HeaderLine, SecretLine

SHORTEST_KEY = 16
"""Characters. A shorter key can be tried out over a network."""

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class Profile(BaseModel):
    """One more Qwen session beside the one of the settings `token`, `cookies`, `bx_umidtoken`, `user_agent`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretLine = Field(None)
    cookies: SecretLine = Field(None)
    bx_umidtoken: SecretLine = Field(None)
    user_agent: HeaderLine = Field(None)
    account: AccountDigest = Field(None)


def digest_of(key: str) -> str:
    """A client's key as it is compared and may be written down: 64 hex digits."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own loopback, also when it is written as an IPv6 one."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address == "localhost"
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [word.partition("=") for word in value.split(",") if word.strip()]
    if any(not (name.strip() and target.strip()) for name, _, target in pairs):
        raise ValueError("must be NAME=VALUE pairs separated by commas")
    return {name.strip(): target.strip() for name, _, target in pairs} or None


def _digests(value: Mapping[str, SecretStr] | None) -> Mapping[str, SecretStr] | None:
    """Every key as its digest, so that no key lies in memory, and no two clients have the same."""
    if value is None:
        return None
    digests = {}
    for name, secret in value.items():
        key = secret.get_secret_value().strip()
        written = _DIGEST.fullmatch(key)
        if written is None and (key.startswith("sha256:") or len(key) < SHORTEST_KEY):
            raise ValueError(
                f"the key of {name!r} must have {SHORTEST_KEY} characters or more, or be sha256: and the 64 hex digits "
                "of its digest; `qwen-bridge key` makes one"
            )
        digests[name] = SecretStr(written[1] if written is not None else digest_of(key))
    if len({secret.get_secret_value() for secret in digests.values()}) < len(digests):
        raise ValueError("two clients have the same key; each needs its own")
    return digests


def _tables(value: object) -> object:
    """Profiles given as text are JSON; TOML has them as tables."""
    if not isinstance(value, str) or not value.strip():
        return value or None
    try:
        found: Any = json.loads(value)
    except ValueError:
        raise ValueError(
            'must be tables [profiles.NAME] in config.toml, or JSON like {"NAME": {"token": "…"}}'
        ) from None
    return found or None


ClientKeys = Annotated[dict[str, SecretStr] | None, NoDecode, BeforeValidator(_pairs), AfterValidator(_digests)]
"""Name → digest of the key; written as `name=key` with commas between them, a key also as `sha256:` and its digest."""

ClientProfiles = Annotated[dict[str, str] | None, NoDecode, BeforeValidator(_pairs)]
"""Name of a client → name of a profile; written as `name=profile` with commas between them."""

Profiles = Annotated[dict[str, Profile] | None, NoDecode, BeforeValidator(_tables)]
"""Name → session."""


def contradiction(
    keys: Mapping[str, Any] | None, of: Mapping[str, str] | None, profiles: Mapping[str, Any] | None
) -> str:
    """What is wrong with client keys, profiles and the mapping `of` clients to them together; empty if nothing."""
    for client, profile in (of or {}).items():
        if client not in (keys or {}):
            return f"client_profiles: there is no client {client!r} in client_keys"
        if profile not in (profiles or {}):
            return f"client_profiles: there is no profile {profile!r} in profiles"
    return ""
