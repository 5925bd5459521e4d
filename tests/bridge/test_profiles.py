"""Several Qwen accounts behind one bridge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.bridge.bridge import Call
from qwen_bridge.bridge.profiles import bury
from qwen_bridge.errors import InvalidClientKey, MissingCredentials
from qwen_bridge.ports import ChatSummary
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings as World
from tests.harness.editor import Editor, bridge_to, post, said

ANNA, BEN, EVE = "anna-has-this-long-key", "ben-has-this-long-key", "eve-has-this-long-key"
CHOSEN: dict[str, Any] = {
    "client_keys": f"anna={ANNA},ben={BEN},eve={EVE}",
    "client_profiles": "ben=work,eve=empty",
    "profiles": {
        "work": {"token": "other-token", "bx_umidtoken": "sim-umid", "user_agent": "Mozilla/5.0"},
        "empty": {},
    },
}

TWO = World(accounts={"sim-token": "one", "other-token": "two"})


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own."""
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))


async def test_each_client_speaks_with_its_own_session_and_in_its_own_chats() -> None:
    """The same words of two clients are two accounts' chats, and neither continues the other's."""
    async with Simulator(settings=TWO) as simulator, bridge_to(simulator.url, **CHOSEN) as bridge:
        anna, ben = Editor(bridge, simulator.url, key=ANNA), Editor(bridge, simulator.url, key=BEN)
        await anna.say("remember: red")
        ben.history = list(anna.history)
        await ben.say("count to 3")
        await anna.say("count to 3")
        assert [anna.routes, ben.routes] == [["new", "hit depth=2/3"], ["miss reason=unknown_history"]]
        assert sorted(chat.account for chat in simulator.world.chats) == ["one", "two"]


async def test_a_session_that_is_missing_is_told_to_its_own_client_only() -> None:
    """Nobody is served with another's account because his own has none."""
    async with Simulator() as simulator, bridge_to(simulator.url, **CHOSEN) as bridge:
        with pytest.raises(MissingCredentials):
            await bridge.open(post({"model": "gpt-4o", "messages": said("Hi")}, EVE), "req_1")
        with pytest.raises(MissingCredentials):
            await bridge.open(Call("GET", "/v1/models", {"authorization": f"Bearer {EVE}"}, b""), "req_2")
        assert await Editor(bridge, simulator.url, key=ANNA).say("count to 3")


async def test_a_stranger_is_told_before_anything_is_read() -> None:
    """From the head alone; a browser's question about methods needs no key."""
    async with Simulator() as simulator, bridge_to(simulator.url, **CHOSEN) as bridge:
        assert isinstance(bridge.object_to("POST", {"authorization": "Bearer wrong"}), InvalidClientKey)
        assert bridge.object_to("POST", {"authorization": f"Bearer {ANNA}"}) is None
        assert bridge.object_to("OPTIONS", {}) is None
        with pytest.raises(InvalidClientKey):
            await bridge.open(post({"model": "gpt-4o", "messages": said("Hi")}, "wrong"), "req_1")
        with pytest.raises(InvalidClientKey):
            await bridge.open(Call("GET", "/v1/models", {}, b""), "req_1")


async def test_forgotten_chats_are_deleted_with_the_session_they_belong_to() -> None:
    """Each account's own, and no other's."""
    async with Simulator(settings=TWO) as simulator, bridge_to(simulator.url, **CHOSEN) as bridge:
        for key in (ANNA, BEN):
            await Editor(bridge, simulator.url, key=key).say("count to 3")
        names = {"one": "", "two": "work"}
        old = [
            ChatSummary(chat.id, "qwen3-max", bridge._profiles[names[chat.account]].credentials.account, 2, 1, 0.0)
            for chat in simulator.world.chats
        ]
        await bury([bridge._profiles["work"]], old)
        assert [chat.account for chat in simulator.world.chats] == ["one"]
        await bury(bridge._profiles.values(), old)
        assert not list(simulator.world.chats)
