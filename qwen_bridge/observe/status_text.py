"""The JSON of `status` as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qwen_bridge.observe.figures import part, size, span, took

_SHOWN = 8
"""Requests and faults that are listed."""


def text(status: Mapping[str, Any]) -> str:
    """What `qwen-bridge status` prints. Ends with a line break."""
    return "".join(_plain(line) + "\n" for line in _lines(status))


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    state = "ready" if status["ready"] else "not ready"
    yield f"qwen-bridge {status['version']} is {state}, up {span(status['uptime'])}"
    for problem in status["problems"]:
        yield f"  ! {problem['code']}: {problem['advice']}"
    yield f"  base URL       {status['base_url']}"
    yield f"  answers from   {status['upstream']}"
    yield f"  now            {status['active']} answering, {status['waiting']} waiting"
    talks, store = status["conversations"], status["store"]
    counts = ", ".join(f"{talks[kind]} {kind}" for kind in ("hit", "miss", "new", "reset"))
    yield f"  conversations  {counts}; {part(talks['hit_ratio'])} went on in their chat"
    yield f"  bytes          {size(talks['bytes_saved'])} not sent again, {size(talks['bytes_up'])} sent"
    kept = f"{store['answers']} answers in {store['chats']} chats" if store["up"] else "does not answer"
    yield f"  store          {store['kind']}: {kept}"
    for account in status["accounts"]:
        named = f"{account['name']} {account['digest']}".rstrip()
        yield f"  session        {named}: {_account(account, status['now'])}"
    if status["turns"]:
        yield "last requests"
    for turn in status["turns"][:_SHOWN]:
        words = [turn["conversation"] if turn["kind"] != "none" else turn["route"], turn["outcome"]]
        words += [took(turn["seconds"]), turn["request_id"]]
        yield f"  {span(status['now'] - turn['ended'])} ago  {'  '.join(words)}"
    if status["faults"]:
        yield "faults"
    for fault in status["faults"][:_SHOWN]:
        yield f"  {fault['code']} ×{fault['count']}, {span(status['now'] - fault['seen'])} ago: {fault['advice']}"


def _account(account: Mapping[str, Any], now: float) -> str:
    words = [account["problem"] or "ready"]
    if account["rests"] > 0:
        words.append(f"rests {span(account['rests'])}")
    if account["expires_at"] is not None and account["expires_at"] > now:
        words.append(f"ends in {span(account['expires_at'] - now)}")
    if account["seen"] is not None:
        words.append(f"from your browser, seen {span(now - account['seen'])} ago")
    elif account["learned"]:
        words.append("waits for your browser")
    return ", ".join(words)


def _plain(line: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in line)
