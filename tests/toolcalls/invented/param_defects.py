"""Defects of parameters in tags, and of their types (knowledge/toolcalls.md 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from tests.toolcalls.invented.defect import Broken, Defect, Want, doubtful, has_body, is_harmless, one_of, short_value
from tests.toolcalls.invented.forms import IN_TAGS, Token, Written, raw
from tests.toolcalls.invented.material import ROO, fields, is_body
from tests.toolcalls.invented.tag_defects import CODER, INVOKE, TAGGED, other_case, other_separator

_ANY_KEY = frozenset(("free_form", *(one["name"] for one in ROO)))
"""Tools without a schema, and those of clients that read XML by themselves."""


def nameless(call: Written, rng: Random) -> Broken | None:
    """`<parameter>KEY</parameter>`, then the value: each way in which it was seen."""
    way = rng.randrange(4)
    if has_body(call) and way != 0:
        return None
    tokens: list[Token] = []
    for one in call.tokens:
        text = one.text
        if one.role == "open":
            text = ("<parameter>{}</parameter>\n", "<parameter>\n<name>{}</name>\n<value>", "<parameter>{}\n",
                    "<parameter>{}\n</parameter>\n")[way].format(one.key)  # fmt: skip
        elif one.role == "value":
            text = text.strip("\n") + ("" if way == 1 else "\n")
        elif one.role == "close" and way == 1:
            text = "</value>\n</parameter>"
        tokens.append(replace(one, text=text))
    return Broken(
        replace(call, tokens=tuple(tokens)), "either" if has_body(call) or way == 2 or not fields(call.tool) else "call"
    )


def param_unclosed(call: Written, rng: Random) -> Broken | None:
    at = one_of("close", rng, call)
    if at is None:
        return None
    body = is_body(call.tokens[at].key, call.arguments[call.tokens[at].key])
    return Broken(call.with_token(at), "either" if body or call.compact or not fields(call.tool) else "call")


def closed_otherwise(*texts: str, want: Want = "call") -> Callable[..., Broken | None]:
    """Another closer of one parameter; of a body it may be a part."""

    def make(call: Written, rng: Random) -> Broken | None:
        at = one_of("close", rng, call)
        if at is None or (rng.random() < 0.5 and call.compact):
            return None
        key = call.tokens[at].key
        body = is_body(key, call.arguments[key])
        return Broken(call.with_token(at, rng.choice(texts).format(key=key)), "either" if body else want)

    return make


def fused_end(call: Written, _: Random) -> Broken | None:
    """`</parameterfunction>`: two closers in one."""
    closers, ends = call.having("close"), call.having("end")
    if not closers or not ends:
        return None
    return Broken(call.with_token(ends[0]).with_token(closers[-1], "</parameterfunction>"), doubtful(call))


def opened_otherwise(*texts: str, want: Want = "call") -> Callable[..., Broken | None]:
    """Another opener of one parameter."""

    def make(call: Written, rng: Random) -> Broken | None:
        at = one_of("open", rng, call)
        if at is None:
            return None
        return Broken(call.with_token(at, rng.choice(texts).format(key=call.tokens[at].key)), want)

    return make


def bracket_missing(call: Written, rng: Random) -> Broken | None:
    at = one_of("open", rng, call)
    if at is None or call.compact:
        return None
    return Broken(call.with_token(at, call.tokens[at].text[:-1]))


def fused_value(call: Written, rng: Random) -> Broken | None:
    """`<parameter=KEY=VALUE>`, with or without a closer behind it."""
    at = short_value(call, rng)
    if at is None:
        return None
    key = call.tokens[at].key
    end = "</parameter>" if rng.random() < 0.6 else ""
    texts = [f"<parameter={key}={raw(call.arguments[key])}>", "", end]
    tokens = [*call.tokens[:at], *(replace(one, text=text) for one, text in zip(call.tokens[at:], texts, strict=False)),
              *call.tokens[at + 3 :]]  # fmt: skip
    return Broken(replace(call, tokens=tuple(tokens)), "call" if fields(call.tool) else "either")


def value_wrapped(call: Written, rng: Random) -> Broken | None:
    at = short_value(call, rng)
    if at is None or is_body(call.tokens[at].key, ""):
        return None
    value = call.tokens[at + 1]
    return Broken(
        call.with_token(at + 1, value.text.replace(value.text.strip(), f"<value>{value.text.strip()}</value>"))
    )


def as_schema_tags(call: Written, _: Random) -> Broken:
    """`<KEY>` in the place of `<parameter=KEY>`."""
    return Broken(call.each("open", lambda one: f"<{one.key}>").each("close", lambda one: f"</{one.key}>"))


def repeated(call: Written, rng: Random) -> Broken | None:
    """A parameter twice: a list comes in pieces; a body that comes twice is refused; else the last or none counts."""
    at = one_of("open", rng, call)
    if at is None or call.dialect == "special_tokens":
        return None
    key = call.tokens[at].key
    one = call.arguments[key]
    if is_body(key, one):
        other = Token("value", call.tokens[at + 1].text.replace(raw(one), "something else"), key)
        again = (call.tokens[at], other, call.tokens[at + 2], Token("gap", "\n"))
        return Broken(replace(call, tokens=(*call.tokens[:at], *again, *call.tokens[at:])), "none")
    if not isinstance(one, list) or not all(isinstance(item, str) for item in one) or len(one) < 2:
        return None
    pieces: list[Token] = []
    for item in one:
        pieces += [call.tokens[at], Token("value", item, key), call.tokens[at + 2], Token("gap", "\n")]
    return Broken(replace(call, tokens=(*call.tokens[:at], *pieces, *call.tokens[at + 3 :])), "call")


def emptied(call: Written, rng: Random) -> Broken | None:
    """A parameter that closes itself holds nothing."""
    at = one_of("open", rng, call)
    if at is None or not isinstance(call.arguments[call.tokens[at].key], str):
        return None
    key = call.tokens[at].key
    tag = {"qwen3_coder_xml": f"<parameter={key}/>", "tool_tag_xml": f"<{key}/>"}.get(
        call.dialect, f'<parameter name="{key}"/>'
    )
    tokens = (*call.tokens[:at], Token("open", tag, key), *call.tokens[at + 3 :])
    return Broken(replace(call, tokens=tokens), "call", None, ((call.name, {**call.arguments, key: ""}),))


def other_key(call: Written, rng: Random) -> Broken | None:
    """A key in another spelling of the same word."""
    at = one_of("open", rng, call)
    if at is None:
        return None
    key = call.tokens[at].key
    spelled = other_separator(key, rng) if "_" in key else other_case(key, rng)
    if spelled is None or spelled == key or not fields(call.tool):
        return None
    swapped = [replace(one, text=one.text.replace(key, spelled)) if one.key == key and one.role in ("open", "close")
               else one for one in call.tokens]  # fmt: skip
    return Broken(replace(call, tokens=tuple(swapped)))


def surplus_key(call: Written, _: Random) -> Broken | None:
    """A key that is not declared is passed on, but to no OpenAI client's tool that may destroy something."""
    openers = call.having("open")
    if not openers or call.dialect == "special_tokens":
        return None
    at = openers[-1]
    shape = [replace(one, text=one.text.replace(one.key, "extra_note")) if one.role != "value" else
             replace(one, text="see below") for one in call.tokens[at : at + 3]]  # fmt: skip
    meant: dict[str, Any] = {}
    for key, one in call.arguments.items():
        if key == call.tokens[at].key:
            meant["extra_note"] = "see below"
        meant[key] = one
    tokens = (*call.tokens[:at], *shape, Token("gap", "\n"), *call.tokens[at:])
    passed_on = is_harmless(call) or call.name in _ANY_KEY
    want: Want = "none" if not passed_on else "either" if call.dialect == "tool_tag_xml" else "call"
    return Broken(replace(call, tokens=tokens), want, None, ((call.name, meant),))


