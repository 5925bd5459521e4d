"""What programs do with the SDKs besides asking one question after the other: all through one real mitmdump."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.harness.node import NODE, needs_node, run
from tests.harness.proxy import Proxy
from tests.harness.sdk import sdk
from tests.harness.simulate import RemoteSimulator

MODEL = "gpt-4o"


def user(text: str, **more: str) -> Any:
    return {"role": "user", "content": text, **more}


def told(text: str | None) -> Any:
    return {"role": "assistant", "content": text}


@pytest.fixture
def client(ways: dict[str, Proxy], qwen: RemoteSimulator) -> AsyncOpenAI:
    """openai-python at the base URL; Qwen's ledger is empty."""
    return sdk(ways["base URL"])


async def answer(client: AsyncOpenAI, *history: dict[str, Any], **more: Any) -> str:
    """What is said to a history."""
    messages: Any = list(history)
    whole = await client.chat.completions.create(model=MODEL, messages=messages, **more)
    text: str | None = whole.choices[0].message.content
    return text or ""


async def begun(client: AsyncOpenAI, *before: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """A conversation in which the model has invented a number: its history, and the number."""
    history = [*before, user("Please invent a number.")]
    said = await answer(client, *history)
    return [*history, told(said)], said.removeprefix("The number is ").removesuffix(".")


# -- parameters and endpoints -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"stop": "e"},
        {"max_tokens": 1},
        {"max_completion_tokens": 1},
        {"logprobs": True, "top_logprobs": 3},
        {"logit_bias": {"1": 1}, "seed": 1, "temperature": 0, "top_p": 0.1, "presence_penalty": 1},
        {"response_format": {"type": "json_object"}},
        {"metadata": {"a": "b"}, "store": True, "user": "u", "service_tier": "auto", "prompt_cache_key": "x"},
        {"modalities": ["text"], "prediction": {"type": "content", "content": "a"}, "reasoning_effort": "high"},
    ],
    ids=lambda more: next(iter(more)),
)
async def test_a_parameter_without_effect_is_no_error(more: dict[str, Any], client: AsyncOpenAI) -> None:
    """The answer is whole and ends by itself."""
    whole = await client.chat.completions.create(model=MODEL, messages=[user("count to 5")], **more)
    assert whole.choices[0].message.content == "1 2 3 4 5"
    assert (whole.choices[0].finish_reason, whole.choices[0].logprobs) == ("stop", None)


type Use = Callable[[AsyncOpenAI], Any]

ELSEWHERE: dict[str, tuple[Use, str]] = {
    "embeddings": (lambda sdk: sdk.embeddings.create(model=MODEL, input="x"), "another provider"),
    "responses": (lambda sdk: sdk.responses.create(model=MODEL, input="x"), "OpenAI Compatible"),
    "completions": (lambda sdk: sdk.completions.create(model=MODEL, prompt="x"), "Chat Completions"),
    "files": (lambda sdk: sdk.files.create(file=b"x", purpose="assistants"), "Send the text in a message"),
    "speech": (lambda sdk: sdk.audio.speech.create(model=MODEL, voice="a", input="x"), "neither hears nor speaks"),
    "listening": (lambda sdk: sdk.audio.transcriptions.create(model=MODEL, file=b"x"), "neither hears nor speaks"),
    "pictures": (lambda sdk: sdk.images.generate(prompt="x"), "no pictures"),
    "moderations": (lambda sdk: sdk.moderations.create(input="x"), "another provider"),
    "batches": (lambda sdk: sdk.batches.list(), "another provider"),
}


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_another_endpoint_says_what_to_do(name: str, client: AsyncOpenAI, qwen: RemoteSimulator) -> None:
    """The SDK's own error for what is not there, with a sentence; Qwen is not asked."""
    use, words = ELSEWHERE[name]
    with pytest.raises(openai.NotFoundError, match=words) as refused:
        await use(client)
    assert refused.value.code == "unknown_url"
    assert qwen.turns == []


# -- leaving ------------------------------------------------------------------------------------------------------


async def test_a_stream_that_is_closed_is_gone_on_from_as_it_was_seen(
    client: AsyncOpenAI, qwen: RemoteSimulator
) -> None:
    """No word that the client has not seen is in the model's sight."""
    qwen.script({"text": " ".join(f"word{number}" for number in range(500)), "pace": 50})
    seen = ""
    asked = await client.chat.completions.create(model=MODEL, messages=[user("Talk.")], stream=True)
    async with asked as stream:
        async for chunk in stream:
            seen += chunk.choices[0].delta.content or ""
            if "word3" in seen:
                break
    await answer(client, user("Talk."), told(seen), user("Go on."))
    first, second = qwen.turns
    assert first["aborted"]
    assert f"\n{seen}\n" in second["message"]
    assert "word499" not in json.dumps(second["context"])


def test_a_client_that_waits_no_longer_may_ask_again(ways: dict[str, Proxy], qwen: RemoteSimulator) -> None:
    """The synchronous client gives up; Qwen is told to stop, and the next question is answered."""
    qwen.script({"text": "slow " * 300, "pace": 5})
    http = httpx2.Client(trust_env=False)
    with OpenAI(base_url=ways["base URL"].base_url, api_key="any", max_retries=0, http_client=http) as client:
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.5).chat.completions.create(model=MODEL, messages=[user("Slowly.")])
        whole = client.chat.completions.create(model=MODEL, messages=[user("count to 3")])
    assert whole.choices[0].message.content == "1 2 3"
    assert [turn["aborted"] for turn in qwen.turns] == [True, False]


