"""One exchange as the proxy sees it: orders for the stream, and a way out of every bug."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.addonmanager import AddonManager
from mitmproxy.hooks import all_hooks
from mitmproxy.options import Options
from mitmproxy.test import taddons
from mitmproxy.test.tflow import tflow

from qwen_bridge.bridge import admission
from qwen_bridge.bridge.bridge import Bridge, Call
from qwen_bridge.exchange.effects import Again, Ask, Begin, Commit, Data, End
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.proxy.guard import crash
from qwen_bridge.proxy.turn import Order, QwenBridgeAttemptHook, QwenBridgeRememberHook, Turn
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.memory import MemoryStore
from tests.harness.ports import CountedIds, FixedClock
from tests.harness.proxy import SESSION
from tests.proxy.driving import OneChat
from tests.proxy.test_guard import context
from tests.qwen.frames import created, delta, stream

BODY: dict[str, Any] = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
STREAM = (("content-type", "text/event-stream"),)


def bridge(**chosen: Any) -> Bridge:
    """A bridge without a network."""
    settings = Settings(**{**SESSION, "upstream": "http://127.0.0.1:9000", "state": Path(), **chosen})
    clock, ids = FixedClock(), CountedIds()
    return Bridge(settings, MemoryStore(clock), OneChat(settings.upstream, clock, ids), clock, ids)


def call(body: object = BODY, path: str = "/v1/chat/completions") -> Call:
    return Call("POST", path, {}, json.dumps(body).encode())


async def asked(**chosen: Any) -> Turn:
    """A turn whose question is on its way."""
    turn = Turn(bridge(**chosen))
    turn.call = call()
    await turn.advance()
    assert isinstance(turn.order(), Ask)
    return turn


def over(turn: Turn) -> bool:
    assert turn.exchange is not None
    return turn.exchange.over


def begun(order: Order) -> Begin:
    """How the answer begins that an order holds."""
    assert not isinstance(order, Ask)
    begin = order[0]
    assert isinstance(begin, Begin)
    return begin


def status(order: Order) -> int:
    return begun(order).status


async def test_a_good_call_becomes_a_question() -> None:
    """The order is what to ask Qwen, and it is there once."""
    turn = Turn(bridge())
    turn.call = call()
    await turn.advance()
    order = turn.order()
    assert isinstance(order, Ask)
    assert b"Hello" in order.body
    assert status(turn.order()) == 500


@pytest.mark.parametrize(
    ("bad", "expected"),
    [(call({}), 400), (call(path="/v1/nothing"), 404), (Call("PUT", "/v1/models", {}, b""), 405)],
)
async def test_a_call_that_cannot_be_served_is_answered(bad: Call, expected: int) -> None:
    """The order is the whole error, with the request's id."""
    turn = Turn(bridge())
    turn.call = bad
    await turn.advance()
    order = turn.order()
    begin = begun(order)
    assert begin.status == expected
    assert ("x-request-id", turn.request_id) in begin.headers
    assert turn.exchange is None


