"""A file of nearly 1 MiB, full of what breaks parsers, through a real mitmdump to clients of both sorts, streamed."""

from __future__ import annotations

import json

import pytest

from qwen_bridge.toolcalls.client_reader import read_answer
from qwen_bridge.toolcalls.policy import MAX_CALL
from tests.harness.proxy import Proxy
from tests.harness.sdk import sdk
from tests.harness.simulate import RemoteSimulator
from tests.harness.xml_agent import PROMPT, TOOLS
from tests.toolcalls.bench import spec
from tests.toolcalls.bulk import FORMS, INGREDIENTS, filled

PUT = {"type": "function", "function": {"name": "put", "parameters": dict(spec("put").parameters)}}
WITHOUT_HALVES = "".join(unit for name, unit in INGREDIENTS.items() if name not in ("lone surrogates", "all of them"))
"""UTF-8 carries no lone half of a character, so they can travel as JSON escapes only."""


async def _streamed(proxy: Proxy, system: str | None, **options: object) -> tuple[str, str, str | None]:
    """The text, the arguments of the one call, and the finish reason of an answer."""
    messages = [{"role": "system", "content": system}] if system else []
    stream = await sdk(proxy).chat.completions.create(
        model="gpt-4o", messages=[*messages, {"role": "user", "content": "Write it"}], stream=True, **options
    )  # type: ignore[call-overload] # the SDK's overloads want literal messages
    text, arguments, end = "", "", None
    async for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                assert call.index == 0
                arguments += call.function.arguments or ""
            end = choice.finish_reason or end
    return text, arguments, end


def _told(written: str) -> dict[str, object]:
    return {"text": written, "chunk": 512, "pace": None}


@pytest.mark.parametrize("form", ["hermes", "qwen_xml"])
async def test_an_openai_client_gets_it_to_the_byte(form: str, ways: dict[str, Proxy], qwen: RemoteSimulator) -> None:
    """The arguments decoded are the file, in one call, and no character of it is shown as text."""
    body = filled(INGREDIENTS["all of them"] if form == "hermes" else WITHOUT_HALVES, form)
    qwen.script(_told(FORMS[form]("put", body)))
    text, arguments, end = await _streamed(ways["base URL"], None, tools=[PUT])
    assert (text, end) == ("", "tool_calls")
    assert json.loads(arguments) == {"path": "a", "content": body}


@pytest.mark.parametrize("form", ["hermes", "bare JSON"])
async def test_an_xml_client_reads_it_to_the_byte(form: str, ways: dict[str, Proxy], qwen: RemoteSimulator) -> None:
    """The model of such a client's parser finds one finished tool with the file in it."""
    body = filled(WITHOUT_HALVES, form)
    qwen.script(_told(FORMS[form]("write_to_file", body)))
    text, _, _ = await _streamed(ways["base URL"], PROMPT)
    (call,) = read_answer(text, TOOLS)
    assert call.finished
    assert dict(call.values) == {"path": "a", "content": body}


@pytest.mark.parametrize("system", [None, PROMPT], ids=["tools", "XML"])
async def test_one_beyond_the_bound_is_withheld(
    system: str | None, ways: dict[str, Proxy], qwen: RemoteSimulator
) -> None:
    """The client is told in a sentence that it was too long, and sees nothing of it."""
    tool = "write_to_file" if system else "put"
    qwen.script(*[_told(FORMS["hermes"](tool, "x" * MAX_CALL))] * 2)
    text, arguments, end = await _streamed(ways["base URL"], system, **({} if system else {"tools": [PUT]}))
    assert (text, arguments, end) == ("(A tool call was too long and was not run.)", "", "length")
