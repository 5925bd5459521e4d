"""What is too long for Qwen's firewall travels as a file, or is refused with its size; nothing is lost in silence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwen_bridge.simulator.requests import Reply
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.uploads import Uploads
from tests.harness.effective import context_of, history_of
from tests.harness.proxy import client, in_process

KIB = 1024
WORDS = {
    "words": "All work and no play. ",
    "CJK": "只工作不玩耍，聪明的孩子也变傻。\n",
    "escapes": 'say "\\t" \t and\r\n "\\n" \n',
}


def history(size: int, text: str) -> list[dict[str, Any]]:
    """A conversation of about `size` bytes in UTF-8: an agent's instructions, and many turns of 7 KB at most."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "Be exact."}]
    turns = max(2, size // (7 * KIB))
    for turn in range(turns):
        body = text * (size // turns // len(text.encode()))
        messages.append({"role": ("user", "assistant")[turn % 2], "content": f"{turn}: {body}"})
    if messages[-1]["role"] == "user":
        messages.append({"role": "assistant", "content": "So it is."})
    return [*messages, {"role": "user", "content": "What should you remember?"}]


def with_a_result(size: int) -> list[dict[str, Any]]:
    """One tool result of `size` bytes, and the question it is the answer to before it."""
    call = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": '{"path":"a.log"}'}}
    return [
        {"role": "user", "content": "remember: the log is long\nRead a.log and tell what went wrong."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "".join(f"line {n}\n" for n in range(size // 12))[:size]},
    ]


async def ask(http: httpx.AsyncClient, messages: list[dict[str, Any]], **more: Any) -> httpx.Response:
    request = {"model": "gpt-4o", "messages": messages, **more}
    return await http.post("/v1/chat/completions", json=request)


CASES = {
    **{f"{size} KiB, {name}": history(size * KIB, text) for size in (60, 90, 120, 400) for name, text in WORDS.items()},
    "3 MiB": history(3 * KIB * KIB, WORDS["words"]),
    "3 MiB, CJK": history(3 * KIB * KIB, WORDS["CJK"]),
    "one result of 300 KiB": with_a_result(300 * KIB),
    "one question of 300 KiB": [{"role": "user", "content": WORDS["CJK"] * 6_000 + "What should you remember?"}],
}


@pytest.mark.parametrize("messages", CASES.values(), ids=CASES.keys())
async def test_every_length_is_answered_in_the_whole_context(
    messages: list[dict[str, Any]], simulator: Simulator, tmp_path: Path
) -> None:
    """Qwen reads every byte that the client sent, in its order; the next turn goes on from there."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        answer = await ask(http, messages)
        assert answer.status_code == 200, answer.text
        said = answer.json()["choices"][0]["message"]
        assert said["content"]
        more = [*messages, said, {"role": "user", "content": "And now?"}]
        again = await ask(http, more)
    first, second = simulator.ledger.to_json()["turns"]
    assert context_of(first) == history_of(messages)
    assert context_of(second) == history_of(more)
    assert max(first["request_bytes"], second["request_bytes"]) <= 94_096
    assert again.headers["x-qwen-bridge-conversation"].startswith(f"hit depth={len(history_of(messages).parts) + 1}/")
    assert simulator.ledger.to_json()["refused"] == []


async def test_a_long_tail_travels_as_a_file_too(simulator: Simulator, tmp_path: Path) -> None:
    """In a chat that is known, one huge paste goes with the message that continues it."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        said = (await ask(http, messages)).json()["choices"][0]["message"]
        messages += [said, {"role": "user", "content": "Look:\n" + WORDS["words"] * 10_000}]
        answer = await ask(http, messages, stream=True)
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert "hit depth=2/3" in answer.headers["x-qwen-bridge-conversation"]
    turn = simulator.ledger.to_json()["turns"][1]
    assert [file["name"] for file in turn["files"]]
    assert context_of(turn) == history_of(messages)


@pytest.mark.parametrize("model", ["qwen3-max", "qwen3-coder-plus"])
async def test_a_huge_result_of_a_declared_tool_is_whole(model: str, simulator: Simulator, tmp_path: Path) -> None:
    """In the form that the model was taught, too, every byte of a result reaches it."""
    messages = with_a_result(300 * KIB)
    tools = [{"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}]
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        answer = await ask(http, messages, tools=tools, model=model)
    assert answer.status_code == 200, answer.text
    (turn,) = simulator.ledger.to_json()["turns"]
    assert context_of(turn) == history_of(messages)
    assert turn["request_bytes"] <= 94_096


@pytest.mark.parametrize(("size", "status"), [(100 * KIB, 200), (200 * KIB, 400)])
async def test_without_uploads_the_message_is_whole_or_refused(
    size: int, status: int, simulator: Simulator, tmp_path: Path
) -> None:
    """Up to the firewall's limit it is sent as it is; above it the client is told the sizes, and can condense."""
    messages = history(size, WORDS["words"])
    async with in_process(simulator.url, tmp_path, store="memory", uploads="off") as proxy, client(proxy) as http:
        answer = await ask(http, messages)
    check(answer, status)
    assert [context_of(turn) for turn in simulator.ledger.to_json()["turns"]] == [history_of(messages)] * (
        status == 200
    )


@pytest.mark.parametrize(("size", "status"), [(100 * KIB, 200), (200 * KIB, 400)])
@pytest.mark.parametrize("broken", ["issue", "put", "get"])
async def test_a_refused_upload_is_no_empty_answer(
    broken: str, size: int, status: int, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No grant, no place for the bytes, no parse: whole where the firewall bears it, otherwise the clear 400."""

    def refuse(*_: object) -> Any:
        raise ValueError("no")

    missing = {"issue": refuse, "put": lambda _self, _request: refused_put(), "get": lambda *_: None}
    monkeypatch.setattr(Uploads, broken, missing[broken])
    messages = history(size, WORDS["words"])
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        answer = await ask(http, messages)
    check(answer, status)
    assert len([*simulator.world.chats]) == (status == 200)


async def test_a_file_is_uploaded_once_for_all_attempts(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that is put again uses the file that is there already."""
    issued: list[str] = []
    issue = Uploads.issue

    def counted(self: Uploads, account: str, *rest: Any) -> Any:
        issued.append(account)
        return issue(self, account, *rest)

    monkeypatch.setattr(Uploads, "issue", counted)
    simulator.script([{"fault": "empty_stream"}, {"text": "Fine."}])
    messages = history(120 * KIB, WORDS["words"])
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        answer = await ask(http, messages)
    assert answer.json()["choices"][0]["message"]["content"] == "Fine."
    assert len(issued) == 1


def refused_put() -> Reply:
    body = b"<Error><Code>AccessDenied</Code></Error>"
    return Reply(status=403, content_type="application/xml", body=body)


def check(answer: httpx.Response, status: int) -> None:
    """An answer, or the refusal that names the sizes."""
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["choices"][0]["message"]["content"]
        return
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
    needed, room = re.findall(r"([\d,]{6,}) bytes", error["message"])
    assert 195 * KIB < int(needed.replace(",", "")) < 205 * KIB
    assert 115_000 < int(room.replace(",", "")) < 117_000
