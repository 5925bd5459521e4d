"""Our own answers, of every kind, put before the judge: what an empty list means is that all promises were kept.

The way is the product's own, from Qwen's bytes through an exchange to the client's; only the network is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qwen_bridge.errors import InvalidRequest
from qwen_bridge.exchange import reply
from qwen_bridge.messages import ToolSpec
from qwen_bridge.simulator.dialects import write_call
from qwen_bridge.simulator.frames import Opening, render
from qwen_bridge.simulator.plan import Plan
from qwen_bridge.surfaces import models
from qwen_bridge.surfaces.models import ModelCard
from tests.conformance.framing import strict_json
from tests.conformance.invariants import check_body, check_error, check_head, check_models, check_stream
from tests.exchange.driving import NO_QUOTA, Answer, Driver, Told, asking

TOOLS = ("read_file", "list_files")
SPECS = tuple(ToolSpec(name, f"{name}.", {"type": "object", "properties": {"path": {}}}) for name in TOOLS)
CALLS = "\n".join(write_call("hermes", name, {"path": f"{name}.py"}) for name in TOOLS)
WORDS = "I look into it, and then I say what I have found."
THOUGHTS = "Two files.\n\nI read both."


def pieces(text: str, **more: Any) -> list[bytes]:
    """An answer of Qwen's, frame by frame."""
    plan = Plan(text=text, **more)
    return [frame.data for frame in render(plan, Opening(chat_id="chat", user_id="user", response_id="answer"))]


def complaints() -> list[str]:
    """Every promise that one of our answers breaks."""
    return [f"{name}: {fault}" for name, faults in _answers() for fault in faults]


def _answers() -> Iterator[tuple[str, list[str]]]:
    spoken, called = pieces(WORDS, reasoning=THOUGHTS), pieces(f"{WORDS}\n{CALLS}")
    yield "words as a stream", _stream(spoken, include_usage=True)
    yield "words as a stream, without usage", _stream(spoken, include_usage=False)
    yield "calls as a stream", _stream(called, include_usage=True, tools=SPECS)
    yield "words whole", _whole(spoken)
    yield "calls whole", _whole(called, tools=SPECS)
    yield "a stream that breaks off", _broken(spoken)
    told = Driver(asking()).play(NO_QUOTA)
    yield "a refusal of Qwen's", check_error(told.status, told.headers, told.body)
    told = Told()
    told.take(reply.refusal(InvalidRequest("The body is not JSON.")))
    yield "a bad request", check_error(told.status, told.headers, told.body)
    yield "the models", check_models(strict_json(models.list_body([ModelCard("qwen3-max", 1)]).decode()))


def _stream(answer: list[bytes], *, include_usage: bool, tools: tuple[ToolSpec, ...] = ()) -> list[str]:
    told = Driver(asking(include_usage=include_usage, tools=tools)).play(Answer(answer))
    found = check_head(told.status, told.headers, stream=True)
    found += check_stream(told.body, include_usage=include_usage, tools=TOOLS if tools else ())
    # As it grows: calls come whole, but the words before them one by one.
    if told.order.count("Data") < len(WORDS) // Plan().chunk:
        found.append(f"{len(answer)} frames came out in {told.order.count('Data')} pieces")
    return found


def _whole(answer: list[bytes], tools: tuple[ToolSpec, ...] = ()) -> list[str]:
    told = Driver(asking(stream=False, tools=tools)).play(Answer(answer))
    return check_head(told.status, told.headers, stream=False) + check_body(
        strict_json(told.body.decode()), tools=TOOLS if tools else ()
    )


def _broken(answer: list[bytes]) -> list[str]:
    driver = Driver(asking())
    driver.ask()
    driver.attempt(Answer(answer[: len(answer) - 4], ending="lost"))
    return check_stream(driver.told.body, include_usage=False, expect_error=True)
