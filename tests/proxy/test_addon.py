"""The addon's hooks, each on its own; the whole road is proved end to end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Server
from mitmproxy.http import HTTPFlow
from mitmproxy.options import Options
from mitmproxy.proxy import events, layer, layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.server import ConnectionIO
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons
from mitmproxy.test.tflow import tflow
from mitmproxy.test.tutils import treq

from qwen_bridge.exchange.effects import Ask
from qwen_bridge.proxy.addon import BridgeAddon
from qwen_bridge.proxy.layer import BridgeHttpLayer
from qwen_bridge.proxy.passage import Refuse
from qwen_bridge.proxy.sockets import STREAMS_PER_CLIENT
from qwen_bridge.proxy.turn import Turn
from tests.harness.proxy import SESSION
from tests.proxy.test_guard import context as connection
from tests.proxy.test_turn import bridge, call, over

OPENAI = "api.openai.com"


@contextlib.asynccontextmanager
async def placed(tmp_path: Path, **chosen: Any) -> AsyncIterator[tuple[BridgeAddon, Any]]:
    """The addon in a master with those of mitmproxy's that it asks, configured as by the command line."""
    addon = BridgeAddon()
    with taddons.context(Proxyserver(), NextLayer(), addon) as tctx:
        named = {"upstream": "http://127.0.0.1:9", "state": str(tmp_path), "store": "memory", **SESSION, **chosen}
        tctx.options.update(**{f"qwen_{name}": value for name, value in named.items()})
        yield addon, tctx
        addon.done()
        while addon._closing:
            await asyncio.wait(addon._closing)


@pytest.fixture
async def addon(tmp_path: Path) -> AsyncIterator[BridgeAddon]:
    async with placed(tmp_path) as (made, _):
        yield made


def stray(host: str = OPENAI) -> HTTPFlow:
    """A flow that no stream of ours has claimed."""
    made = tflow(req=treq(host=host, port=443, headers=()))
    made.client_conn = connection().client
    made.server_conn = Server(address=None)
    return made


# -- configuration ------------------------------------------------------------------------------------------------


async def test_an_eager_proxy_is_made_lazy(tmp_path: Path) -> None:
    """Eager, mitmproxy connects to OpenAI for its certificate before it has read the request; also when set later."""
    async with placed(tmp_path) as (_, tctx):
        assert tctx.options.connection_strategy == "lazy"
        tctx.options.update(connection_strategy="eager")
        assert tctx.options.connection_strategy == "lazy"


async def test_a_change_makes_a_new_bridge_and_closes_the_old(tmp_path: Path) -> None:
    """Only an option of ours, or one about trust, does."""
    async with placed(tmp_path) as (addon, tctx):
        first = addon._bridge
        tctx.options.update(keep_host_header=True)
        assert addon._bridge is first
        tctx.options.update(qwen_model="qwen3-coder-plus")
        second = addon._bridge
        assert second is not first
        tctx.options.update(ssl_insecure=True)
        assert addon._bridge is not second
        assert addon._retired == set()
        assert len(addon._closing) >= 1


async def test_a_bridge_that_turns_need_is_not_closed(tmp_path: Path) -> None:
    """A running turn keeps what it began with; its last hook lets go."""
    async with placed(tmp_path) as (addon, tctx):
        assert addon._bridge is not None
        flow = stray()
        addon._turns[flow.id] = Turn(addon._bridge)
        before = len(addon._closing)
        tctx.options.update(qwen_model="qwen3-coder-plus")
        assert len(addon._retired) == 1
        assert len(addon._closing) == before
        addon.response(flow)
        assert addon._retired == set()
        assert len(addon._closing) == before + 1


@pytest.mark.parametrize(
    "change", [{"qwen_thinking": "maybe"}, {"ssl_verify_upstream_trusted_ca": "/no/such/file"}, {"qwen_keepalive": "0"}]
)
async def test_a_change_that_cannot_be_used_changes_nothing(change: dict[str, str], tmp_path: Path) -> None:
    """mitmproxy is told with an `OptionsError` and rolls back; the settings in force stay."""
    async with placed(tmp_path) as (addon, tctx):
        assert addon._bridge is not None
        before = addon._bridge._settings
        with pytest.raises(exceptions.OptionsError):
            addon_configure(tctx, **change)
        assert addon._bridge._settings == before


def addon_configure(tctx: Any, **change: str) -> None:
    """Change options as the console does, errors and all."""
    with tctx.options.rollback(set(change), reraise=True):
        tctx.options.update(**change)


