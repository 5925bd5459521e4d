from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwen_bridge.bridge import admission, conversations
from qwen_bridge.bridge.bridge import Bridge, Call
from qwen_bridge.errors import (
    BridgeError,
    ChallengeRequired,
    ContextTooLong,
    ExpiredCredentials,
    InvalidRequest,
    MethodNotAllowed,
    MissingCredentials,
    QwenUnreachable,
    UnknownModel,
    UnknownRoute,
    UnsupportedParameter,
)
from qwen_bridge.exchange.effects import Ask, Commit, Forget
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.ports import Anchor, StoreUnavailable
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.learning import LearnedSession
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings as World
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.store.sessions import Known, SessionFile
from qwen_bridge.store.sqlite import SQLiteStore
from qwen_bridge.upstream.client import QwenClient
from tests.conformance.invariants import check_model, check_models, check_stream
from tests.exchange.driving import Told
from tests.harness.editor import SESSION, Editor, bridge_to, driven, post, said, settings
from tests.harness.ports import CountedIds, FixedClock
from tests.harness.sockets import free_port

ANCHOR = Anchor("chat", "node", "qwen3-max", "account", "digest", 2)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this machine's environment nor its configuration folder."""
    for name in [name for name in os.environ if name.startswith("QWEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


# -- conversations --------------------------------------------------------------------------------------------------


async def test_three_turns_of_a_conversation_are_one_chat() -> None:
    """The history comes whole with each request, and Qwen gets one new message with the context it already has."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        editor = Editor(bridge, simulator.url)
        invented = await editor.say("invent a number")
        assert await editor.say("repeat the number") == invented.replace(" is ", " was ")
        await editor.say("count to 3")
        assert len({turn.chat_id for turn in simulator.ledger.turns}) == 1
        assert [turn.message for turn in simulator.ledger.turns] == [m["content"] for m in editor.history[::2]]
        assert [len(turn.context) for turn in simulator.ledger.turns] == [0, 2, 4]
        assert editor.routes == ["new", "hit depth=2/3", "hit depth=4/5"]


async def test_a_streamed_answer_is_remembered_like_a_whole_one() -> None:
    """The two ways of answering lead to the same next turn."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        editor = Editor(bridge, simulator.url, stream=True)
        editor.history = said("count to 3")
        told = await editor.post()
        assert not check_stream(told.body, include_usage=False)
        editor.history += said("", told.said[0], "count to 4")[1:]
        await editor.post()
        assert editor.routes[-1] == "hit depth=2/3"


async def test_an_edited_history_branches_where_it_was_edited() -> None:
    """An earlier question asked anew continues from the answer before it, in the same chat."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        editor = Editor(bridge, simulator.url)
        for text in ("remember: red", "remember: blue", "count to 3"):
            await editor.say(text)
        del editor.history[2:]
        assert "blue" not in await editor.say("what should you remember")
        first, *_, last = simulator.ledger.turns
        assert (last.chat_id, last.parent_id) == (first.chat_id, first.response_id)


async def test_two_conversations_with_one_beginning_keep_apart() -> None:
    """Who says the same words goes on in a chat of its own, once both have one."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        one, other = Editor(bridge, simulator.url), Editor(bridge, simulator.url)
        assert await one.say("count to 3") == await other.say("count to 3")
        await one.say("remember: red")
        await other.say("remember: blue")
        chats = [turn.chat_id for turn in simulator.ledger.turns]
        assert len(set(chats[:2])) == 2
        assert len(set(chats[2:])) == 2
        assert "blue" not in await one.say("what should you remember")


async def test_clients_with_different_keys_never_share_a_chat() -> None:
    """The key that a client sends to the bridge is the border, though all use one Qwen account."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        mine = Editor(bridge, simulator.url, key="sk-mine")
        await mine.say("remember: red")
        theirs = Editor(bridge, simulator.url, key="sk-theirs")
        theirs.history = list(mine.history)
        await theirs.say("count to 3")
        assert theirs.routes == ["miss reason=unknown_history"]
        assert len({turn.chat_id for turn in simulator.ledger.turns}) == 2


async def test_another_model_is_another_conversation() -> None:
    """A history known to one model is told anew to another."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        editor = Editor(bridge, simulator.url)
        await editor.say("count to 3")
        other = Editor(bridge, simulator.url, model="qwen3-coder-plus")
        other.history = list(editor.history)
        await other.say("count to 4")
        assert other.routes == ["miss reason=unknown_history"]


async def test_an_alias_asks_its_model_and_answers_with_the_alias() -> None:
    """The client reads its own word back; Qwen reads its own."""
    async with Simulator() as simulator, bridge_to(simulator.url, model_aliases="fast=qwen3-coder-plus") as bridge:
        await Editor(bridge, simulator.url, model="fast").say("count to 3")
        assert [chat.model for chat in simulator.world.chats] == ["qwen3-coder-plus"]


async def test_a_restarted_bridge_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was remembered outlives the process."""
    async with Simulator() as simulator:
        history: list[dict[str, str]] = []
        for text in ("remember: red", "what should you remember"):
            bridge = Bridge.from_settings(settings(simulator.url, state=tmp_path))
            editor = Editor(bridge, simulator.url)
            editor.history = history
            answer = await editor.say(text)
            await bridge.aclose()
        assert "red" in answer
        assert editor.routes == ["hit depth=2/3"]


@pytest.mark.parametrize("fault", ["parent_not_exist", "chat_deleted"])
async def test_a_node_that_qwen_refuses_is_left_for_good(fault: str) -> None:
    """The turn is answered from a new chat with the whole history, and the dead node is not tried again."""
    store = MemoryStore(FixedClock())
    async with Simulator() as simulator, bridge_to(simulator.url, store) as bridge:
        editor = Editor(bridge, simulator.url)
        await editor.say("remember: red")
        simulator.script([{"fault": fault}, {}])
        assert "red" in await editor.say("what should you remember")
        assert editor.routes[-1].startswith("reset reason=")
        first, last = simulator.ledger.turns
        assert first.chat_id != last.chat_id
        assert await editor.say("count to 3")
        assert editor.routes[-1] == "hit depth=4/5"
        assert await store.drop_chat(first.chat_id) == 0
        branch = Editor(bridge, simulator.url)
        branch.history = editor.history[:2]
        await branch.say("count to 4")
        assert branch.routes == ["miss reason=unknown_history"]


async def test_the_store_is_asked_only_for_what_memory_does_not_know() -> None:
    """A conversation that goes on is found without a look into the file."""
    store = CountingStore(FixedClock())
    async with Simulator() as simulator, bridge_to(simulator.url, store) as bridge:
        editor = Editor(bridge, simulator.url)
        for text in ("count to 3", "count to 4", "count to 5"):
            await editor.say(text)
        assert store.asked == 0
        editor.history[-1]["content"] = "something else"
        await editor.say("count to 6")
        assert store.asked == 1


async def test_a_busy_chat_and_an_empty_answer_are_invisible() -> None:
    """Faults before the first word cost time and nothing else."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        editor = Editor(bridge, simulator.url)
        await editor.say("remember: red")
        simulator.script([{"fault": "chat_in_progress"}, {"fault": "empty_stream"}, {}])
        assert "red" in await editor.say("what should you remember")
        assert len({turn.chat_id for turn in simulator.ledger.turns}) == 1


# -- many at once ---------------------------------------------------------------------------------------------------


async def begun(bridge: Bridge, text: str = "Hi") -> Exchange:
    """An exchange with an id of its own."""
    exchange = await bridge.open(post({"model": "gpt-4o", "messages": said(text)}), bridge.request_id())
    assert isinstance(exchange, Exchange)
    return exchange


async def test_no_more_ask_at_once_than_the_account_bears(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait; a slot that is given back, once or twice, goes to the first of them."""
    monkeypatch.setattr(admission, "LOOK", 0.001)
    async with bridge_to("http://127.0.0.1:1", account_streams=2) as bridge:
        waiting = [await begun(bridge) for _ in range(4)]
        assert [await bridge.admit(exchange) for exchange in waiting] == [True, True, False, False]
        bridge.release(waiting[0])
        bridge.release(waiting[0])
        assert [await bridge.admit(exchange) for exchange in waiting[1:]] == [True, True, False]


async def test_an_answer_that_nobody_wants_is_stopped() -> None:
    """The chat is free for the client's next request, and not before Qwen has talked itself out."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        simulator.script([{"text": "word " * 500, "pace": 20}])
        exchange = await begun(bridge)
        ask = await bridge.ask(exchange)
        assert ask is not None
        async with (
            httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http,
            http.stream(ask.method, ask.path, headers=dict(ask.headers), content=ask.body) as answer,
        ):
            exchange.responded(answer.status_code, tuple(answer.headers.items()))
            exchange.feed(await anext(answer.aiter_raw()))
            chat_id = simulator.ledger.turns[0].chat_id
            assert simulator.world.busy(chat_id)
            exchange.left()
            bridge.release(exchange)
            await asyncio.wait(bridge._profiles[exchange.profile].tidier._tasks)
            assert not simulator.world.busy(chat_id)


@pytest.mark.parametrize(
    ("fault", "status", "wait"), [("waf_json_punish", 403, "900"), ("rate_limited_v2", 429, "36000")]
)
async def test_a_session_that_rests_is_told_again_and_not_asked(fault: str, status: int, wait: str) -> None:
    """Captcha and quota: the next client hears the same at once; the first after the rest is answered, and ends it."""
    clock = FixedClock()
    async with Simulator() as simulator, bridge_to(simulator.url, clock=clock) as bridge:
        simulator.script([{"fault": fault}])
        clients = [Editor(bridge, simulator.url) for _ in range(3)]
        for client in clients:
            client.history = said("Hi")
            told = await client.post()
            assert (told.status, told.headers["x-should-retry"]) == (status, "false")
        assert told.headers["retry-after"] == wait
        assert len(simulator.ledger.refused) == 1
        clock.time += 900
        assert await Editor(bridge, simulator.url).say("Hi")
        assert await Editor(bridge, simulator.url).say("Hi")


# -- a store that does not work -------------------------------------------------------------------------------------


class BrokenStore(MemoryStore):
    """Cannot answer, whatever is asked."""

    async def find(self, keys: Sequence[str]) -> dict[str, list[Anchor]]:
        raise StoreUnavailable("no")

    async def put(self, key: str, anchor: Anchor) -> None:
        raise StoreUnavailable("no")

    async def drop_chat(self, chat_id: str) -> int:
        raise StoreUnavailable("no")

    async def drop(self, chat_id: str, parent_id: str) -> int:
        raise StoreUnavailable("no")


class CountingStore(MemoryStore):
    """Counts how often it is asked."""

    __slots__ = ("asked",)

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock)
        self.asked = 0

    async def find(self, keys: Sequence[str]) -> dict[str, list[Anchor]]:
        self.asked += 1
        return await super().find(keys)


class SlowStore(MemoryStore):
    """Writes when it is let."""

    def __init__(self) -> None:
        super().__init__(FixedClock())
        self.gate = asyncio.Event()
        self.written: list[str] = []

    async def put(self, key: str, anchor: Anchor) -> None:
        await self.gate.wait()
        self.written.append(key)


async def test_a_store_that_fails_costs_no_turn() -> None:
    """The bridge goes on from its own memory, also past a refused node."""
    async with Simulator() as simulator, bridge_to(simulator.url, BrokenStore(FixedClock())) as bridge:
        editor = Editor(bridge, simulator.url)
        await editor.say("remember: red")
        await editor.say("count to 3")
        simulator.script([{"fault": "parent_not_exist"}, {}])
        assert "red" in await editor.say("what should you remember")
        assert editor.routes[:2] == ["new", "hit depth=2/3"]


async def test_a_store_that_cannot_be_opened_is_replaced_by_memory(tmp_path: Path) -> None:
    """A file of another program is left alone, and the bridge works on."""
    (tmp_path / "conversations.sqlite3").write_bytes(b"not a database, but somebody's file")
    async with Simulator() as simulator:
        bridge = Bridge.from_settings(settings(simulator.url, state=tmp_path))
        try:
            editor = Editor(bridge, simulator.url)
            await editor.say("count to 3")
            await editor.say("count to 4")
            assert editor.routes[-1] == "hit depth=2/3"
        finally:
            await bridge.aclose()
    assert (tmp_path / "conversations.sqlite3").read_bytes().startswith(b"not a database")


async def test_no_file_is_made_when_memory_is_wanted(tmp_path: Path) -> None:
    """`store = memory` leaves nothing on the disk."""
    bridge = Bridge.from_settings(settings("http://127.0.0.1:1", state=tmp_path / "state", store="memory"))
    await bridge.aclose()
    assert not (tmp_path / "state").exists()


async def test_a_slow_store_does_not_hold_an_answer_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of an answer waits for it a little; closing waits until it has written."""
    monkeypatch.setattr(conversations, "STORE_WAIT", 0.01)
    store = SlowStore()
    async with bridge_to("http://127.0.0.1:1", store) as bridge:
        await bridge.remember(Commit("key", ANCHOR))
        assert not store.written
        closing = asyncio.create_task(bridge.aclose())
        await asyncio.sleep(0)
        assert not closing.done()
        store.gate.set()
        await closing
    assert store.written == ["key"]


async def test_what_is_remembered_is_there_when_remember_returns(tmp_path: Path) -> None:
    """A client acts on the last bytes at once, and a kill in that moment must not lose the turn."""
    path = tmp_path / "index.sqlite3"
    other = SQLiteStore(path, FixedClock())
    async with bridge_to("http://127.0.0.1:1", SQLiteStore(path, FixedClock())) as bridge:
        await bridge.remember(Commit("key", ANCHOR))
        assert await other.find(["key"]) == {"key": [ANCHOR]}
        await bridge.remember(Forget(ANCHOR, whole_chat=False))
        assert await other.find(["key"]) == {}
        await bridge.remember(Commit("key", ANCHOR))
        await bridge.remember(Forget(ANCHOR, whole_chat=True))
        assert await other.find(["key"]) == {}
    await other.close()


# -- calls that need no exchange, or get none -----------------------------------------------------------------------


async def whole(bridge: Bridge, method: str, path: str) -> Told:
    opened = await bridge.open(Call(method, path, {}, b""), "req_7")
    assert not isinstance(opened, Exchange)
    told = Told()
    told.take(opened)
    assert told.over
    assert told.headers["x-request-id"] == "req_7"
    return told


async def test_the_models_are_listed_with_the_aliases() -> None:
    """What a client shows in its menu: Qwen's models, and the user's own names."""
    async with Simulator() as simulator, bridge_to(simulator.url, model_aliases="fast=qwen3-max") as bridge:
        listed = (await whole(bridge, "GET", "/v1/models")).json
        one = (await whole(bridge, "GET", "/v1/models/fast")).json
    assert not check_models(listed)
    assert {"fast", "qwen3-coder-plus"} <= {card["id"] for card in listed["data"]}
    assert not check_model(one)
    assert (one["id"], one["context_length"]) == ("fast", 262_144)


async def test_a_preflight_is_answered_without_a_body() -> None:
    """A browser learns which methods there are."""
    async with bridge_to("http://127.0.0.1:1") as bridge:
        told = await whole(bridge, "OPTIONS", "/v1/chat/completions")
    assert (told.status, told.headers["allow"], told.body) == (204, "POST", b"")


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (Call("GET", "/v1/nothing", {}, b""), UnknownRoute),
        (Call("GET", "/v1/chat/completions", {}, b""), MethodNotAllowed),
        (post(b"{"), InvalidRequest),
        (post({"model": "gpt-4o", "messages": said("Hi"), "n": 2}), UnsupportedParameter),
        (post({"model": "qwen3-maxx", "messages": said("Hi")}), UnknownModel),
        (Call("GET", "/v1/models/none", {}, b""), UnknownModel),
    ],
)
async def test_a_call_that_cannot_be_served_raises(call: Call, kind: type[BridgeError]) -> None:
    """The front end hears of it before anything was begun, and Qwen of nothing."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        with pytest.raises(kind):
            await bridge.open(call, "req_1")
        assert not list(simulator.world.chats)


@pytest.mark.parametrize("name", SESSION)
async def test_without_a_session_nothing_is_asked(name: str) -> None:
    """Whatever is missing is named, for a turn and for the list of models, and Qwen is left in peace."""
    async with bridge_to("http://127.0.0.1:1", **{name: None}) as bridge:
        for call in (post({"model": "gpt-4o", "messages": said("Hi")}), Call("GET", "/v1/models", {}, b"")):
            with pytest.raises(MissingCredentials, match=f"QWEN_{name.upper()}"):
                await bridge.open(call, "req_1")


async def test_a_mistake_in_the_request_is_told_before_a_missing_session() -> None:
    """Who has two problems hears first of the one in the request."""
    async with bridge_to("http://127.0.0.1:1", token=None) as bridge:
        with pytest.raises(InvalidRequest):
            await bridge.open(post(b"{"), "req_1")


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]}],
            UnsupportedParameter,
        ),
        (said("x" * 200_000), ContextTooLong),
    ],
)
async def test_a_question_that_cannot_be_put_opens_no_chat(messages: Any, kind: type[BridgeError]) -> None:
    """The user's side bar does not fill with empty chats."""
    async with Simulator() as simulator, bridge_to(simulator.url, uploads="off") as bridge:
        exchange = await bridge.open(post({"model": "gpt-4o", "messages": messages}), "req_1")
        assert isinstance(exchange, Exchange)
        with pytest.raises(kind):
            await bridge.ask(exchange)
        assert not list(simulator.world.chats)


