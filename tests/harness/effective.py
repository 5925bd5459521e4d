"""What the model of a simulated Qwen was really told: a ledger's turn read back into a conversation.

Written from the words of `transcript` and `split` alone, as a careful reader would: borders divide, a file comes before
what stands in the message, `from now on` replaces, changed lines are put in their place. `context_of` is what an answer
was given in, `history_of` what the client had sent; the two must be the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.harness.taught import as_read, calls_in, not_run, noted, result_in, without_asides

OUTER = " \t\n\r\v\f\xa0\ufeff"
NOTE = re.compile(r"\n\n\[Response interrupted by [^\]]*\]$")
"""What Roo and Cline append to an answer they stopped reading; it is theirs, not the assistant's."""


class Part(NamedTuple):
    """One thing that was said: by whom (`user`, `assistant`, `calls NAME`, `result NAME`, `note`), and what."""

    speaker: str
    text: str


@dataclass
class Context:
    """A conversation: the instructions in force, and all that was said, in order."""

    instructions: str = ""
    parts: list[Part] = field(default_factory=list)


class _Block(NamedTuple):
    label: str
    text: str


def context_of(turn: Mapping[str, Any]) -> Context:
    """The conversation that the answer of a ledger's turn was given in, its own question included."""
    context = Context()
    for entry in turn["context"]:
        if entry["role"] == "assistant":
            _spoke(context, entry["content"])
        else:
            _hear(context, entry["content"], entry.get("files", []))
    _hear(context, turn["message"], turn["files"])
    return context


def history_of(messages: Iterable[Mapping[str, Any]]) -> Context:
    """The conversation of a client's request, in OpenAI's form."""
    context, names = Context(), dict[str, str]()
    instructions: list[str] = []
    for message in messages:
        text = _text(message.get("content"))
        match message["role"]:
            case "system" | "developer":
                instructions.append(text)
            case "user":
                context.parts.append(Part("user", text))
            case "assistant":
                calls = message.get("tool_calls") or []
                text, withheld = not_run(text)
                if text.strip() or not (calls or withheld):
                    context.parts.append(_answer(text))
                for call in calls:
                    names[call["id"]] = call["function"]["name"]
                    context.parts.append(_call(names[call["id"]], as_read(call["function"]["arguments"])))
                if withheld:
                    context.parts.append(Part("note", withheld))
            case "tool":
                context.parts.append(Part(f"result {names.get(message['tool_call_id'], '')}".rstrip(), text))
    context.instructions = "\n\n".join(instructions)
    return context


def _answer(text: str) -> Part:
    return Part("assistant", NOTE.sub("", text.strip(OUTER)).strip(OUTER))


def _call(name: str, arguments: str) -> Part:
    return Part(f"calls {name}", arguments)


def _spoke(context: Context, answer: str) -> None:
    """Add an answer, with its calls, as the model itself gave it."""
    words, calls = calls_in(answer)
    if words.strip() or not calls:
        context.parts.append(_answer(words))
    context.parts += [_call(*call) for call in calls]


def _text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _hear(context: Context, message: str, files: Sequence[Mapping[str, Any]]) -> None:
    """Add one message of the bridge's, with its files, to the conversation."""
    message = without_asides(message)
    found = re.match(r"[^\n]*`=== ([0-9a-f]{12,}) \.\.\. ===`", message)
    if found is None:
        assert not files, "a file belongs to a divided message"
        context.parts.append(Part("user", message))
        return
    mark = found[1]
    inline = _blocks(message, mark)
    filed = [block for file in files for block in _blocks(without_asides(file["text"]), mark)]
    for block in _merged(inline, filed):
        _apply(context, block)


def _blocks(text: str, mark: str) -> list[_Block]:
    pieces = re.split(rf"^=== {mark} (.*) ===$\n?", text, flags=re.MULTILINE)[1:]
    blocks: list[_Block] = []
    for label, body in zip(pieces[::2], pieces[1::2], strict=True):
        if label.endswith("bytes left out"):  # a cut inside an excerpt, not a part
            blocks[-1] = _Block(blocks[-1].label, blocks[-1].text + body)
        else:
            blocks.append(_Block(label, body))
    # The line end before a border is the border's.
    last = len(blocks) - 1
    return [_Block(label, body if at == last else body.removesuffix("\n")) for at, (label, body) in enumerate(blocks)]


def _merged(inline: Sequence[_Block], filed: Sequence[_Block]) -> list[_Block]:
    """Both in one order. An excerpt and its whole are the same part and so one place; between two such places, what
    stands in the file came before what stands in the message.
    """
    merged: list[_Block] = []
    waiting = list(filed)
    held: list[_Block] = []  # parts of the message since the last such place
    for block in inline:
        found = re.fullmatch(r"(.*), excerpt (\d+)", block.label)
        if found is None:
            held.append(block)
            continue
        whole = next(b for b in waiting if b.label == f"{found[1]}, whole of excerpt {found[2]}")
        at = waiting.index(whole)
        merged += [*waiting[:at], *held, _Block(found[1], whole.text)]
        waiting, held = waiting[at + 1 :], []
    merged += [*waiting, *held]
    assert not [block for block in merged if "whole of excerpt" in block.label], "a whole without its excerpt"
    return merged


def _apply(context: Context, block: _Block) -> None:
    label, text = block
    name = json.loads(found[1]) if (found := re.search(r'("(?:[^"\\]|\\.)*")', label)) else ""
    if label == "instructions" or label.startswith("instructions from now on"):
        context.instructions = text
    elif label.startswith("changes to the instructions"):
        context.instructions = _changed(context.instructions, text)
    elif label.startswith("tools"):
        pass  # what can be called is no part of what was said
    elif label == "note":
        context.parts.append(Part("note", noted(text)))
    elif label.startswith("assistant calls the tool"):
        _, calls = calls_in(text)
        context.parts += [_call(*call) for call in calls] or [_call(name, as_read(text))]
    elif label.startswith("result of"):
        context.parts.append(Part(f"result {name}".rstrip(), result_in(text, name)))
    elif label.startswith("user"):
        context.parts.append(Part("user", text))
    elif label.startswith("assistant"):
        context.parts.append(_answer(text))
    else:
        raise AssertionError(f"nobody can say who speaks under {label!r}")


def _changed(old: str, changes: str) -> str:
    """The instructions after a description of changed lines."""
    before, after, at = old.split("\n"), list[str](), 0
    for line in changes.split("\n"):
        if found := re.match(r"after line (\d+)", line):
            after += before[at : int(found[1])]
            at = int(found[1])
        elif line.startswith("- "):
            assert before[at] == line[2:], "a line is said to have gone that was not there"
            at += 1
        else:
            assert line.startswith("+ ")
            after.append(line[2:])
    return "\n".join([*after, *before[at:]])
