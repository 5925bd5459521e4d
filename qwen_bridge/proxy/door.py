"""Who may come in by the bridge's own port: programs, and the user's browser, but no web page on the user's behalf.

Any page in the user's browser can send requests to 127.0.0.1, and to api.openai.com where the browser goes through this
proxy. It cannot read the answers, but each question would be asked with the user's Qwen account. Browsers say where a
request comes from, in `Origin` and `Sec-Fetch-Site`, and no page can keep them from it (Fetch standard, forbidden
request headers). So a request that says it comes from another site is refused, on the pages for people as on the API.

A page can also have its own name resolve to 127.0.0.1 and then be of the same site (DNS rebinding). The name stays in
`Host`, and an attacker needs one that public DNS resolves: addresses, names without a dot and names that are reserved
for private use are none of these, every other name must be in the setting `hosts`.

Programs are let in: SDKs send neither header (node's fetch sends `Sec-Fetch-Mode` alone), and the pages of an installed
program, an editor's web view or a browser's extension, have an origin of a scheme of their own. `Origin: null` is what
any page can have in a sandboxed frame; who needs it (a program whose window is a `file:`) names it in `web_origins`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from mitmproxy import http
from mitmproxy.proxy.context import Context

from qwen_bridge.errors import ForeignHost, ForeignSite
from qwen_bridge.exchange.effects import Headers
from qwen_bridge.proxy.network import is_here
from qwen_bridge.settings.settings import Settings

_FOREIGN = frozenset({"cross-site", "same-site"})
"""`Sec-Fetch-Site` of other people's pages. Another port of this machine is `same-site`, and as foreign."""

_PRIVATE = (".localhost", ".internal")
"""Ends of names that no public DNS resolves (RFC 6761; ICANN's resolution 2024.07.29.06)."""

_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]/@?#\s]+)(?P<port>:\d{1,5})?")
_HEADER_NAMES = re.compile(r"[A-Za-z0-9-]+(?:\s*,\s*[A-Za-z0-9-]+)*")


@dataclass(frozen=True, slots=True)
class Visitor:
    """How a request came.

    `own`: as to a server, by the bridge's own port, and not as a call to another host through the proxy. `local`: from
    this machine. `host` is the name by which it called, with the port; `origin` and `site` are what a browser says.
    """

    own: bool
    local: bool
    host: str
    origin: str | None
    site: str | None

    @classmethod
    def of(cls, context: Context, request: http.Request, *, own: bool) -> Self:
        """Look at a request before anything in it is rewritten."""
        return cls(
            own=own,
            local=is_here(context.client),
            host=request.host_header or request.authority or "",
            origin=request.headers.get("origin"),
            site=request.headers.get("sec-fetch-site"),
        )


class Door:
    """Lets visitors in, or says why not: `hosts` are names of its own, `openai` OpenAI's, `origins` web pages. Pure."""

    def __init__(
        self, hosts: Collection[str] = (), openai: Collection[str] = (), origins: Collection[str] = ()
    ) -> None:
        self._hosts = frozenset(hosts)
        self._openai = frozenset(openai)
        self._origins = frozenset(origins)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The door of one configuration."""
        return cls(settings.hosts, settings.openai_hosts, settings.web_origins)

    def admit(self, visitor: Visitor) -> None:
        """Raise `ForeignHost` or `ForeignSite` for a request that may have been sent by somebody else's web page."""
        if visitor.own and not self._is_ours(visitor.host):
            raise ForeignHost(
                "The bridge was called by a name that is not known to be its own. Use its address, such as "
                "http://127.0.0.1:PORT/v1, or add the name to the setting `hosts`."
            )
        if visitor.origin in self._origins or (visitor.own and visitor.origin == f"http://{visitor.host}"):
            return
        foreign = _is_web(visitor.origin) if visitor.origin is not None else visitor.site in _FOREIGN
        if foreign:
            raise ForeignSite(
                "The request comes from a web page, and pages of other sites may not use your Qwen account. If the "
                "page is yours, add its origin to the setting `web_origins`."
            )

    def admit_person(self, visitor: Visitor) -> None:
        """Raise for the bridge's own pages: to these even an installed program's page is foreign."""
        self.admit(visitor)
        if visitor.origin is not None and visitor.origin != f"http://{visitor.host}":
            raise ForeignSite("The pages of the bridge itself are for your browser's address bar and for programs.")
        if visitor.site in _FOREIGN:
            raise ForeignSite("The pages of the bridge itself cannot be opened from another site. Type their address.")

    def is_person(self, visitor: Visitor) -> bool:
        """Whether the bridge's own pages can be meant: never under OpenAI's name."""
        return visitor.own and not is_of(_name_of(visitor.host) or "", self._openai)

    def permission(self, visitor: Visitor, headers: Mapping[str, str]) -> Headers:
        """What lets a page of `web_origins` read its answer, and what a browser asks ahead of it (CORS)."""
        if visitor.origin is None or visitor.origin not in self._origins:
            return ()
        granted = [("access-control-allow-origin", visitor.origin), ("vary", "origin")]
        granted.append(("access-control-expose-headers", "x-request-id, x-qwen-bridge-conversation, retry-after"))
        wanted = headers.get("access-control-request-headers", "")
        if _HEADER_NAMES.fullmatch(wanted):
            granted.append(("access-control-allow-headers", wanted))
        if "access-control-request-method" in headers:
            granted.append(("access-control-allow-methods", "GET, POST"))
        if headers.get("access-control-request-private-network") == "true":
            granted.append(("access-control-allow-private-network", "true"))
        return tuple(granted)

    def _is_ours(self, host: str) -> bool:
        """Whether no stranger can have a browser call the bridge by this name.

        Who names none, or one that no URL can hold, is no browser.
        """
        name = _name_of(host)
        if name is None:
            return True
        known = name in self._hosts or is_of(name, self._openai)
        return known or _is_address(name) or "." not in name or name.endswith(_PRIVATE)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request at the door."""

    door: Door
    visitor: Visitor

    def check(self) -> None:
        """Raise `ForeignHost` or `ForeignSite` when it is not to be served."""
        self.door.admit(self.visitor)

    def permission(self, headers: Mapping[str, str]) -> Headers:
        """See `Door.permission`."""
        return self.door.permission(self.visitor, headers)


ANYBODY = Visit(Door(), Visitor(own=True, local=True, host="", origin=None, site=None))
"""A program on this machine, for those who drive a turn without a connection."""


def is_of(name: str, hosts: Collection[str]) -> bool:
    """Whether a name (in lower case, without port and final dot) is one of the hosts or below one, as a region is."""
    return name in hosts or any(name.endswith(f".{host}") for host in hosts)


def _name_of(host: str) -> str | None:
    """The name in a `Host` header, in lower case and without port, brackets and final dot; None if it is none."""
    found = _AUTHORITY.fullmatch(host)
    return found["name"].strip("[]").lower().rstrip(".") if found else None


def _is_web(origin: str) -> bool:
    """Whether any site could have this origin."""
    return origin.lower().startswith(("http:", "https:")) or "://" not in origin


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
