"""One line of a tool-call corpus in, what the bridge makes of it out: the core of `qwen-bridge toolcalls parse`.

Fields in: `{id, raw, chunks?, tools, client, phase?, thinking?, end?}` as in the corpus (knowledge/toolcalls.md 1).
Fields out: `{id, calls, text, withheld, repairs, dialect}`; `text` is what the client would receive, and for
`roo_xml` holds the calls as XML. How the text is cut into deltas must not matter, and can be chosen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qwen_bridge.errors import AnswerCutOff
from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    StreamEvent,
    TextDelta,
)
from qwen_bridge.messages import ToolSpec
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.outbox import Client
from qwen_bridge.toolcalls.policy import ToolSettings

MAX_PIECE = 24
"""Characters of the longest piece of a random cut."""


class CountedIds:
    """Ids that count; a parsed case must be the same every time."""

    def __init__(self) -> None:
        self._count = 0

    def uuid(self) -> str:
        return f"00000000-0000-4000-8000-{self.token()[-12:]}"

    def token(self) -> str:
        self._count += 1
        return f"{self._count:024d}"


def parse(case: Mapping[str, Any], cut: str = "whole", settings: ToolSettings | None = None) -> dict[str, Any]:
    """What the bridge makes of one case. Raises `ValueError` for a `cut` that is none."""
    client: Client = "roo_xml" if case.get("client") == "roo_xml" else "openai_tools"
    extractor = ToolCallExtractor(specs(case.get("tools")), client, CountedIds(), settings)
    events: list[StreamEvent] = []
    for item in _input(case, cut):
        events += extractor.feed(item)
    events += extractor.close()
    report = extractor.report
    return {
        "id": case.get("id"),
        "calls": [{"name": call.name, "arguments": dict(call.arguments)} for call in report.released],
        "text": "".join(event.text for event in events if isinstance(event, TextDelta)),
        "withheld": [call.name for call in report.withheld],
        "repairs": list(dict.fromkeys(repair for call in report.calls for repair in call.repairs)),
        "dialect": report.calls[0].dialect if report.calls else "none",
    }


def answers(lines: Iterable[bytes], cut: str) -> Iterator[tuple[str, str]]:
    """For each line that is not blank its result as a line, and a complaint with a newline where it is no case.

    Raises `ValueError` for a `cut` that is none, before anything is read.
    """
    list(pieces("", cut))
    for number, line in enumerate(lines, 1):
        if line.strip():
            result = parse_line(line, cut)
            yield written(result), f"Line {number} is no case: {result['error']}\n" if "error" in result else ""


def parse_line(line: bytes, cut: str = "whole") -> dict[str, Any]:
    """As `parse` for one line of JSON. A line that is no case gives an empty result that says why in `error`."""
    try:
        case = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _no_case(str(error))
    return parse(case, cut) if isinstance(case, dict) else _no_case("It is no object.")


def _no_case(reason: str) -> dict[str, Any]:
    return {"id": None, "calls": [], "text": "", "withheld": [], "repairs": [], "dialect": "none", "error": reason}


def specs(tools: Any) -> list[ToolSpec]:
    """Tools as a corpus line declares them: flat, in OpenAI's `function` envelope, by name alone, or name → schema."""
    if isinstance(tools, Mapping):
        tools = [{"name": name, "parameters": schema} for name, schema in tools.items()]
    if not isinstance(tools, list | tuple):
        return []
    found: list[ToolSpec] = []
    for tool in tools:
        if isinstance(tool, str):
            found.append(ToolSpec(tool, "", {}))
            continue
        inner = tool.get("function") if isinstance(tool, Mapping) else None
        flat = inner if isinstance(inner, Mapping) else tool
        if not isinstance(flat, Mapping) or not isinstance(flat.get("name"), str):
            continue
        schemas = (flat.get(key) for key in ("parameters", "input_schema", "inputSchema"))
        schema: Mapping[str, Any] = next((one for one in schemas if isinstance(one, Mapping)), {})
        found.append(ToolSpec(flat["name"], str(flat.get("description") or ""), schema))
    return found


def written(result: Mapping[str, Any]) -> str:
    """A result as one line of JSON. Where it holds a lone surrogate, which UTF-8 cannot carry, all of it is ASCII."""
    text = json.dumps(result, ensure_ascii=False)
    return text if text.isascii() or text.encode("utf-8", "ignore").decode() == text else json.dumps(result)


def pieces(text: str, cut: str) -> Iterator[str]:
    """`text` cut as `whole`, `chars`, or `random:SEED` says."""
    if cut == "whole":
        yield text
    elif cut == "chars":
        yield from text
    elif cut.startswith("random:"):
        yield from _scattered(text, cut.partition(":")[2])
    else:
        raise ValueError(f"a cut is whole, chars or random:SEED, not {cut!r}")


def _scattered(text: str, seed: str) -> Iterator[str]:
    """Pieces of 1 to `MAX_PIECE` characters, the same for the same seed: this room draws no random numbers."""
    at, count = 0, 0
    while at < len(text):
        digest = hashlib.blake2b(f"{seed}:{count}".encode(), digest_size=32).digest()
        count += 1
        for byte in digest:
            size = 1 + byte % MAX_PIECE
            if at < len(text):
                yield text[at : at + size]
            at += size


def _input(case: Mapping[str, Any], cut: str) -> Iterator[StreamEvent]:
    raw = str(case.get("raw") or "")
    in_thinking = case.get("phase") in ("think", "thinking_summary")
    thinking = str(case.get("thinking") or "")
    if thinking and not (in_thinking and thinking == raw):  # the same text, told twice
        yield ReasoningDelta(thinking)
    chunks = case.get("chunks")
    streamed = isinstance(chunks, list) and "".join(map(str, chunks)) == raw
    parts = [str(chunk) for chunk in chunks] if cut == "whole" and chunks and streamed else pieces(raw, cut)
    for part in parts:
        yield ReasoningDelta(part) if in_thinking else TextDelta(part)
    match case.get("end"):
        case "abort":
            yield ResponseFailed(AnswerCutOff("The answer broke off."))
        case "length":
            yield ResponseEnded("length")
        case _:
            yield ResponseEnded("stop")