async def test_the_tick_follows_the_shortest_wait(tmp_path: Path) -> None:
    """Four looks in the shortest of the silences, one a second at least, and never a busy loop."""
    for chosen, tick in (({}, 1.0), ({"keepalive": "0.4"}, 0.1), ({"idle_timeout": "0.001"}, 0.02)):
        async with placed(tmp_path, **chosen) as (addon, _):
            assert addon._desk is not None
            assert addon._desk.tick == pytest.approx(tick)


async def test_a_setting_nobody_knows_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """mitmproxy keeps it for an addon that may come; none will."""
    async with placed(tmp_path) as (addon, tctx):
        tctx.options.set("qwen_modle=x", "others=y", defer=True)
        addon.running()
    assert "no such setting: qwen_modle" in caplog.text


# -- connections --------------------------------------------------------------------------------------------------


async def test_the_addon_decides_before_mitmproxy(tmp_path: Path) -> None:
    """Added behind `NextLayer`, it moves before it; a second time changes nothing."""
    async with placed(tmp_path) as (addon, tctx):
        manager = tctx.master.addons
        walked = manager.chain
        for _ in range(2):
            addon.running()
            chain = manager.chain
            assert chain.index(addon) == chain.index(manager.get("nextlayer")) - 1
            assert len(chain) == len(walked)
        assert walked[-1] is addon  # the list that the hook was called from is not touched


def tunnel(addon: BridgeAddon, options: Options, host: str, data: bytes, mode: str = "regular") -> layer.NextLayer:
    """What is decided about a tunnel to `host` when its client says `data`."""
    made = connection(mode, server=host)
    made.options = options
    modes.HttpProxy(made)  # a layer puts itself into the stack
    asked = layer.NextLayer(made)
    asked.events.append(events.DataReceived(made.client, data))
    addon.next_layer(asked)
    return asked