class SlowChat(OneChat):
    """Opens its chat when it is let."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9000", FixedClock(), CountedIds())
        self.let = asyncio.Event()
        self.left = False

    async def open_chat(self, credentials: Credentials, model: str, title: str) -> str:
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.left = True
            raise
        return "chat"


async def slow() -> tuple[Turn, SlowChat]:
    """A turn whose chat is being opened."""
    turn, chat = Turn(bridge()), SlowChat()
    turn.bridge._client = chat
    turn.call, turn.look = call(), 0.01
    await turn.advance()
    assert turn.order() == [Again(0.0)]
    return turn, chat


async def test_a_stream_looks_up_while_its_chat_is_opened() -> None:
    """The hook returns in time for comments and timers, and the work goes on: no second chat is opened."""
    turn, chat = await slow()
    assert [type(effect) for effect in turn.happened("tick", 0.0)] == []
    assert [type(effect) for effect in turn.happened("tick", 20.0)] == [Begin, Data]
    await turn.advance()
    assert turn.order() == [Again(0.0)]
    chat.let.set()
    turn.look = 5.0
    await turn.advance()
    assert isinstance(turn.order(), Ask)


async def test_what_is_being_done_for_a_client_that_left_is_given_up() -> None:
    """Nobody opens a chat for nobody."""
    turn, chat = await slow()
    turn.left()
    turn.over_for_good()
    await asyncio.sleep(0)
    assert chat.left


async def test_a_client_that_is_behind_is_told_of_to_the_exchange() -> None:
    """Its stream asks tick by tick; in the end it is the client's fault, in counters and log, and no one else's."""
    turn = await asked(idle_timeout=5, client_timeout=10)
    turn.client = context().client
    turn.happened("responded", 200, STREAM)
    turn.happened("feed", stream(created(), delta("Hel")))
    seconds = iter([0.0, 9.0, 10.0])
    behind = [turn.ticked(now, lambda _client, _now: next(seconds)) for now in (1.0, 10.0, 11.0)]
    assert [bool(told) for told in behind] == [False, False, True]
    facts = turn.facts(200)
    assert (facts.outcome, facts.faults) == ("client_stalled", (("client_stalled", "give_up"),))


async def test_a_tick_before_there_is_an_exchange_is_nothing() -> None:
    """It is still being found out whether the call can be served."""
    assert Turn(bridge()).happened("tick", 0.0) == ()


async def test_without_a_call_there_is_an_error() -> None:
    """A turn that is asked too early does not raise."""
    turn = Turn(bridge())
    await turn.advance()
    assert status(turn.order()) == 500


async def test_a_turn_that_has_to_wait_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account bears one answer: the second turn is told to come again, until the first is over for good."""
    monkeypatch.setattr(admission, "LOOK", 0.001)
    shared = bridge(account_streams=1)
    first, second = Turn(shared), Turn(shared)
    for turn in (first, second):
        turn.call = call()
        await turn.advance()
    assert isinstance(first.order(), Ask)
    order = second.order()
    assert not isinstance(order, Ask)
    assert [type(effect) for effect in order] == [Again]
    first.over_for_good()
    await second.advance()
    assert isinstance(second.order(), Ask)


async def test_what_happened_is_told_by_name() -> None:
    """Each happening is a method of the exchange; the answer's effects come back, the memory effect among them."""
    turn = await asked()
    turn.happened("responded", 200, STREAM)
    frames = b'data: {"response.created":{"chat_id":"chat","parent_id":"u","response_id":"r"}}\n\n'
    delta = {"role": "assistant", "content": "Hi", "phase": "answer", "status": "finished"}
    frames += b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"
    effects = [*turn.happened("feed", frames), *turn.happened("finished")]
    kinds = [type(effect) for effect in effects]
    assert kinds[0] is Begin
    assert kinds[-1] is End
    assert b"[DONE]" in b"".join(effect.chunk for effect in effects if isinstance(effect, Data))
    (commit,) = (effect for effect in effects if isinstance(effect, Commit))
    turn.effect = commit
    await turn.remember()
    assert turn.effect is None
    turn.over_for_good()
    later = Turn(turn.bridge)
    history = [*BODY["messages"], {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "More"}]
    later.call = call({**BODY, "messages": history})
    await later.advance()
    order = later.order()
    assert isinstance(order, Ask)
    assert json.loads(order.body)["parent_id"] == commit.anchor.parent_id == "r"


async def test_nothing_to_remember_is_no_error() -> None:
    """The hook may come without an effect."""
    await (await asked()).remember()


