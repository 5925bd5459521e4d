"""Who is asking: the client behind a key, its profile, and how much it may ask. The part of `bridge` at its door.

Without `client_keys` every key is taken, and each is a client of its own: nobody but this machine can come in then
(`proxy.network` sees to that). With them a request names its client by the key, which is compared by its digest and in
constant time.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from qwen_bridge.errors import InvalidClientKey, RateLimited
from qwen_bridge.exchange.effects import Headers
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.recovery.bucket import Buckets
from qwen_bridge.settings.access import Profile, digest_of
from qwen_bridge.settings.settings import Settings

DEFAULT = ""
"""Name of the profile that the settings themselves are."""


@dataclass(frozen=True, slots=True)
class Asker:
    """One client. `digest` stands for it in the keys of its conversations; `name` is empty without `client_keys`."""

    name: str
    digest: str
    profile: str


class Clients:
    """The clients of one configuration."""

    def __init__(self, settings: Settings) -> None:
        self._digests = {name: key.get_secret_value() for name, key in (settings.client_keys or {}).items()}
        self._profiles = settings.client_profiles or {}
        self._buckets = Buckets(settings.client_rate) if settings.client_rate else None

    def identify(self, headers: Mapping[str, str]) -> Asker:
        """The client that sent these headers (names in lower case). Raises `InvalidClientKey`."""
        given = headers.get("authorization", "")
        if not self._digests:
            return Asker("", digest_of(given), DEFAULT)
        kind, _, key = given.partition(" ")
        digest, found = digest_of(key.strip()), ""
        for name, known in self._digests.items():
            # All are compared, and each to its end: how long it takes tells nothing about a key.
            if hmac.compare_digest(digest, known) and kind.lower() == "bearer":
                found = name
        if not found:
            raise InvalidClientKey(
                "This bridge answers only clients that it knows. Set the API key of your client to one that stands in "
                "`client_keys` of the bridge."
                if given
                else "No API key was sent, and this bridge answers only clients that it knows. Set the API key of your "
                "client to one that stands in `client_keys` of the bridge."
            )
        return Asker(found, digest_of(f"client {found}"), self._profiles.get(found, DEFAULT))

    def count(self, asker: Asker, now: float) -> Headers:
        """One more request of a client; what its answer says of the limit. Raises `RateLimited`."""
        if self._buckets is None:
            return ()
        level = self._buckets.take(asker.digest, now)
        if level.wait:
            error = RateLimited(
                f"Rate limit reached: {level.limit} requests a minute for one client (`client_rate` of the bridge). "
                f"Try again in {level.wait:.1f} seconds.",
                retry_after=level.wait,
            )
            error.notes = level.headers()
            raise error
        return level.headers()


def sessions(settings: Settings) -> Mapping[str, Credentials]:
    """Profile → the credentials that the settings hold for it, complete or not."""
    own = Profile(
        token=settings.token,
        cookies=settings.cookies,
        bx_umidtoken=settings.bx_umidtoken,
        user_agent=settings.user_agent,
        account=settings.account,
    )
    return {name: _credentials(profile) for name, profile in ((DEFAULT, own), *(settings.profiles or {}).items())}


def _credentials(profile: Profile) -> Credentials:
    secret = (profile.token, profile.cookies, profile.bx_umidtoken)
    token, cookies, umid = ("" if value is None else value.get_secret_value() for value in secret)
    return Credentials(token=token, cookies=cookies, bx_umidtoken=umid, user_agent=profile.user_agent or "")
