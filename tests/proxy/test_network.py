"""What the machines around may do."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.http import Headers
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test.tutils import treq

from qwen_bridge.errors import HeadersTooLarge, NetworkRefused
from qwen_bridge.proxy.network import Network, is_here
from qwen_bridge.settings.settings import Settings

HERE, FAR = "127.0.0.1", "192.0.2.7"
KEYS: dict[str, Any] = {"client_keys": "anna=a-key-of-some-length"}


def peer(address: str, mode: str = "regular") -> Client:
    """A connection from `address`."""
    return Client(
        peername=(address, 50000),
        sockname=("0.0.0.0", 8080),
        timestamp_start=0,
        state=ConnectionState.OPEN,
        proxy_mode=ProxyMode.parse(mode),
    )


def network(guarded: bool = False, **chosen: Any) -> Network:
    return Network(Settings.load(chosen), lambda: guarded)


@pytest.mark.parametrize(
    ("address", "chosen", "served"),
    [
        (HERE, {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        (FAR, {}, False),
        ("fd00::2", {}, False),
        (FAR, KEYS, True),
        (FAR, {"open_to_network": True}, True),
    ],
)
def test_other_machines_are_served_when_somebody_has_said_so(
    address: str, chosen: dict[str, Any], served: bool
) -> None:
    """This machine always is; another one needs keys, or its owner's word."""
    refusal = network(**chosen).refusal(peer(address), treq())
    assert (refusal is None) is served
    assert served or isinstance(refusal, NetworkRefused)


@pytest.mark.parametrize("chosen", [{}, KEYS, {"open_to_network": True}])
def test_other_machines_are_taken_to_no_host(chosen: dict[str, Any]) -> None:
    """Not even with keys: those are for the bridge's answers. A proxy with a password of its own may."""
    assert network(**chosen).passage_refusal(peer(HERE)) is None
    assert isinstance(network(**chosen).passage_refusal(peer(FAR)), NetworkRefused)
    assert network(guarded=True, **chosen).passage_refusal(peer(FAR)) is None


def test_the_last_barrier_lets_other_machines_to_qwen_only() -> None:
    """Whatever was missed before: a connection of theirs to any other host is not opened."""
    border = network(**KEYS)

    def opened(client: Client, host: str) -> bool:
        return border.leads_astray(ServerConnectionHookData(Server(address=(host, 443)), client))

    assert opened(peer(FAR), "example.com")
    assert not opened(peer(FAR), "chat.qwen.ai")
    assert not opened(peer(HERE), "example.com")
    assert not opened(peer(FAR, "upstream:http://proxy:3128"), "proxy")


def test_headers_have_a_limit() -> None:
    """Names and values count, and the path; the message says how many there may be."""
    border = network(header_limit=2000)
    fits, large = treq(headers=Headers([(b"x", b"a" * 1900)])), treq(headers=Headers([(b"x", b"a" * 2000)]))
    assert border.refusal(peer(HERE), fits) is None
    refusal = border.refusal(peer(HERE), large)
    assert isinstance(refusal, HeadersTooLarge)
    assert "2,000" in refusal.message
    assert isinstance(border.refusal(peer(HERE), treq(path=b"/" + b"a" * 2000)), HeadersTooLarge)


def test_a_captured_program_is_of_this_machine() -> None:
    """Its connections have whatever address the program used."""
    assert is_here(peer(FAR, "local"))
    assert not is_here(peer(""))


@pytest.mark.parametrize(
    ("listening", "chosen", "words"),
    [
        (["127.0.0.1", "::1"], {}, ""),
        (["0.0.0.0", "::"], {}, "0.0.0.0, :: , and are refused"),
        ([""], {}, "all addresses"),
        (["0.0.0.0"], KEYS, ""),
        (["0.0.0.0"], {"open_to_network": True}, "uses your Qwen account"),
        (["0.0.0.0"], {"open_to_network": True, **KEYS}, ""),
    ],
)
def test_the_owner_is_told_who_can_reach_the_port(listening: list[str], chosen: dict[str, Any], words: str) -> None:
    """What is open, and what to do; nothing where all is as it should be."""
    advice = network(**chosen).advice(listening)
    assert words.replace(" ", "") in advice.replace(" ", "")
    assert bool(words) is bool(advice)