def bang(*_: object) -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("what", ["responded", "feed", "finished", "lost", "failed", "tick"])
async def test_a_bug_in_the_exchange_is_an_answer(what: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever method fails, the client is told so by the exchange itself, which is over then."""
    turn = await asked()
    monkeypatch.setattr(Exchange, what, bang)
    effects = turn.happened(what)
    assert status(effects) == 500
    assert isinstance(effects[-1], End)
    assert over(turn)
    assert turn.crashed() == ()


async def test_a_crash_before_the_exchange_is_an_answer() -> None:
    """There is nothing but the turn itself, and its id."""
    turn = Turn(bridge())
    effects = turn.crashed()
    assert status(effects) == 500
    body = b"".join(effect.chunk for effect in effects if isinstance(effect, Data))
    assert crash().message.encode() in body


async def test_a_client_that_left_ends_the_exchange() -> None:
    """Nothing is told after that; without an exchange there is nothing to end."""
    Turn(bridge()).left()
    turn = await asked()
    turn.left()
    assert over(turn)
    assert turn.happened("responded", 200, STREAM) == ()


async def test_the_facts_hold_no_words() -> None:
    """They tell where the turn went, what failed and what was done about it, in any state, and never what was said."""
    empty = Turn(bridge())
    turn = await asked()
    turn.happened("lost")
    assert (empty.facts(0).conversation, empty.facts(0).outcome) == ("none", "answered")
    facts = turn.facts(502)
    assert facts.faults == (("qwen_connection_lost", "retry"),)
    assert (facts.model, facts.listed, facts.route) == ("qwen3-max", True, "chat_completions")
    assert (facts.asks, facts.left, facts.first_word) == (1, False, None)
    assert facts.bytes_up > 0
    assert "Hello" not in str(facts)


async def test_a_refusal_without_an_exchange_is_a_fact() -> None:
    """A request that begins nothing ends with the code its client was told."""
    turn = Turn(bridge())
    turn.call = call({"model": "gpt-4o", "messages": []})
    await turn.advance()
    facts = turn.facts(status(turn.order()))
    assert (facts.outcome, facts.status) == ("empty_array", 400)
    assert facts.faults == (("empty_array", "give_up"),)


async def test_a_bug_of_ours_is_a_fact() -> None:
    """It stands among the faults, and is how the turn ended."""
    turn = await asked()
    turn.crashed()
    facts = turn.facts(500)
    assert facts.outcome == "bridge_internal_error"
    assert facts.faults == (("bridge_internal_error", "give_up"),)


async def test_the_time_in_the_queue_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs from the first look that finds the account full to the one that finds room."""
    monkeypatch.setattr(admission, "LOOK", 0.001)
    shared = bridge(account_streams=1)
    first, second = Turn(shared), Turn(shared)
    first.call = second.call = call()
    await first.advance()
    await second.advance()
    assert second.order() == [Again(0.0)]
    shared._clock.time += 7  # type: ignore[attr-defined]
    first.over_for_good()
    await second.advance()
    assert second.facts(200).queued == 7
    assert first.facts(200).queued == 0


async def test_the_first_word_is_measured_once() -> None:
    """The clock stops at the first word that the client sees, not at a later one."""
    turn = await asked()
    clock: Any = turn.bridge._clock
    clock.time += 2
    turn.happened("responded", 200, STREAM)
    assert turn.facts(200).first_word is None
    turn.happened("feed", stream(created(), delta("Hi")))
    clock.time += 5
    turn.happened("feed", stream(delta(" there")))
    assert turn.facts(200).first_word == 2
    assert turn.facts(200).duration == 7


# -- desk and hooks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", [QwenBridgeAttemptHook, QwenBridgeRememberHook])
async def test_our_hooks_are_awaited_by_mitmproxy(
    hook: type[QwenBridgeAttemptHook | QwenBridgeRememberHook], options: Options
) -> None:
    """A method of the hook's name on any addon is called with the flow, and awaited when it is a coroutine."""
    seen: list[object] = []

    class Waits:
        async def qwen_bridge_attempt(self, flow: object) -> None:
            await asyncio.sleep(0)
            seen.append(flow)

        qwen_bridge_remember = qwen_bridge_attempt

    assert all_hooks[hook.name] is hook
    flow = tflow()
    with taddons.context(Waits()) as tctx:
        manager: AddonManager = tctx.master.addons
        await manager.handle_lifecycle(hook(flow))
    assert seen == [flow]