# -- histories ----------------------------------------------------------------------------------------------------


async def test_questions_side_by_side_in_one_conversation(client: AsyncOpenAI, qwen: RemoteSimulator) -> None:
    """Different ones and the same one: each is answered in the conversation's context, none in another's."""
    history, number = await begun(client)
    asked = ["repeat the number, 1", "repeat the number, 2", "repeat the number, 2", "repeat the number, 2"]
    answers = await asyncio.gather(*(answer(client, *history, user(words)) for words in asked))
    assert answers == [f"The number was {number}."] * len(asked)


async def test_an_answer_that_the_client_has_changed_is_the_one_that_counts(client: AsyncOpenAI) -> None:
    """What the model said in its place is out of sight."""
    history, number = await begun(client, {"role": "system", "content": "Be brief."})
    changed = [*history[:-1], told("I will not.")]
    assert number not in await answer(client, *changed, user("repeat the number"))
    assert await answer(client, *history, user("repeat the number")) == f"The number was {number}."


@pytest.mark.parametrize("system", ["Be brief. Be kind.", None])
async def test_other_instructions_do_not_lose_the_conversation(system: str | None, client: AsyncOpenAI) -> None:
    """Changed or left out, what was said before stays said."""
    history, number = await begun(client, {"role": "system", "content": "Be brief."})
    instructions = [{"role": "system", "content": system}] if system else []
    assert await answer(client, *instructions, *history[1:], user("repeat the number")) == f"The number was {number}."


@pytest.mark.parametrize(
    "results",
    [
        {"c1": "first", "c2": "second"},
        {"c2": "second", "c1": "first"},
        {"c1": "first"},
        {"unknown": "first", "c2": "second"},
        {"c1": "", "c2": ""},
    ],
    ids=lambda results: ",".join(results),
)
async def test_results_of_tools_in_any_order(
    results: dict[str, str], client: AsyncOpenAI, qwen: RemoteSimulator
) -> None:
    """Each reaches the model under the tool that gave it; one that is missing or a stranger's breaks nothing."""
    names = {"c1": "read_one", "c2": "read_two"}
    tools = [{"type": "function", "function": {"name": name}} for name in names.values()]
    calls = [
        {"id": call, "type": "function", "function": {"name": name, "arguments": "{}"}} for call, name in names.items()
    ]
    said = [{"role": "tool", "tool_call_id": call, "content": text} for call, text in results.items()]
    await answer(client, user("Do."), {**told(None), "tool_calls": calls}, *said, tools=tools)
    message = qwen.turns[-1]["message"]
    places = []
    for call, text in results.items():
        head = f'result of the tool "{names[call]}"' if call in names else "result of a tool"
        places.append(message.index(head))
        assert text in message[places[-1] :]
    assert places == sorted(places)


async def test_odd_messages_reach_the_model(client: AsyncOpenAI, qwen: RemoteSimulator) -> None:
    """Empty ones, names and words in any script."""
    odd = "Grüße 漢字 😀 \u202e\u0000"
    await answer(client, user(""), told(""), user("", name="Ünï 漢"), told(None), user(odd, name="Ünï 漢"))
    assert odd in qwen.turns[-1]["message"]
    assert "Ünï 漢" in qwen.turns[-1]["message"]


async def test_two_megabytes_of_history(client: AsyncOpenAI, qwen: RemoteSimulator) -> None:
    """They travel once, as a file; the next turn brings its question alone."""
    old = [
        turn for number in range(200) for turn in (user(f"q{number} " + "x" * 5000), told(f"a{number} " + "y" * 5000))
    ]
    history, number = await begun(client, *old)
    assert await answer(client, *history, user("repeat the number")) == f"The number was {number}."
    first, second = qwen.turns
    assert len(first["files"]) == 1
    assert second["files"] == []
    assert second["request_bytes"] < 2_000


class Point(BaseModel):
    x: int


async def test_json_is_parsed_where_the_model_gives_it(client: AsyncOpenAI, qwen: RemoteSimulator) -> None:
    """`parse` reads what came; nobody holds the model to the schema."""
    qwen.script({"text": '{"x": 3}'}, {"text": "Three."})
    messages: Any = [user("Give x.")]
    whole = await client.chat.completions.parse(model=MODEL, messages=messages, response_format=Point)
    assert whole.choices[0].message.parsed == Point(x=3)
    with pytest.raises(ValueError, match="JSON"):
        await client.chat.completions.parse(model=MODEL, messages=messages, response_format=Point)


# -- openai-node --------------------------------------------------------------------------------------------------


@needs_node
def test_openai_node(ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path) -> None:
    """A stream left, an aborted one, questions side by side, its own loop of tools, and what is not served."""
    ran = run(["node", str(NODE / "habits.mjs"), ways["base URL"].base_url], tmp_path, tmp_path / "home")
    assert (ran.status, ran.errors, ran.strayed) == (0, "", ())
    told = json.loads(ran.output)
    number = told["begun"].removeprefix("The number is ")
    assert told["left"] <= 4
    assert told["aborted"] == "APIUserAbortError"
    assert told["beside"] == [f"The number was {number}"] * 3
    assert told["added"] == [2]
    assert "3" in told["tools"]
    assert set(told["refused"].values()) == {"404 unknown_url"}
    assert told["n"] == "400 unsupported_parameter"
    assert told["model"] == "404 model_not_found"
