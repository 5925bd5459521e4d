"""Defects of calls in tags: wrapper, closer, opener, name, parameter (knowledge/toolcalls.md 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.toolcalls.invented.defect import (
    Broken,
    Defect,
    Want,
    ends_in_body,
    is_harmless,
    is_short,
    one_of,
    swap,
)
from tests.toolcalls.invented.forms import IN_JSON, IN_TAGS, Written

CODER = ("qwen3_coder_xml",)
TAGGED = ("tool_tag_xml",)
INVOKE = ("invoke_xml",)
WRAPPED = ("qwen3_coder_xml", "invoke_xml", "hermes_json")
PARAMETERS = ("qwen3_coder_xml", "invoke_xml")


def dropped(*roles: str, want: Callable[[Written], Want] = lambda _: "call") -> Callable[..., Broken | None]:
    """Without any token of these roles."""
    return lambda call, _: Broken(call.without(*roles), want(call))


def doubled(role: str) -> Callable[..., Broken | None]:
    def make(call: Written, rng: Random) -> Broken | None:
        at = one_of(role, rng, call)
        return (
            None if at is None else Broken(call.with_token(at, *(call.tokens[at].text + rng.choice(("", "\n")),) * 2))
        )

    return make


def around(before: str, after: str, want: Want = "call") -> Callable[..., Broken | None]:
    return lambda call, _: Broken(call, want, f"{before}{call.text}{after}")


def unclosed(call: Written) -> Want:
    """All closers of the call are missing: a body in the last place may go on; half a harmless one may run."""
    if not call.arguments:
        return "either"
    return "call" if not ends_in_body(call) else "either" if is_harmless(call) else "none"


def prose_behind(call: Written, _: Random) -> Broken:
    bare = call.without("end", "unwrap")
    return Broken(bare, "either", f"{bare.text.rstrip()}\n\nNow I wait for the result.")


def renamed(change: Callable[[str, Random], str | None], want: Want = "call") -> Callable[..., Broken | None]:
    """With another spelling of the tool's name everywhere it stands."""

    def make(call: Written, rng: Random) -> Broken | None:
        name = change(call.name, rng)
        if name is None or name == call.name:
            return None
        if call.dialect == "tool_tag_xml" and not name.replace("_", "").replace("-", "").isalnum():
            return None
        swapped = [replace(one, text=one.text.replace(call.name, name)) if one.role in ("head", "end")
                   else replace(one, text=one.text.replace(f'"{call.name}"', f'"{name}"', 1)) if one.role == "json"
                   else one for one in call.tokens]  # fmt: skip
        spelled = replace(call, tokens=tuple(swapped))
        return Broken(spelled, want) if spelled.text != call.text else None

    return make


def other_case(name: str, rng: Random) -> str | None:
    return rng.choice((name.upper(), name.capitalize(), name.lower(), name.swapcase()))


def other_separator(name: str, rng: Random) -> str | None:
    parts = name.replace("-", "_").split("_")
    camel = parts[0] + "".join(part.capitalize() for part in parts[1:])
    return rng.choice((camel, "-".join(parts), "_".join(parts))) if len(parts) > 1 and all(parts) else None


def without_prefix(name: str, _: Random) -> str | None:
    return name.rpartition("__")[2] if "__" in name else None


def split_name(call: Written, rng: Random) -> Broken | None:
    """The name on a line of its own."""
    way = rng.choice(("<function=\n{}\n>", "<function>\n{}", "<name>\n{}\n</name>", "<function=\n{}>"))
    at = call.having("head")
    return Broken(call.with_token(at[0], way.format(call.name))) if call.having("open") and at else None


def attribute_call(call: Written, _: Random) -> Broken | None:
    """Arguments as attributes of the tool's own tag."""
    if not call.arguments or not all(is_short(one) for one in call.arguments.values()):
        return None
    given = " ".join(f'{key}="{one}"' for key, one in call.arguments.items())
    return Broken(call, "call", f"<{call.name} {given}/>")


HEADS = (
    "<function name=\"{name}\">", "<function name='{name}'>", "<function=\"{name}\">", "<function=\"{name}>",
    "<function {name}>", "<function = {name}>", "< function={name} >", "<function={name} >", "<func={name}>",
    "<call={name}>", "<function_name={name}>", "<funcname>{name}", "<tool_name>{name}</tool_name>",
    "<name>{name}</name>", "<function id=\"1\" name=\"{name}\">", "<invoke_name>{name}</invoke_name>",
    "<function>{name}</function>", "<function=functions.{name}>", "<invoke name=\"{name}\">", "<tool={name}>",
    "<function:{name}>", "<function=`{name}`>", "<function=[{name}]>", "<function=default_api.{name}>",
)  # fmt: skip
SURE_HEADS = HEADS[:15]

