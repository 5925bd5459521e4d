"""Cases from a seed: `invent(seed, count)` gives lines as a corpus has them, with what the policy expects of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from tests.toolcalls.invented import json_defects, param_defects, tag_defects
from tests.toolcalls.invented.cuts import cut
from tests.toolcalls.invented.defect import Broken, Defect, Want
from tests.toolcalls.invented.forms import FORMS, IN_TAGS, Written, can_write, fits_one_line
from tests.toolcalls.invented.material import BODY_KEYS, HOSTILE, ROO, SETS, Tool, arguments, soup
from tests.toolcalls.invented.prose import mention

DEFECTS: tuple[Defect, ...] = (*tag_defects.DEFECTS, *param_defects.DEFECTS, *json_defects.DEFECTS)
KINDS = ("defect", "defect", "defect", "defect", "pair", "hostile", "cut", "cut", "mention", "several", "think")

_AT_THE_END = ("closer", "param.close", "wrapper.close", "wrapper.none", "prose.around")
"""Defects of which two together are the picture of a cut."""

type Case = dict[str, Any]


def invent(seed: int, count: int) -> Iterator[Case]:
    """`count` cases; the same ones for the same seed."""
    rng = Random(seed)
    made = 0
    while made < count:
        case = _case(rng, rng.choice(KINDS))
        if case is not None:
            made += 1
            yield {"id": f"inv-{seed}-{made}", **case}


def _case(rng: Random, kind: str) -> Case | None:
    tools = ROO if rng.random() < 0.15 else rng.choice(SETS)
    tool = rng.choice(tools)
    match kind:
        case "defect":
            return _defect(rng, tools, tool)
        case "pair":
            return _pair(rng, tools, tool)
        case "hostile":
            return _hostile(rng, tools, tool)
        case "cut":
            call = _write(rng, tool, rng.choice([name for name in FORMS if name != "json_fence"]))
            return _cut(rng, tools, call)
        case "mention":
            call = _write(rng, tool, rng.choice(("qwen3_coder_xml", "tool_tag_xml", "invoke_xml", "hermes_json")))
            group, text = mention(call, rng)
            return _line(tools, call, Broken(call, "none", text), group, rng)
        case "several":
            return _several(rng, tools)
        case _:
            return _think(rng, tools, tool)


def _write(rng: Random, tool: Tool, dialect: str, given: dict[str, Any] | None = None) -> Written:
    form = FORMS[dialect if can_write(tool, dialect) else "qwen3_coder_xml"]
    return form(tool, arguments(tool, rng) if given is None else given, rng)


def _defect(rng: Random, tools: list[Tool], tool: Tool) -> Case | None:
    defect = rng.choice(DEFECTS)
    call = _write(rng, tool, rng.choice(defect.dialects))
    broken = defect.make(call, rng) if call.dialect in defect.dialects else None
    return None if broken is None else _line(tools, call, broken, defect.name, rng)


def _pair(rng: Random, tools: list[Tool], tool: Tool) -> Case | None:
    """Two defects in one call, of those that leave its tokens as they are."""
    call = _write(rng, tool, rng.choice(IN_TAGS))
    fitting = [one for one in DEFECTS if one.plain and call.dialect in one.dialects]
    first, second = rng.sample(fitting, 2)
    one = first.make(call, rng)
    groups = {defect.name.partition(".")[0] for defect in (first, second)}
    if one is None or one.text is not None or len(groups) < 2 or groups == {"name", "opener"}:
        return None
    two = second.make(one.written, rng)
    if two is None:
        return None
    wants = {one.want, two.want}
    both_cut = all(one.name.startswith(_AT_THE_END) for one in (first, second))
    want: Want = "none" if "none" in wants else "either" if "either" in wants or both_cut else "call"
    return _line(tools, call, replace(two, want=want), "pair", rng, note=f"{first.name} + {second.name}")


def _cut(rng: Random, tools: list[Tool], call: Written) -> Case | None:
    made = cut(call, rng)
    if made is None:
        return None
    what, one = made
    broken = Broken(call, one.want, one.text, ((call.name, one.given),))
    return _line(tools, call, broken, f"truncation.{what}", rng, one.end)


def _hostile(rng: Random, tools: list[Tool], tool: Tool) -> Case | None:
    """A good call whose body holds the marks of calls; a tag form may find no single reading of some."""
    given = arguments(tool, rng)
    bodies = [key for key in given if key in BODY_KEYS]
    if not bodies:
        return None
    key = rng.choice(bodies)
    mixed = rng.random() < 0.5
    given[key] = soup(rng) if mixed else rng.choice(HOSTILE)
    dialect = rng.choice(list(FORMS))
    if dialect == "json_fence" and "```" in given[key]:
        return None
    call = _write(rng, tool, dialect, given)
    if call.compact and not fits_one_line(given):
        return None
    sure = not call.having("open") or not (mixed or _holds_own_marks(call, given[key]))
    broken = Broken(call, "call" if sure else "either")
    return _line(tools, call, broken, "body.soup" if mixed else "body.hostile", rng)


def _holds_own_marks(call: Written, body: str) -> bool:
    """Whether the body holds a closer, or an opener, of the form it stands in."""
    marks = [one.text.strip() for one in call.tokens if one.role in ("close", "end", "unwrap")]
    openers = ("<parameter", "<function", "<invoke", *(f"<{key}>" for key in call.arguments))
    return any(mark in body for mark in marks) or any(opener in body for opener in openers)


def _several(rng: Random, tools: list[Tool]) -> Case | None:
    """Two or three calls, of one dialect or of two, with or without words between."""
    dialect = rng.choice([name for name in FORMS if name not in ("json_fence",)])
    mixed = rng.random() < 0.2
    calls = [
        _write(rng, rng.choice(tools), rng.choice(IN_TAGS) if mixed else dialect) for _ in range(rng.choice((2, 3)))
    ]
    between = rng.choice(("\n", "\n\n", "\n\nNow the next one.\n\n", ""))
    if "json" in dialect and between == "" and dialect != "hermes_json":
        between = "\n"
    meant = tuple((call.name, call.arguments) for call in calls)
    text = between.join(call.text for call in calls)
    if dialect == "qwen3_coder_xml" and not mixed and rng.random() < 0.3:  # all of them in one wrapper
        text = (
            f"<tool_call>\n{chr(10).join(call.without('wrap', 'unwrap').text.strip() for call in calls)}\n</tool_call>"
        )
    broken = Broken(calls[0], "call", text, meant)
    return _line(tools, calls[0], broken, "multi.mixed" if mixed else "multi.calls", rng)


def _think(rng: Random, tools: list[Tool], tool: Tool) -> Case:
    """A call in the thinking: inert, unless it ends a reply that was nothing but thinking."""
    call = _write(rng, tool, rng.choice(("qwen3_coder_xml", "hermes_json", "invoke_xml")))
    thought = f"I should do it.\n{call.text}"
    if rng.random() < 0.5:
        line = _line(tools, call, Broken(call, "none", "Nothing to do."), "think.inert", rng)
        return {**line, "thinking": thought}
    line = _line(tools, call, Broken(call, "either", thought), "think.promoted", rng)
    return {**line, "phase": "think"}


def _line(
    tools: list[Tool], call: Written, broken: Broken, category: str, rng: Random, end: str = "stop", *, note: str = ""
) -> Case:
    meant = broken.calls or ((call.name, call.arguments),)
    calls = [{"name": name, "arguments": given} for name, given in meant]
    decision = "withhold" if broken.want == "none" else "calls"
    return {
        "category": category,
        "protocol": broken.written.dialect,
        "client": "roo_xml" if tools is ROO else "openai_tools",
        "tools": tools,
        "raw": broken.shown,
        "end": end,
        "phase": "answer",
        "expect": {
            "decision": decision,
            "calls": [] if broken.want == "none" else calls,
            "accept_alt": [[]] if broken.want == "either" else [],
            "note": note,
        },
    }