def spoken_literals(call: Written, rng: Random) -> Broken | None:
    """`True`, `FALSE`, ` 5 `: text that is a value of its type all the same."""
    fitting = [at for at in call.having("value") if type(call.arguments[call.tokens[at].key]) in (bool, int)]
    if not fitting:
        return None
    at = rng.choice(fitting)
    one = call.arguments[call.tokens[at].key]
    return Broken(call.with_token(at, str(one).capitalize() if isinstance(one, bool) else f" {one} "))


def invalid_value(call: Written, rng: Random) -> Broken | None:
    """A text that is no value of its type is passed on as it is."""
    fitting = [key for key, one in call.arguments.items() if type(one) in (int, float, bool, list)]
    if not fitting:
        return None
    key = rng.choice(fitting)
    at = next(at for at in call.having("value") if call.tokens[at].key == key)
    bad = rng.choice(("3.4.5", "soon", "[1, 2, open", "12 pieces"))
    shown = bad if call.compact else f"\n{bad}\n"
    wraps = isinstance(call.arguments[key], list) and not bad.startswith("[")
    meant = {**call.arguments, key: bad}
    return None if wraps else Broken(call.with_token(at, shown), "call", None, ((call.name, meant),))


def no_arguments(call: Written, rng: Random) -> Broken | None:
    """Without any argument: nothing is made up, and the client may refuse."""
    kept = [one for one in call.tokens if one.role in ("wrap", "head", "end", "unwrap")]
    tokens = tuple(part for one in kept for part in (one, Token("gap", rng.choice(("\n", "")))))
    harmless: Want = "call" if not call.tool.get("parameters", {}).get("required") else "either"
    return Broken(replace(call, tokens=tokens), harmless, None, ((call.name, {}),))