DEFECTS: tuple[Defect, ...] = (
    Defect("control.wellformed", (*IN_TAGS, *IN_JSON), lambda call, _: Broken(call)),
    Defect("wrapper.open_missing", WRAPPED, dropped("wrap")),
    Defect("wrapper.close_missing", WRAPPED, dropped("unwrap")),
    Defect("wrapper.none", PARAMETERS, dropped("wrap", "unwrap")),
    Defect("wrapper.other_tag", WRAPPED, swap("wrap", *(f"<{word}>" for word in (
        "tool_code", "tools", "function_call", "function_calls", "tool_calls", "toolcall", "tool_use", "tool")))),
    Defect("wrapper.doubled", WRAPPED, doubled("wrap")),
    Defect("wrapper.empty", ("qwen3_coder_xml", "hermes_json"), around("<tool_call>\n</tool_call>\n", "")),
    Defect("closer.end_missing", PARAMETERS, dropped("end")),
    Defect("closer.missing", (*PARAMETERS, "tool_tag_xml"), dropped("end", "unwrap", want=unclosed)),
    Defect("closer.missing_then_prose", (*PARAMETERS, "tool_tag_xml"), prose_behind, plain=False),
    Defect("closer.end_doubled", (*PARAMETERS, "tool_tag_xml"), doubled("end")),
    Defect("closer.unwrap_doubled", WRAPPED, doubled("unwrap")),
    Defect("closer.stray_before", WRAPPED, around("</tool_call>\n", "")),
    Defect("closer.wrong", WRAPPED, swap("unwrap", "</think>", "</function_invocation>", "</function>",
                                         "</tool_calls>")),
    Defect("closer.wrong_end", PARAMETERS, swap("end", "</tool>", "</function_call>", "</call>", "</func>",
                                                "</function=>", want="either")),
    Defect("opener.drift", CODER, swap("head", *SURE_HEADS)),
    Defect("opener.rare_drift", CODER, swap("head", *HEADS[15:], want="either")),
    Defect("opener.drift", INVOKE, swap("head", "<invoke name='{name}'>", "<invoke name={name}>", "<invoke=\"{name}\">",
                                        "<invoke={name}>", "<invoke name=\"{name}\" id=\"a1\">", "<invoke {name}>")),
    Defect("opener.gt_missing", CODER, swap("head", "<function={name}")),
    Defect("opener.lt_missing", CODER, swap("head", "function={name}>")),
    Defect("opener.gt_missing", TAGGED, swap("head", "<{name}\n")),
    Defect("opener.spaces", TAGGED, swap("head", "< {name}>", "<{name} >", "< {name} >")),
    Defect("opener.attributes", TAGGED, swap("head", "<{name} id=\"1\">", "<{name} type='x'>")),
    Defect("opener.bold", CODER + TAGGED, swap("head", "**{was}**")),
    Defect("opener.parameter_as_function", CODER, swap("head", "<parameter={name}>")),
    Defect("opener.name_on_next_line", CODER, split_name),
    Defect("opener.attribute_call", TAGGED, attribute_call, plain=False),
    Defect("name.case", (*CODER, *TAGGED, *INVOKE, "hermes_json"), renamed(other_case)),
    Defect("name.separator", (*CODER, *TAGGED, *INVOKE, "hermes_json"), renamed(other_separator)),
    Defect("name.mcp_prefix", (*CODER, *INVOKE, "hermes_json"), renamed(without_prefix)),
    Defect("name.prefixed", (*CODER, *INVOKE, "hermes_json"), renamed(lambda name, _: f"functions.{name}")),
    Defect("name.blanks", (*CODER, *INVOKE, "hermes_json"), renamed(lambda name, _: f" {name} ")),
    Defect("name.undeclared", (*CODER, *INVOKE, "hermes_json", "json_bare"),
           renamed(lambda _, rng: rng.choice(("do_magic", "Shell2", "write_everything")), "none")),
    Defect("name.alike", (*CODER, *INVOKE, "hermes_json"), renamed(lambda name, _: f"{name}s2", "none")),
    Defect("name.empty", (*CODER, *INVOKE, "hermes_json"), renamed(lambda name, _: "", "none")),
    Defect("prose.around", (*IN_TAGS, "hermes_json"), around("I will look at it first.\n\n", "\n\nThen I go on.")),
    Defect("prose.close_by", (*CODER, *INVOKE, "hermes_json"), around("Sure, now: ", " Done.")),
    Defect("think.before", (*IN_TAGS, *IN_JSON), around("<think>\nI should call it.\n</think>\n\n", "")),
)  # fmt: skip
