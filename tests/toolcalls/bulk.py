"""Hostile bodies as long as a call may be, in every dialect and for both sorts of clients: `scripts/toolcalls --bulk`.

Each ingredient fills a body of nearly 1 MiB, and all of them together another. Beside it stands how long a 400 KB
argument takes in deltas of four characters. The exit status is 1 where a body did not arrive to the byte, unless it
was withheld as the policy wants: a closer that may be that of a lost parameter makes two readings.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from qwen_bridge.events import ResponseEnded, TextDelta
from qwen_bridge.toolcalls.cases import CountedIds, specs
from qwen_bridge.toolcalls.client_reader import read_answer
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.policy import MAX_CALL, Reason
from tests.toolcalls.bench import TOOLS, XML_TOOLS, Answer, bare, hermes, qwen_xml, tagged

FRAME = 600
"""Characters that are left for what stands around a body."""

INGREDIENTS = {
    "entities": "&lt;b&gt; &amp; &#39;\n",
    "CDATA": "x = '<![CDATA[x]]>'\n",
    "CDATA end": "a ]]> b\n",
    "fences": "```python\nprint(1)\n```\n",
    "tool tags": "<read_file>\n<path>x</path>\n</read_file>\n",
    "calls": "<tool_call>\n<function=put>\n<parameter=path>\nx\n</parameter>\n</function>\n</tool_call>\n",
    "JSON calls": '{"name": "put", "arguments": {"path": "x"}}\n',
    "own closers": "say </content> or </parameter> here\n",
    "CRLF": "line\r\nline\r\n",
    "trailing blanks": "trailing blanks   \n\t \n",
    "newlines": "\n",
    "NUL": "nul \x00 and \x1f\n",
    "lone surrogates": "lone \ud800 surrogate\n",
    "emoji": "🚀 Grüße\n",
    "quotes": "quotes \" ' ` \\ \\n \\u00e9\n",
    "brackets": "if a < b > c: {[(\n",
}
INGREDIENTS["all of them"] = "".join(INGREDIENTS.values())

type Write = Callable[[str, str], str]


def _invoked(tool: str, body: str) -> str:
    values = f'<parameter name="path">a</parameter>\n<parameter name="content">\n{body}\n</parameter>\n'
    return f'<function_calls>\n<invoke name="{tool}">\n{values}</invoke>\n</function_calls>'


FORMS: dict[str, Write] = {
    "qwen_xml": lambda tool, body: qwen_xml(tool, {"path": "a", "content": body}),
    "qwen_xml, no wrapper": lambda tool, body: qwen_xml(tool, {"path": "a", "content": body}, wrapped=False),
    "tool tags": lambda tool, body: tagged(tool, {"content": body, "path": "a"}),
    "invoke": _invoked,
    "hermes": lambda tool, body: hermes(tool, {"path": "a", "content": body}),
    "bare JSON": lambda tool, body: bare(tool, {"path": "a", "content": body}),
}


def filled(unit: str, form: str, size: int = MAX_CALL - FRAME) -> str:
    """`unit` again and again, as often as a call of `size` characters in this form has room for."""
    written = len(json.dumps(unit)) - 2 if form in ("hermes", "bare JSON") else len(unit)
    return unit * (size // written)


def told(ingredient: str, form: str) -> tuple[Answer, bool]:
    """The answer that an OpenAI client gets, and whether the body is in it to the byte."""
    body = filled(INGREDIENTS[ingredient], form)
    answer = Answer(FORMS[form]("put", body))
    return answer, answer.calls == [("put", {"path": "a", "content": body})] and answer.text == ""


def told_in_xml(ingredient: str, form: str) -> tuple[Answer, bool]:
    """The answer that an XML client gets, and whether its parser reads the body in it to the byte."""
    body = filled(INGREDIENTS[ingredient], form)
    answer = Answer(FORMS[form]("write_to_file", body), tools=XML_TOOLS, client="roo_xml")
    calls = read_answer(answer.text, {tool["name"]: tool["parameters"]["properties"] for tool in XML_TOOLS})
    return answer, [dict(call.values) for call in calls if call.finished] == [{"path": "a", "content": body}]


def unclear(ingredient: str, form: str, client: str) -> bool:
    """Whether the policy withholds this body: its closers may be those of a parameter whose opener was lost."""
    return ingredient in ("own closers", "all of them") and client == "XML" and form.startswith(("qwen_xml", "invoke"))


ARGUMENTS = {
    "prose": "The quick brown fox jumps over the lazy dog and goes on its way.\n",
    "code": 'def read(self, path: str) -> dict[str, int]:\n    if a < b and c > d:\n        return {"a": [1, 2]}\n',
    "HTML": '<div class="row"><p>Some <b>bold</b> words</p>\n<a href="/x?a=1&amp;b=2">link</a></div>\n',
}


def seconds(kind: str, form: str, size: int = 400_000, rounds: int = 5) -> float:
    """Processor time for an argument of `size` characters in deltas of four: the best of all rounds."""
    text = FORMS[form]("put", ARGUMENTS[kind] * (size // len(ARGUMENTS[kind])))
    deltas = [TextDelta(text[at : at + 4]) for at in range(0, len(text), 4)]
    best = float("inf")
    for _ in range(rounds):
        extractor = ToolCallExtractor(specs(TOOLS), "openai_tools", CountedIds())
        gc.collect()
        begun = time.process_time()
        for delta in deltas:
            extractor.feed(delta)
        extractor.feed(ResponseEnded("stop"))
        best = min(best, time.process_time() - begun)
    return best


def main() -> int:
    """Print what arrived, and the times."""
    failed = 0
    sides: tuple[tuple[str, Any], ...] = (("OpenAI", told), ("XML", told_in_xml))
    for client, tell in sides:
        for ingredient in INGREDIENTS:
            for form in FORMS:
                answer, arrived = tell(ingredient, form)
                reasons = [call.decision.reason for call in answer.extractor.report.withheld]
                right = reasons == [Reason.UNCLEAR] if unclear(ingredient, form, client) else arrived
                failed += not right
                verdict = "to the byte" if arrived else "withheld" if right else "FAILED"
                print(f"{client:8}{ingredient:18}{form:22}{verdict}")
    print(f"\n{2 * len(INGREDIENTS) * len(FORMS)} bodies of 1 MiB, {failed} failed; 400 KB in deltas of four, s:")
    for kind in ARGUMENTS:
        print(f"{kind:8}" + "".join(f"{form}: {seconds(kind, form):.3f}   " for form in FORMS))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
