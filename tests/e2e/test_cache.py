"""Answers from memory, as clients see them through a real mitmproxy; what Qwen was asked stands in the ledger."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwen_bridge.simulator.server import Simulator
from tests.harness.effective import context_of, history_of
from tests.harness.proxy import Proxy, in_process
from tests.harness.scrape import samples
from tests.harness.sdk import Conversation, sdk
from tests.harness.wire import addon_of, failure, question, road, said, text_of, until, until_forgotten

HEADER = "x-qwen-bridge-cache"
ASKED: list[Any] = [{"role": "system", "content": "Be a test."}, {"role": "user", "content": "Please invent a number."}]
LONG = {"text": "one word more " * 20, "chunk": 4}

pytestmark = pytest.mark.usefixtures("no_errors_logged")


async def told(proxy: Proxy, *, stream: bool, key: str = "sk-test") -> tuple[str, str | None, str]:
    """openai-python asks; the words, the header of the cache, and the id of the answer."""
    completions = sdk(proxy).with_options(api_key=key).chat.completions.with_raw_response
    if not stream:
        raw = await completions.create(model="gpt-4o", messages=ASKED)
        whole = raw.parse()
        return whole.choices[0].message.content or "", raw.headers.get(HEADER), whole.id
    options: Any = {"include_usage": True}
    answer = await completions.create(model="gpt-4o", messages=ASKED, stream=True, stream_options=options)
    chunks = [chunk async for chunk in answer.parse()]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    words = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    return words, answer.headers.get(HEADER), chunks[0].id


def contexts_hold(simulator: Simulator, *histories: list[Any]) -> None:
    """The model was told, turn by turn, exactly what its client had sent."""
    turns = simulator.ledger.to_json()["turns"]
    assert [context_of(turn) for turn in turns] == [history_of(history) for history in histories]


@pytest.mark.parametrize("second", [True, False], ids=["then stream", "then whole"])
@pytest.mark.parametrize("first", [True, False], ids=["stream", "whole"])
async def test_the_same_request_is_answered_from_memory(
    first: bool, second: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """The second answer says the same, is marked, has an id of its own, and Qwen was asked once."""
    async with in_process(simulator.url, tmp_path, store="memory", cache_ttl=60) as proxy:
        one, other = await told(proxy, stream=first), await told(proxy, stream=second)
    assert one[0] == other[0] != ""
    assert (one[1], other[1]) == ("miss", "hit")
    assert one[2] != other[2]
    assert len(simulator.ledger.turns) == 1


async def test_nothing_is_kept_by_default(simulator: Simulator, tmp_path: Path) -> None:
    """Without `cache_ttl` each request is Qwen's, and no header speaks of a cache."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        answers = [await told(proxy, stream=True), await told(proxy, stream=True)]
    assert [mark for _, mark, _ in answers] == [None, None]
    assert len(simulator.ledger.turns) == 2


async def test_another_client_key_is_asked_for_itself(simulator: Simulator, tmp_path: Path) -> None:
    """Nobody gets an answer that was given to another."""
    async with in_process(simulator.url, tmp_path, store="memory", cache_ttl=60) as proxy:
        marks = [(await told(proxy, stream=True, key=key))[1] for key in ("sk-one", "sk-two", "sk-one")]
    assert marks == ["miss", "miss", "hit"]
    assert len(simulator.ledger.turns) == 2