def hello(name: str) -> bytes:
    """A TLS client's first words."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    ("host", "name", "passes"),
    [
        ("example.com", "example.com", True),
        ("192.0.2.1", "example.com", True),
        (OPENAI, OPENAI, False),
        ("192.0.2.1", OPENAI, False),
    ],
)
async def test_a_tunnel_is_judged_by_address_and_name(host: str, name: str, passes: bool, tmp_path: Path) -> None:
    """Strangers' TLS passes undecrypted; OpenAI's is left to mitmproxy to open."""
    async with placed(tmp_path, upstream="https://chat.qwen.ai") as (addon, tctx):
        decided = tunnel(addon, tctx.options, host, hello(name)).layer
        assert isinstance(decided, layers.TCPLayer) is passes
        assert decided is not None


@pytest.mark.parametrize("learn", ["auto", "on", "off"])
async def test_qwens_site_is_opened_only_to_learn_from_it(learn: str, tmp_path: Path) -> None:
    """A session is set here, so `auto` has nothing to learn, and the site passes undecrypted."""
    async with placed(tmp_path, upstream="https://chat.qwen.ai", learn=learn) as (addon, tctx):
        decided = tunnel(addon, tctx.options, "chat.qwen.ai", hello("chat.qwen.ai")).layer
        assert isinstance(decided, layers.TCPLayer) is (learn != "on")


@pytest.mark.parametrize("length", [1, 3, 100])
async def test_half_a_hello_is_not_judged(length: int, tmp_path: Path) -> None:
    """Nobody decides, mitmproxy neither, until the name is there."""
    async with placed(tmp_path) as (addon, tctx):
        with pytest.raises(exceptions.AddonHalt):
            tunnel(addon, tctx.options, "192.0.2.1", hello(OPENAI)[:length])


async def test_what_only_looks_like_a_hello_passes(tmp_path: Path) -> None:
    """Bytes that begin like TLS and are none are judged by the address."""
    async with placed(tmp_path) as (addon, tctx):
        decided = tunnel(addon, tctx.options, "192.0.2.1", b"\x16 begins no record of TLS").layer
        assert isinstance(decided, layers.TCPLayer)


async def test_mitmproxys_http_layer_becomes_ours(tmp_path: Path) -> None:
    """Whatever the built-in addon makes for HTTP is taken over at once."""
    async with placed(tmp_path) as (addon, tctx):
        made = Context(connection().client, tctx.options)
        modes.HttpProxy(made)
        asked = layer.NextLayer(made)
        asked.events.append(events.DataReceived(made.client, b"GET / HTTP/1.1\r\n"))
        addon.next_layer(asked)
        assert isinstance(asked.layer, BridgeHttpLayer)
        assert asked.layer.mode is HTTPMode.regular


async def test_a_layer_that_cannot_be_chosen_closes_the_connection(
    addon: BridgeAddon, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without our layer the request would be nobody's."""

    def bang(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(BridgeAddon, "_next_layer", bang)
    asked = tunnel(addon, options, OPENAI, b"GET / HTTP/1.1\r\n")
    assert asked.layer is not None
    (command,) = asked.layer.handle_event(events.Start())
    assert "CloseConnection" in repr(command)


@pytest.mark.parametrize(
    ("address", "sni", "allowed"),
    [
        (("127.0.0.1", 9), None, True),
        (("example.com", 443), "example.com", True),
        ((OPENAI, 443), None, False),
        (("192.0.2.1", 443), OPENAI, False),
    ],
)
async def test_no_connection_to_openai_is_opened(
    address: tuple[str, int], sni: str | None, allowed: bool, addon: BridgeAddon
) -> None:
    """The last barrier: mitmproxy opens no connection whose server has an error."""
    data = ServerConnectionHookData(server=Server(address=address, sni=sni), client=connection().client)
    addon.server_connect(data)
    assert (data.server.error is None) is allowed


async def test_before_it_is_configured_nothing_is_connected() -> None:
    """Without a guard there is no passage."""
    data = ServerConnectionHookData(server=Server(address=("example.com", 443)), client=connection().client)
    unready = BridgeAddon()
    unready.server_connect(data)
    assert data.server.error
    asked = layer.NextLayer(connection())
    unready.next_layer(asked)
    assert isinstance(asked.layer, Refuse)


async def test_a_client_may_have_many_streams(tmp_path: Path) -> None:
    """mitmproxy lets one client have five connections to a server at a time."""

    class Handler:
        def __init__(self) -> None:
            self.client = connection().client
            self.max_conns: Any = None
            self.transports = {self.client: ConnectionIO()}

    async with placed(tmp_path) as (addon, tctx):
        ours, other = Handler(), Handler()
        tctx.master.addons.get("proxyserver").connections.update({"1": ours, "2": other})
        addon.client_connected(ours.client)
        assert ours.max_conns[("127.0.0.1", 9)]._value == STREAMS_PER_CLIENT
        assert other.max_conns is None


# -- flows --------------------------------------------------------------------------------------------------------


async def test_a_stray_flow_is_answered_here(addon: BridgeAddon) -> None:
    """A request to OpenAI that no stream of ours answers is not streamed on, and gets an OpenAI error."""
    flow = stray()
    flow.request.stream = True
    addon.requestheaders(flow)
    addon.request(flow)
    assert flow.request.stream is False
    assert flow.response is not None
    assert flow.response.status_code == 500


async def test_other_peoples_flows_are_left_alone(addon: BridgeAddon) -> None:
    """Neither their streaming nor their answer is ours to set."""
    flow = stray("example.com")
    flow.request.stream = True
    addon.requestheaders(flow)
    addon.request(flow)
    assert flow.request.stream is True
    assert flow.response is None


async def test_an_answer_of_another_addon_stays(addon: BridgeAddon) -> None:
    """Stopped already is stopped."""
    flow = stray()
    flow.response = tflow(resp=True).response
    addon.request(flow)
    assert flow.response is not None
    assert flow.response.status_code == 200


@pytest.mark.parametrize("hook", ["response", "error"])
async def test_the_last_hook_forgets_the_turn(hook: str, addon: BridgeAddon, caplog: pytest.LogCaptureFixture) -> None:
    """Whichever it is; the log gets one line, and a second call does nothing."""
    caplog.set_level("INFO")
    assert addon._bridge is not None
    flow = stray()
    turn = Turn(addon._bridge)
    addon._turns[flow.id] = turn
    for _ in range(2):
        getattr(addon, hook)(flow)
    assert addon._turns == {}
    assert caplog.text.count(turn.request_id) == 1


@pytest.mark.parametrize("hook", ["qwen_bridge_attempt", "qwen_bridge_remember"])
async def test_a_failing_hook_of_ours_leaves_no_order(
    hook: str, addon: BridgeAddon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream answers by itself when it is left alone; the exception goes to the log, not to mitmproxy."""

    async def bang(_: Turn) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Turn, "advance", bang)
    monkeypatch.setattr(Turn, "remember", bang)
    assert addon._bridge is not None
    flow = stray()
    addon._turns[flow.id] = Turn(addon._bridge)
    await getattr(addon, hook)(flow)
    assert flow.response is None
    assert "a bug" in caplog.text


async def test_a_client_that_has_gone_ends_its_exchange(addon: BridgeAddon) -> None:
    """After the `error` hook nothing more is told, and the account has room for the next turn."""
    shared = bridge(account_streams=1)
    turns = [Turn(shared), Turn(shared)]
    flow = stray()
    addon._turns[flow.id] = turns[0]
    for turn in turns:
        turn.call = call()
        await turn.advance()
    assert isinstance(turns[0].order(), Ask)
    assert not isinstance(turns[1].order(), Ask)
    addon.error(flow)
    assert over(turns[0])
    await turns[1].advance()
    assert isinstance(turns[1].order(), Ask)