DEFECTS: tuple[Defect, ...] = (
    Defect("param.close_mangled", CODER + INVOKE, closed_otherwise(
        "</parameter/>", "</parameter_name>", "</param>", "</parameter={key}>", "</ parameter>", "</parameter >",
        "</parameter>>", "</parameters>")),
    Defect("param.close_torn", CODER + INVOKE, closed_otherwise("</parameter\n", "</parameter\n\n")),
    Defect("param.close_rare", CODER + INVOKE, closed_otherwise(
        "<parameter>", "<\\parameter>", "[/parameter]", "</value>", "</arg>", want="either")),
    Defect("param.close_own_name", CODER + INVOKE, closed_otherwise("</{key}>")),
    Defect("param.close_fused", CODER, fused_end),
    Defect("param.nameless", CODER, nameless),
    Defect("param.close_missing", (*CODER, *INVOKE, *TAGGED), param_unclosed),
    Defect("param.drift", CODER, opened_otherwise(
        "<parameter name=\"{key}\">", "<parameter=\"{key}\">", "<parameter='{key}'>", "<parameter = {key}>",
        "<parameter= {key} >", "<parameter {key}>", "<parameter={key} type=\"string\">", "<param={key}>",
        "<parameter name={key}>")),
    Defect("param.drift", INVOKE, opened_otherwise(
        "<parameter={key}>", "<parameter name='{key}'>", "<parameter name={key}>", "<param name=\"{key}\">",
        "<parameter name=\"{key}\" string=\"true\">")),
    Defect("param.attributes", TAGGED, opened_otherwise("<{key} type=\"string\">", "<{key} >")),
    Defect("param.gt_missing", CODER, bracket_missing),
    Defect("param.fused_value", CODER, fused_value),
    Defect("param.value_wrapper", CODER + INVOKE, value_wrapped),
    Defect("param.schema_tag", CODER + INVOKE, as_schema_tags),
    Defect("param.repeated", IN_TAGS, repeated),
    Defect("param.self_closing", (*CODER, *TAGGED, *INVOKE), emptied, plain=False),
    Defect("param.key_drift", (*CODER, *INVOKE, *TAGGED), other_key),
    Defect("param.surplus_key", (*CODER, *INVOKE, *TAGGED), surplus_key, plain=False),
    Defect("types.literals", (*CODER, *TAGGED, *INVOKE), spoken_literals),
    Defect("types.invalid", (*CODER, *TAGGED, *INVOKE), invalid_value, plain=False),
    Defect("types.no_arguments", (*CODER, *TAGGED, *INVOKE), no_arguments, plain=False),
)  # fmt: skip