async def test_a_chat_is_opened_once_for_all_attempts() -> None:
    """A question that is put again goes to the chat that was opened for it."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        exchange = await bridge.open(post({"model": "gpt-4o", "messages": said("Hi")}), "req_1")
        assert isinstance(exchange, Exchange)
        first, second = await bridge.ask(exchange), await bridge.ask(exchange)
        assert isinstance(first, Ask)
        assert isinstance(second, Ask)
        assert first.path == second.path
        assert len(list(simulator.world.chats)) == 1


async def test_a_qwen_that_cannot_be_reached_is_an_attempt_that_failed() -> None:
    """The exchange decides about it like about any other failure."""
    async with bridge_to(f"http://127.0.0.1:{free_port()}") as bridge:
        exchange = await bridge.open(post({"model": "gpt-4o", "messages": said("Hi")}), "req_1")
        assert isinstance(exchange, Exchange)
        with pytest.raises(QwenUnreachable):
            await bridge.ask(exchange)
        told = await driven(bridge, exchange, "http://127.0.0.1:1")
        assert (told.status, told.error["code"], len(told.waits)) == (502, "qwen_unreachable", 3)


async def test_a_session_that_runs_out_in_the_middle_is_noticed() -> None:
    """Each attempt looks at the session's end, which a JWT tells."""
    jwt = "h.eyJleHAiOjE4MDAwMDAwMDAuNX0.s"  # {"exp":1800000000.5}
    clock, ids = FixedClock(), CountedIds()
    made = settings("http://127.0.0.1:1", token=jwt)
    bridge = Bridge(made, MemoryStore(clock), QwenClient(made.upstream, clock, ids), clock, ids)
    exchange = await bridge.open(post({"model": "gpt-4o", "messages": said("Hi")}), "req_1")
    assert isinstance(exchange, Exchange)
    clock.time += 1
    with pytest.raises(ExpiredCredentials):
        await bridge.ask(exchange)
    await bridge.aclose()


