from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_bridge.simulator.dialects import write_call
from qwen_bridge.simulator.server import Simulator
from tests.chaos.agent import TOOLS
from tests.chaos.reading import context_key, history_key, said_by
from tests.harness.editor import Editor, bridge_to

ARGUMENTS = {"path": "a.py", "content": 'if a < 3:\n    print("</x>")'}


@pytest.mark.parametrize("dialect", ["hermes", "qwen_xml"])
def test_a_call_is_read_from_the_models_words(dialect: str) -> None:
    """Name and arguments come out of either form, and the words before them."""
    said = said_by("I write.\n" + write_call(dialect, "write_file", ARGUMENTS))
    assert said.text == "I write."
    assert [(name, json.loads(arguments)) for name, arguments in said.calls] == [("write_file", ARGUMENTS)]


@pytest.mark.parametrize("key", ["sk-mine", "sk-other"], ids=["continued", "whole"])
@pytest.mark.parametrize("model", ["gpt-4o", "qwen3-coder-plus"])
async def test_a_loop_with_tools_is_read_back(model: str, key: str) -> None:
    """Continued or sent whole to a new chat: a context with a call and its result is the client's history."""
    order = f"call tool write_file with {json.dumps(ARGUMENTS)} in hermes"
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        editor = Editor(bridge, simulator.url, model=model, tools=TOOLS)
        history: list[Any] = [{"role": "system", "content": "Be exact."}, {"role": "user", "content": order}]
        editor.history = history
        message = (await editor.post()).json["choices"][0]["message"]
        (call,) = message["tool_calls"]
        result = {"role": "tool", "tool_call_id": call["id"], "content": "written\nthank you"}
        second = Editor(bridge, simulator.url, key=key, model=model, tools=TOOLS)
        second.history = [*history, message, result]
        assert (await second.post()).status == 200
        first_turn, second_turn = (turn.to_json() for turn in simulator.ledger.turns)
    assert context_key(first_turn) == history_key(history)
    assert context_key(second_turn) == history_key(second.history)
    assert context_key(second_turn) != history_key([*history, message, result | {"content": "written"}])
