"""The one place that knows what a secret looks like, for logs, flows, content views and whatever is kept of traffic.

Two nets, one behind the other. Forms: names that stand before a secret (`Cookie:`, `token=`, `"api_key":`) and secrets
that show by themselves (`sk-…`, a JWT, a password in a URL). Values: whatever the settings hold as a secret is replaced
wherever it appears, also percent-encoded, in JSON or in Base64, under any name.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel, SecretStr

REDACTED: Final = "[redacted]"

SHORTEST: Final = 6
"""Characters from which on a value is searched for; a shorter one would blot out half of a log."""

_TO = r"""(?:\\*["']?\s*[:=]\s*|\\*["']\s*,\s*)b?"""
"""From a name to its value: as a header, an assignment, in a mapping or a pair, in JSON within a string."""

# `invalid_api_key:give_up` stands in the line of a turn whose client had a wrong key.
_NAMES = (
    r"token|bx[-_]ua|api[-_]?key(?!:give_up\b)|access[-_]?key[-_]?(?:id|secret)|secret|password|passwd|signature"
    r"|credential|x5secdata"
)
_FORMS = (
    # A header of cookies, to its closing quote or else to the end of the line: each cookie in it may be a key.
    re.compile(rf"""(?P<keep>cookies?{_TO}(?P<quote>\\*["'])?)(?(quote)(?:(?!(?P=quote)).)+|[^\r\n"']+)""", re.I),
    re.compile(rf"""(?P<keep>authorization{_TO}\\*["']?(?:\w+\s+(?=\S))?)[^\s;,"'\\]+""", re.I),
    re.compile(rf"""(?P<keep>(?:{_NAMES}){_TO}\\*["']?)[^\s;,&"'\\…]+""", re.I),
    re.compile(r"(?P<keep>bearer\s+)[^\s;,\"'\\]+", re.I),
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.I),
    re.compile(r"(?P<keep>)\bsk-[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?P<keep>)\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)+"),
)
"""What a secret looks like: Qwen's cookies, token headers, signed addresses and temporary keys of its file store, an
authorization, a password in an address, an OpenAI key, a JWT."""

_SECRET_KEYS: Final = frozenset(
    {"authorization", "cookie", "cookies", "set_cookie", "token", "bx_umidtoken", "bx_ua", "api_key"}
)
"""Keys of JSON whose texts are secret. Exact, for a document is a user's: `tokenizer` is not to be blotted out."""

_SECRET_NAME = re.compile(rf"authorization|cookie|{_NAMES}", re.I)


class _Known:
    """The values that are secret here, in every form in which they may be written."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._current: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._any: re.Pattern[str] | None = None

    def learn(self, secrets: Iterable[str]) -> None:
        new = _all_written(secrets) - self._forms
        if new:
            self._forms |= new
            self._compile()

    def learn_current(self, owner: str, secrets: Iterable[str]) -> None:
        now = _all_written(secrets)
        before, _ = self._current.get(owner, (frozenset(), frozenset()))
        if now != before:
            self._current[owner] = (now, before)
            self._compile()

    def _compile(self) -> None:
        forms = self._forms.union(*(forms for both in self._current.values() for forms in both))
        longest_first = sorted(forms, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def blot(self, text: str) -> str:
        return self._any.sub(REDACTED, text) if self._any is not None else text


_known = _Known()


def learn(*secrets: str) -> None:
    """Replace these values from now on, wherever they appear. Nothing is ever unlearned: a log outlives a setting."""
    _known.learn(secrets)


def learn_current(owner: str, secrets: Iterable[str]) -> None:
    """The secrets of `owner` are these from now on: they are replaced, and so are those that they follow.

    For values that change all day, such as a browser's cookies: all that ever were would soon cost more than a log.
    """
    _known.learn_current(owner, secrets)


def redact(text: str) -> str:
    """`text` with every secret in it replaced by `[redacted]`; a name before it stays."""
    text = _known.blot(text)
    for form in _FORMS:
        text = form.sub(rf"\g<keep>{REDACTED}", text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether what bears this name (a header, a key, a setting) is secret whatever its value."""
    return _SECRET_NAME.search(name) is not None


def redact_value(value: Any) -> Any:
    """A value of JSON with every text in it redacted, keys included; a text under a secret's name, whole."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact(str(key)): _secret_or(str(key), one) for key, one in value.items()}
        case list() | tuple():
            return [redact_value(one) for one in value]
        case _:
            return value


def _secret_or(name: str, value: Any) -> Any:
    secret = isinstance(value, str) and name.lower().replace("-", "_") in _SECRET_KEYS
    return REDACTED if secret else redact_value(value)


def secrets_in(value: object) -> Iterator[str]:
    """Every secret in settings, and its parts that are secret by themselves: cookies, a password in an address."""
    match value:
        case SecretStr():
            yield from _parts(value.get_secret_value())
        case BaseModel():
            for name in type(value).model_fields:
                yield from secrets_in(getattr(value, name))
        case Mapping():
            for each in value.values():
                yield from secrets_in(each)
        case tuple() | list():
            for each in value:
                yield from secrets_in(each)


def _parts(secret: str) -> Iterator[str]:
    yield secret
    for pair in secret.split(";"):
        _, equals, value = pair.partition("=")
        if equals and len(value.strip()) > SHORTEST:
            yield value.strip()
    if "://" in secret:
        try:
            password = urlsplit(secret).password
        except ValueError:
            return
        if password:
            yield password
            yield unquote(password)


def _all_written(secrets: Iterable[str]) -> frozenset[str]:
    return frozenset(form for secret in secrets for form in _written(secret))


def _written(secret: str) -> Iterator[str]:
    """The forms in which a value travels; those that are too short to be searched for are left out."""
    if len(secret) < SHORTEST:
        return
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    encoded = b64encode(secret.encode("utf-8", "replace")).decode().rstrip("=")
    if len(encoded) > 2 * SHORTEST:
        yield encoded