# -- what the composition chooses -----------------------------------------------------------------------------------


async def test_closing_lets_go_of_store_and_client() -> None:
    """Both are closed behind the last write."""
    store = MemoryStore(FixedClock())
    async with bridge_to("http://127.0.0.1:1", store) as bridge:
        pass
    with pytest.raises(StoreUnavailable):
        await store.find([])
    assert bridge._client._http.is_closed


async def test_request_ids_are_new_and_plain() -> None:
    """They go into a header and into the log."""
    async with bridge_to("http://127.0.0.1:1") as bridge:
        assert bridge.request_id() != bridge.request_id()
        assert re.fullmatch(r"req_[A-Za-z0-9]{24}", bridge.request_id())


LEARNS = {"token": None, "bx_umidtoken": None, "user_agent": None}


def learned(answered: float, cookie: str = "a") -> LearnedSession:
    """A session of the browser's, whose last question Qwen answered then."""
    cookies = f"acw_tc={cookie}; token=sim-token"
    return LearnedSession(Credentials("", cookies, "sim-umid", "Mozilla/5.0", learned=True), 1.0, 1.0, answered)


async def test_a_bridge_that_learns_sends_nobody_for_cookies(tmp_path: Path) -> None:
    """What is to be done about a captcha is told in the words for the browser, also where there is no turn yet."""
    punishing = World(umid="another")
    async with (
        Simulator(settings=punishing) as simulator,
        bridge_to(simulator.url, state=str(tmp_path), **LEARNS) as bridge,
    ):
        SessionFile(tmp_path, simulator.url).change(lambda known: known.with_session(learned(1.0)))
        with pytest.raises(ChallengeRequired) as caught:
            await bridge.open(Call("GET", "/v1/models", {}, b""), "req_1")
        assert "uses the bridge as its proxy" in caught.value.message