@pytest.mark.parametrize("restarted", [False, True], ids=["at once", "over a restart"])
async def test_a_replayed_answer_is_continued_in_its_context(
    restarted: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """Who heard the answer from memory goes on from the node where Qwen gave it, and Qwen knows the number it said."""
    async with in_process(simulator.url, tmp_path, cache_ttl=60) as proxy:
        await told(proxy, stream=True)
        talk = Conversation(sdk(proxy), system="Be a test.")
        await talk.say(ASKED[1]["content"])
        assert len(simulator.ledger.turns) == 1
        if not restarted:
            await talk.say("Now repeat the number you printed.")
    if restarted:
        async with in_process(simulator.url, tmp_path, cache_ttl=60) as proxy:
            again = Conversation(sdk(proxy))
            again.history = talk.history
            await again.say("Now repeat the number you printed.")
    first, second = simulator.ledger.turns
    assert (second.chat_id, second.parent_id) == (first.chat_id, first.response_id)
    contexts_hold(simulator, ASKED, talk.history[:-1])


async def test_two_clients_that_continue_one_answer_are_siblings(simulator: Simulator, tmp_path: Path) -> None:
    """Each of the two, who heard the same, goes on with its own words, and neither hears of the other."""
    async with in_process(simulator.url, tmp_path, store="memory", cache_ttl=60) as proxy:
        one, other = (Conversation(sdk(proxy), system="Be a test.") for _ in range(2))
        await one.say(ASKED[1]["content"])
        await other.say(ASKED[1]["content"])
        assert one.history == other.history
        sent = []
        for talk, words in [(one, "Remember: red"), (other, "Remember: blue"), (one, "And now?"), (other, "And now?")]:
            await talk.say(words)
            sent.append(talk.history[:-1])
    contexts_hold(simulator, ASKED, *sent)
    root, red, blue, *_ = simulator.ledger.turns
    assert (red.parent_id, blue.parent_id) == (root.response_id, root.response_id)


async def test_two_clients_that_continue_one_answer_at_once(simulator: Simulator, tmp_path: Path) -> None:
    """At the same moment too, each is answered in its own context."""
    async with in_process(simulator.url, tmp_path, store="memory", cache_ttl=60) as proxy:
        talks = [Conversation(sdk(proxy), system="Be a test.") for _ in range(2)]
        for talk in talks:
            await talk.say(ASKED[1]["content"])
        await asyncio.gather(*(talk.say(f"I am number {at}.") for at, talk in enumerate(talks)))
    given = [context_of(turn) for turn in simulator.ledger.to_json()["turns"][1:]]
    wanted = [history_of(talk.history[:-1]) for talk in talks]
    assert sorted(given, key=repr) == sorted(wanted, key=repr)


async def test_an_answer_with_a_call_is_asked_for_again(simulator: Simulator, tmp_path: Path) -> None:
    """A call was decided on a world that may have changed."""
    function = {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}
    simulator.script([{"text": '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>'}] * 2)
    async with road(simulator, tmp_path, cache_ttl=60) as (_, http):
        body = question("Look around.", tools=[{"type": "function", "function": function}])
        answers = [await http.post("/v1/chat/completions", json=body) for _ in range(2)]
    assert all(answer.json()["choices"][0]["message"]["tool_calls"] for answer in answers)
    assert [answer.headers[HEADER] for answer in answers] == ["miss", "miss"]
    assert len(simulator.ledger.turns) == 2


async def test_a_broken_answer_is_asked_for_again(simulator: Simulator, tmp_path: Path) -> None:
    """Half an answer is for nobody else."""
    simulator.script([{"text": "half of it", "chunk": 2, "fault": "cut_mid_stream", "after": 3}, {"text": "all of it"}])
    async with road(simulator, tmp_path, cache_ttl=60) as (_, http):
        broken = await http.post("/v1/chat/completions", json=question(stream=True))
        assert failure(broken.content)
        assert text_of(await http.post("/v1/chat/completions", json=question())) == "all of it"
        again = await http.post("/v1/chat/completions", json=question(stream=True))
    assert (again.headers[HEADER], said(again.content)) == ("hit", "all of it")


async def test_a_replay_needs_no_place_on_the_account(simulator: Simulator, tmp_path: Path) -> None:
    """While all answers that the account bears are running, one from memory is told at once."""
    async with road(simulator, tmp_path, cache_ttl=60, account_streams=1) as (_, http):
        await http.post("/v1/chat/completions", json=question("kept"))
        simulator.script([{**LONG, "chunk": 1, "pace": 20}])
        running = asyncio.create_task(http.post("/v1/chat/completions", json=question("slow", stream=True)))
        await until(lambda: simulator.world.running, "the account is busy")
        replayed = await http.post("/v1/chat/completions", json=question("kept", stream=True))
        assert replayed.headers[HEADER] == "hit"
        assert simulator.world.running
        simulator.hurry()
        assert (await running).status_code == 200


async def test_a_replayed_stream_comes_in_pieces_and_who_leaves_is_forgotten(
    simulator: Simulator, tmp_path: Path
) -> None:
    """The first words are there before the last have left; a client that goes meanwhile leaves nothing behind."""
    simulator.script([LONG])
    async with road(simulator, tmp_path, cache_ttl=60) as (proxy, http):
        await http.post("/v1/chat/completions", json=question())
        async with http.stream("POST", "/v1/chat/completions", json=question(stream=True)) as answer:
            first = await anext(answer.aiter_raw())
            assert b"[DONE]" not in first
            assert addon_of(proxy)._turns
        await until_forgotten(proxy)
        whole = await http.post("/v1/chat/completions", json=question(stream=True))
        assert (whole.headers[HEADER], said(whole.content)) == ("hit", LONG["text"])
    assert len(simulator.ledger.turns) == 1


async def test_log_and_counters_say_the_word_of_the_header(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A miss and a hit stand in the turns' lines and in the counters, and a hit asked Qwen nothing."""
    caplog.set_level(logging.INFO)
    async with road(simulator, tmp_path, cache_ttl=60) as (proxy, http):
        answers: list[httpx.Response] = [await http.post("/v1/chat/completions", json=question()) for _ in range(2)]
        await until_forgotten(proxy)
        found = samples(addon_of(proxy)._metrics)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("event='turn'")]
    words = [answer.headers[HEADER] for answer in answers]
    assert words == ["miss", "hit"]
    for word, line in zip(words, lines, strict=True):
        assert f"cache='{word}'" in line
        assert found[f'qwen_bridge_cache_total{{cache="{word}"}}'] == 1
    assert found["qwen_bridge_asks_total"] == 1
    assert found['qwen_bridge_turns_total{conversation="new",reason=""}'] == 1
    assert found["qwen_bridge_turn_seconds_count"] == found["qwen_bridge_first_word_seconds_count"] == 1
