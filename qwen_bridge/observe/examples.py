"""Recorded exchanges as examples for fine-tuning: the history, and the call that was right for it.

The form is that of OpenAI's chat fine-tuning: one object a line with `messages`, whose last is the assistant's call,
with `tools` and `parallel_tool_calls`. Only exchanges count whose every call was released to the client; each example
comes once, whatever ids and times it had. Everything is redacted again: what looks like a secret may be better known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from qwen_bridge.observe.redaction import redact_value


@dataclass
class Tally:
    """What became of the lines that were read."""

    records: int = 0
    examples: int = 0
    duplicates: int = 0
    unreleased: int = 0
    unreadable: int = 0
    _seen: set[bytes] = field(default_factory=set, repr=False)

    def is_new(self, example: Mapping[str, Any]) -> bool:
        """Whether nothing like it came before."""
        digest = hashlib.sha256(json.dumps(example, sort_keys=True).encode()).digest()
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True


def examples(lines: Iterable[str], tally: Tally) -> Iterator[str]:
    """Recorded lines in, lines of a fine-tuning set out; `tally` is kept up to date."""
    for line in lines:
        if not line.strip():
            continue
        tally.records += 1
        try:
            example = _example(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            tally.unreadable += 1
            continue
        if example is None:
            tally.unreleased += 1
        elif not tally.is_new(example):
            tally.duplicates += 1
        else:
            tally.examples += 1
            yield json.dumps(redact_value(example), ensure_ascii=False)


def _example(record: Mapping[str, Any]) -> dict[str, Any] | None:
    calls = record["calls"]
    if not calls or any(call["verdict"] != "released" for call in calls):
        return None
    ids: dict[str, str] = {}
    history = [_numbered(message, ids) for message in record["messages"]]
    answer: dict[str, Any] = {"role": "assistant"}
    text = record["text"].strip() if record["client"] == "openai_tools" else ""  # else the call stands in the text
    if text:
        answer["content"] = text
    answer["tool_calls"] = [
        {
            "id": f"call_{len(ids) + number}",
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["arguments"], ensure_ascii=False)},
        }
        for number, call in enumerate(calls, 1)
    ]
    return {
        "messages": [*history, answer],
        "tools": record["tools"],
        "parallel_tool_calls": bool(record["parallel_tool_calls"]),
    }


def _numbered(message: Mapping[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """A message whose call ids are numbers in their order: two recordings of the same are the same."""

    def number(call_id: str) -> str:
        return ids.setdefault(call_id, f"call_{len(ids) + 1}")

    told = dict(message)
    if "tool_calls" in told:
        told["tool_calls"] = [{**call, "id": number(call["id"])} for call in told["tool_calls"]]
    if "tool_call_id" in told:
        told["tool_call_id"] = number(told["tool_call_id"])
    return told
