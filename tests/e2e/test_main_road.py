"""A real OpenAI client, through a real mitmdump, to a Qwen web chat and back."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness.proxy import ROOT, Proxy, mitmdump
from tests.harness.sdk import Conversation, sdk
from tests.harness.simulate import RemoteSimulator

NODE_CLIENT = ROOT / "tests" / "e2e" / "node"


def number_in(text: str) -> str:
    found = re.search(r"\d{6}", text)
    assert found is not None, text
    return found.group()


def check_chain(qwen: RemoteSimulator, last_message: str) -> None:
    """Three turns in one chat, each one message on the node of the answer before."""
    turns = qwen.turns
    assert len(turns) == 3
    assert len({turn["chat_id"] for turn in turns}) == 1
    assert [turn["parent_id"] for turn in turns] == [None, turns[0]["response_id"], turns[1]["response_id"]]
    assert turns[2]["message"] == last_message
    assert qwen.ledger()["refused"] == []


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("way", ["base URL", "reverse", "proxy"])
async def test_python_three_turns_are_one_chat(
    way: str, stream: bool, ways: dict[str, Proxy], qwen: RemoteSimulator
) -> None:
    """openai-python holds one chat on every way in, and the model repeats a number that only it had said."""
    talk = Conversation(sdk(ways[way], through=way == "proxy"), system="You are a test.")
    invented = await talk.say("Please invent a number.", stream=stream)
    await talk.say("Thank you. How are you?", stream=stream)
    repeated = await talk.say("Now repeat the number you printed.", stream=stream)
    assert number_in(invented) in repeated
    check_chain(qwen, "Now repeat the number you printed.")


@pytest.mark.skipif(
    not (NODE_CLIENT / "node_modules").is_dir() or shutil.which("node") is None,
    reason="needs node and the packages that scripts/test installs",
)
@pytest.mark.parametrize("stream", ["stream", "whole"])
@pytest.mark.parametrize("way", ["base URL", "reverse"])
def test_node_three_turns_are_one_chat(way: str, stream: str, ways: dict[str, Proxy], qwen: RemoteSimulator) -> None:
    """openai-node does the same (its fetch knows no proxy: clients.md, section B)."""
    command = ["node", "conversation.mjs", ways[way].base_url, stream]
    command += ["Please invent a number.", "Thank you. How are you?", "Now repeat the number you printed."]
    done = subprocess.run(command, cwd=NODE_CLIENT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert number_in(answers[0]) in answers[2]
    check_chain(qwen, "Now repeat the number you printed.")


async def test_chaining_on_the_user_node_loses_the_models_own_words(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """With `parent_from=parent_id` the model does not know the number it has said, as the protocol notes predict."""
    with mitmdump(qwen.url, tmp_path, parent_from="parent_id") as proxy:
        talk = Conversation(sdk(proxy))
        invented = await talk.say("Please invent a number.")
        repeated = await talk.say("Now repeat the number you printed.")
    assert number_in(invented) not in repeated


async def test_two_conversations_that_begin_alike_stay_apart(ways: dict[str, Proxy], qwen: RemoteSimulator) -> None:
    """The same first words, even with the same answer, are two chats, and neither hears of the other."""
    qwen.script({"text": "Hello."}, {"text": "Hello."})
    one, two = Conversation(sdk(ways["base URL"])), Conversation(sdk(ways["base URL"]))
    await one.say("Hi there")
    await two.say("Hi there")
    await one.say("Remember: the colour is red")
    answer = await two.say("What should you remember?")
    assert "red" not in answer
    chats = [turn["chat_id"] for turn in qwen.turns]
    assert chats[0] == chats[2]
    assert chats[1] == chats[3]
    assert chats[0] != chats[1]


async def test_a_conversation_goes_on_after_kill_and_restart(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """The node of a conversation survives `kill -9` of the bridge."""
    with mitmdump(qwen.url, tmp_path) as proxy:
        talk = Conversation(sdk(proxy))
        invented = await talk.say("Please invent a number.")
        assert proxy.process is not None
        os.kill(proxy.process.pid, signal.SIGKILL)
        proxy.process.wait()
    with mitmdump(qwen.url, tmp_path) as proxy:
        again = Conversation(sdk(proxy))
        again.history = talk.history
        repeated = await again.say("Now repeat the number you printed.")
    assert number_in(invented) in repeated
    turns = qwen.turns
    assert turns[1]["parent_id"] == turns[0]["response_id"]


async def test_unknown_history_opens_a_chat_that_holds_all_of_it(ways: dict[str, Proxy], qwen: RemoteSimulator) -> None:
    """First contact in the middle of a conversation sends every earlier word, and the question last."""
    talk = Conversation(sdk(ways["base URL"]), system="Answer in one line.")
    talk.history += [
        {"role": "user", "content": [{"type": "text", "text": "first question"}]},
        {"role": "assistant", "content": "The number is 314159."},
        {"role": "developer", "content": "Be brief."},
    ]
    answer = await talk.say("Now repeat the number you printed.")
    turn = qwen.turns[0]
    assert "314159" in answer
    assert turn["parent_id"] is None
    for words in ("Answer in one line.", "Be brief.", "first question", "The number is 314159."):
        assert words in turn["message"]
    assert turn["message"].rstrip().index("Now repeat the number you printed.") > turn["message"].index("314159")