async def test_the_browser_that_was_answered_ends_the_rest(tmp_path: Path) -> None:
    """Cookies that rotate do not; an answer of Qwen's to a question in the browser does, at once."""
    async with Simulator() as simulator, bridge_to(simulator.url, state=str(tmp_path), **LEARNS) as bridge:
        file = SessionFile(tmp_path, simulator.url)
        simulator.script([{"fault": "waf_json_punish"}])
        editor = Editor(bridge, simulator.url)
        editor.history = said("count to 3")
        for cookie in ("a", "b"):
            session = learned(1.0, cookie)
            file.change(lambda known, session=session: known.with_session(session))  # type: ignore[misc]
            told = await editor.post()
            assert (told.status, told.json["error"]["code"]) == (403, "qwen_challenge")
            assert "uses the bridge as its proxy" in told.json["error"]["message"]
        assert simulator.ledger.to_json()["turns"] == []
        file.change(lambda known: known.with_session(learned(2.0, "b")))
        assert (await editor.post()).status == 200


async def test_a_request_that_waited_does_not_go_on_with_another_account(tmp_path: Path) -> None:
    """Its conversation belongs to the account that it began with."""
    async with Simulator() as simulator, bridge_to(simulator.url, state=str(tmp_path), **LEARNS) as bridge:
        file = SessionFile(tmp_path, simulator.url)
        file.change(lambda known: known.with_session(learned(1.0)))
        exchange = await bridge.open(post({"model": "gpt-4o", "messages": said("Hi")}), "req_1")
        assert isinstance(exchange, Exchange)
        other = replace(learned(1.0), credentials=replace(learned(1.0).credentials, cookies="token=other"))
        file.change(lambda _: Known().with_session(other))
        with pytest.raises(MissingCredentials, match="another Qwen account"):
            await bridge.ask(exchange)
        bridge.release(exchange)
