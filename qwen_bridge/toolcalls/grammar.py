"""One call at the start of a text: head, arguments, close, in any dialect and any mixture of dialects.

`read_call` is a pure function of the text. It reports what it read and what was wrong with it; whether that may run
is the policy's to say. The text must begin with an opener, which the gate has found.
"""

from __future__ import annotations

from qwen_bridge.messages import ToolSpec
from qwen_bridge.toolcalls import arguments as typing_of
from qwen_bridge.toolcalls.block import read_block
from qwen_bridge.toolcalls.catalogue import Catalogue, Tool
from qwen_bridge.toolcalls.dialects.head import Head
from qwen_bridge.toolcalls.dialects.heads import read_head
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.frame import Closing, Opening, read_closing, read_opening
from qwen_bridge.toolcalls.headed import read_headed
from qwen_bridge.toolcalls.json_call import read_json_call
from qwen_bridge.toolcalls.reading import Call, Reading, checked_call, reading_of
from qwen_bridge.toolcalls.ruins import named_in, wrapper_end


def read_call(text: str, catalogue: Catalogue) -> Reading | None:
    """The call, or the envelope of calls, at the start of `text`; None where there is none after all."""
    opening = read_opening(text, 0)
    if not opening.named and text[opening.end : opening.end + 1] in ("{", "[", '"', "'"):
        reading = read_json_call(text, opening, catalogue)
        if reading is not None:
            return reading if reading.calls else None
    head = _head(text, opening, catalogue)
    if head is not None:
        return read_headed(text, opening, head, catalogue)
    return _read_headless(text, opening, catalogue)


def _head(text: str, opening: Opening, catalogue: Catalogue) -> Head | None:
    if opening.named:
        return Head(opening.named, opening.end, "qwen3_coder_xml", repair="head.wrapper_attribute")
    return read_head(text, opening.end, catalogue, wrapped=opening.wrapped)


def _read_headless(text: str, opening: Opening, catalogue: Catalogue) -> Reading | None:
    """A wrapper with parameters and no name, or one that holds nothing that can be read."""
    if not opening.wrapped and not opening.fenced:
        return None
    nobody = Tool(ToolSpec("", "", {}), harmless=False)
    block = read_block(text, opening.end, nobody, wrapped=True)
    closing = read_closing(text, block.end, opening, frozenset())
    if not block.values:
        open_end = opening.end >= len(text)
        end = len(text) if open_end else max(closing.end, opening.end)
        flaw = Flaw.HEAD_OPEN if open_end else Flaw.MALFORMED
        end = wrapper_end(text, end) if flaw is Flaw.MALFORMED else end
        call = Call(named_in(text, opening.end, catalogue), None, {}, frozenset({flaw}))
        return reading_of(text, (call,), Closing(end), opening, "mixed")
    tool = catalogue.by_keys(key for key, _ in block.values)
    if tool is None:
        call = Call("", None, {}, frozenset({Flaw.NAMELESS}))
        return reading_of(text, (call,), closing, opening, "qwen3_coder_xml")
    arguments, repairs, doubts = typing_of.from_text(tool, block.values)
    missing = {Flaw.CLOSER_MISSING} if not closing.wrapper else set()
    call = checked_call(tool, arguments, block.flaws | missing | doubts, ["name.inferred", *block.repairs, *repairs])
    return reading_of(text, (call,), closing, opening, "qwen3_coder_xml")
