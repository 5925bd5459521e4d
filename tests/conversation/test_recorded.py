"""Real clients, turn by turn: each request must continue the one before it.

For every recorded request its answer is taken from the request after it, committed as the bridge commits it, and looked
for with the keys of that next request. `REWRITTEN` lists the requests that do not extend the one before, and why.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.conversation.canonical import MINTED_CALL_PREFIX, instructions_digest
from qwen_bridge.messages import ChatRequest, Message
from qwen_bridge.surfaces.chat_completions.request import parse
from tests.conversation.ledger import Ledger
from tests.harness.shared import CLIENTS, needs_shared

REWRITTEN = {
    "aider/02": "the file contents are put behind the finished turns, and white space is added to the question",
    "llm/03": "a new conversation: the recording holds two",
    "openai-node/04": "a new conversation: the non-stream call of the recording",
    "openai-python/04": "a new conversation: the non-stream call of the recording",
    "opencode/02": "request 01 asks for the title, beside the conversation",
    "opencode-reasoning/02": "request 01 asks for the title, beside the conversation",
}
NOT_CHAT_COMPLETIONS = {"ai-sdk-responses", "cline-native", "codex", "opencode-openai"}


def recorded() -> dict[str, list[tuple[str, ChatRequest]]]:
    """Client → its requests in order, those to `/chat/completions`."""
    found: dict[str, list[tuple[str, ChatRequest]]] = {}
    for path in sorted(CLIENTS.glob("*/[0-9]*.json")) if CLIENTS.is_dir() else ():
        body = read(path)
        if "messages" in body:
            name = f"{path.parent.name}/{path.stem}"
            found.setdefault(path.parent.name, []).append((name, parse(json.dumps(body).encode())))
    return found


def read(path: Path) -> dict[str, Any]:
    body = json.loads(path.read_bytes())["body"]
    return body if isinstance(body, dict) else {}


RECORDED = recorded()


def as_minted(message: Message) -> Message:
    """The message as if the bridge had handed out the ids of its calls."""

    def own(call_id: str) -> str:
        return MINTED_CALL_PREFIX + call_id.removeprefix("call_")

    calls = tuple(replace(call, id=own(call.id)) for call in message.tool_calls)
    return replace(message, tool_calls=calls, tool_call_id=own(message.tool_call_id) if message.tool_call_id else None)


def as_said(message: Message) -> Message:
    """The answer as the bridge gave it, arguments in another form than the client's echo."""
    calls = [
        replace(call, arguments=json.dumps({"unknown": 1, **json.loads(call.arguments)}, indent=1))
        for call in message.tool_calls
    ]
    return replace(message, tool_calls=tuple(calls))


def extends(before: list[Message], after: list[Message]) -> bool:
    """Whether `after` is `before`, an answer and more."""
    return len(after) > len(before) and after[: len(before)] == before and after[len(before)].role == "assistant"


@needs_shared
@pytest.mark.parametrize("ids", ["minted", "foreign"])
@pytest.mark.parametrize("client", sorted(RECORDED))
def test_each_request_continues_the_one_before(client: str, ids: str) -> None:
    """A follow-up hits the node of the turn before it, in its chat, except where the client rewrote its history."""
    convert = as_minted if ids == "minted" else replace
    turns = [(name, [convert(m) for m in request.dialogue], request) for name, request in RECORDED[client]]
    ledger, served_in, rewritten = Ledger(), "", set[str]()
    for position, (name, history, request) in enumerate(turns):
        before = turns[position - 1][1] if position else []
        after = turns[position + 1][1] if position + 1 < len(turns) else []
        answer = after[len(history)] if extends(history, after) else None
        said = as_said(answer) if answer and ids == "minted" else answer
        words, _, chat = ledger.turn(history, said, system=request.instructions).rpartition(" in ")
        if position and extends(before, history):
            assert (words, chat) == (f"hit depth={len(before) + 1}/{len(history)}", served_in), name
        elif position:
            assert words in ("new", "miss reason=unknown_history"), name
            rewritten.add(name)
        served_in = chat
    assert rewritten == {name for name in REWRITTEN if name.startswith(f"{client}/")}


@needs_shared
def test_every_recording_of_chat_completions_is_read() -> None:
    """No client is left out, but for those that speak the Responses API."""
    assert {folder.name for folder in CLIENTS.iterdir() if folder.is_dir()} - set(RECORDED) == NOT_CHAT_COMPLETIONS


@needs_shared
@pytest.mark.parametrize("client", sorted(RECORDED))
def test_instructions_stay_the_same_within_a_conversation(client: str) -> None:
    """No recorded client changes system text or tools between two turns of one conversation."""
    requests = [request for _, request in RECORDED[client]]
    for before, after in pairwise(requests):
        if extends(list(before.dialogue), list(after.dialogue)):
            assert instructions_digest(before) == instructions_digest(after)
