"""Answers of the history as the model should see them again: as it said them, and without what went wrong.

What the bridge added for the client is taken out: its sentences about calls that did not run, and the marks that made a
mention of a tool harmless. Markup of calls that once leaked into an answer's text is taken out too, where it is certain
that it is markup, for a model imitates what it has written: a whole call that can be read in one way, a lone wrapper
tag that nothing opens or closes, a control token of the chat template. Everything else stays as the client sent it,
code and half calls included. Only words to the model are changed: which conversation it is was decided before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from qwen_bridge.events import ResponseEnded, TextDelta
from qwen_bridge.messages import Message, Part, TextPart, ToolSpec
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.neutralise import restore
from qwen_bridge.toolcalls.notices import NotRun, without_not_run

_SUSPECT: Final = re.compile(r"<(?:/?tool_call\b|function=|parameter=|\|im_)|<invoke\b")
"""What leaked markup holds; an answer without it is not looked at any further."""

_CONTROL: Final = re.compile(r"[ \t]*<\|im_(?:end|start)\|>(?:assistant\b)?[ \t]*\Z")
_WRAPPER: Final = re.compile(r"^[ \t]*<(/?)tool_call>[ \t]*$", re.MULTILINE)
_FENCE: Final = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


class EarlierAnswers:
    """`declared` and `described` are the tools of the request; see `Tooling`."""

    def __init__(self, declared: Sequence[ToolSpec], described: Sequence[ToolSpec]) -> None:
        self._declared = declared
        self._names = [tool.name for tool in described]

    def as_said(self, message: Message) -> tuple[Message, list[NotRun]]:
        """The message, and the calls in it that did not run."""
        if message.role != "assistant" or not (self._declared or self._names):
            return message, []
        withheld: list[NotRun] = []
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, TextPart):
                text, told = without_not_run(part.text)
                withheld += told
                text = self._clean(text)
                if text or not told:
                    parts.append(TextPart(text))
            else:
                parts.append(part)
        return replace(message, parts=tuple(parts)), withheld

    def _clean(self, text: str) -> str:
        if self._names:
            return restore(text, self._names)
        if not _SUSPECT.search(text):
            return text
        rest = self._without_calls(_CONTROL.sub("", text))
        cleaned = text if rest is None else _without_lone_wrappers(rest)
        return cleaned if cleaned.strip() else text

    def _without_calls(self, text: str) -> str | None:
        """`text` without its calls; None where one of them is not whole. The reader of answers decides what is one."""
        reader = ToolCallExtractor(self._declared, "openai_tools", _NoIds())
        events = [*reader.feed(TextDelta(text)), *reader.feed(ResponseEnded("stop"))]
        if reader.report.withheld or reader.report.refused:
            return None
        if not reader.report.released:
            return text
        return "".join(event.text for event in events if isinstance(event, TextDelta)).rstrip()


class _NoIds:
    """Ids for calls that nobody will see."""

    def uuid(self) -> str:
        return ""

    def token(self) -> str:
        return ""


def _without_lone_wrappers(text: str) -> str:
    """`text` without one `<tool_call>` or `</tool_call>` on a line of its own, where it has no partner and no code."""
    found = list(_WRAPPER.finditer(text))
    if len(found) != 1 or _FENCE.search(text):
        return text
    return (text[: found[0].start()].rstrip() + text[found[0].end() :]).strip("\n")
