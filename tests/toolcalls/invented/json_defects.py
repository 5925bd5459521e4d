"""Defects of calls in JSON, and mixtures of dialects (knowledge/toolcalls.md 2)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from tests.toolcalls.invented.defect import Broken, Defect, Want, has_body, is_harmless
from tests.toolcalls.invented.forms import IN_JSON, Token, Written, raw

HERMES = ("hermes_json",)
CODER = ("qwen3_coder_xml",)
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


def put(call: Written, text: str) -> Written:
    """The call with other JSON text."""
    return replace(call, tokens=tuple(replace(one, text=text) if one.role == "json" else one for one in call.tokens))


def dumped(call: Written, value: Any, want: Want = "call") -> Broken:
    return Broken(put(call, json.dumps(value, ensure_ascii=False)), want)


def plain(call: Written) -> bool:
    """Whether no string holds a quote, a backslash or a newline."""
    return not re.search(r"[\"'\\\n\r]", " ".join(raw(one) for one in call.arguments.values() if isinstance(one, str)))


def retold(change: Callable[[str], str], want: Callable[[Written], Want]) -> Callable[..., Broken | None]:
    """With the JSON text changed; None where that changes nothing."""

    def make(call: Written, _: Random) -> Broken | None:
        text = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
        changed = change(text)
        return None if changed == text else Broken(put(call, changed), want(call))

    return make


def sure(_: Written) -> Want:
    return "call"


def unsure(_: Written) -> Want:
    return "either"


def sure_if_plain(call: Written) -> Want:
    return "call" if plain(call) else "either"


def single_quotes(text: str) -> str:
    return repr(json.loads(text))


def python_literals(text: str) -> str:
    return re.sub(r'(?<=[:\[,] )(true|false|null)(?=[,}\]])', lambda one: {"true": "True", "false": "False",
                  "null": "None"}[one[1]], text)  # fmt: skip


def raw_newlines(text: str) -> str:
    return re.sub(r"(?<!\\)(\\\\)*\\n", lambda one: f"{one[1] or ''}\n", text)


def raw_quotes(text: str) -> str:
    return re.sub(r'(?<!\\)\\"', '"', text)


def smart_quotes(text: str) -> str:
    return _STRINGS.sub(lambda one: f"“{one[0][1:-1]}”", text)


def around(before: str, after: str, want: Want = "call") -> Callable[..., Broken | None]:
    return lambda call, _: Broken(call, want, f"{before}{call.text}{after}")


def unquoted_keys(text: str) -> str:
    return re.sub(r'(?<=[{ ])"(\w+)":', r"\1:", text)


def without_comma(call: Written, rng: Random) -> Broken | None:
    if len(call.arguments) < 2:
        return None
    at = rng.randrange(1, len(call.arguments))
    parts = [f"{json.dumps(key)}: {json.dumps(one, ensure_ascii=False)}" for key, one in call.arguments.items()]
    inner = ", ".join(parts[:at]) + "\n" + ", ".join(parts[at:])
    return Broken(put(call, f'{{"name": "{call.name}", "arguments": {{{inner}}}}}'), "either")


def key_drift(call: Written, rng: Random) -> Broken:
    name = rng.choice(("name", "tool", "tool_name", "function", "function_name"))
    arguments = rng.choice(("arguments", "parameters", "params", "args", "input"))
    return dumped(call, {name: call.name, arguments: call.arguments})


def envelope(call: Written, rng: Random) -> Broken:
    inner = {"name": call.name, "arguments": call.arguments}
    packed = {"name": call.name, "arguments": json.dumps(call.arguments)}
    ways: tuple[Any, ...] = (
        [inner], {"tool_calls": [inner]}, {"function": inner}, {"function_call": packed}, {"tool_call": inner},
        {"tool_calls": [{"id": "call_1", "type": "function", "function": packed}]},
        {"type": "function", "function": inner}, {"id": "call_1", **inner}, {"type": "function", **inner},
    )  # fmt: skip
    return dumped(call, rng.choice(ways))


def as_text(call: Written, _: Random) -> Broken:
    return dumped(call, {"name": call.name, "arguments": json.dumps(call.arguments)})


def flat(call: Written, _: Random) -> Broken | None:
    return dumped(call, {"name": call.name, **call.arguments}, "either") if "name" not in call.arguments else None


def name_as_key(call: Written, _: Random) -> Broken:
    return dumped(call, {call.name: call.arguments}, "either")


def key_twice(call: Written, rng: Random) -> Broken | None:
    """One key with two values is two readings."""
    if not call.arguments:
        return None
    key = rng.choice(list(call.arguments))
    text = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
    first = f'"arguments": {{{json.dumps(key)}: "something else", '
    return Broken(
        put(call, text.replace('"arguments": {', first, 1)),
        "either" if not has_body(call) or is_harmless(call) else "none",
    )


def decoy(call: Written, rng: Random) -> Broken | None:
    """A body that was not escaped and holds what may be the next key: two readings."""
    bodies = [key for key, one in call.arguments.items() if isinstance(one, str)]
    if not bodies:
        return None
    key = rng.choice(bodies)
    inside = rng.choice(('one ", "extra": "two', 'a", "path": "evil', 'x"}, "y": {"z": "w', 'see "a": "b" there'))
    text = json.dumps({"name": call.name, "arguments": {**call.arguments, key: "@@"}}, ensure_ascii=False)
    text = text.replace("@@", inside)
    return None if _is_strict(text) else Broken(put(call, text), "none")


def _is_strict(text: str) -> bool:
    """Whether this happens to be JSON without a fault: then it says what it says."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def quote_missing(call: Written, _: Random) -> Broken | None:
    last = list(call.arguments.values())[-1:]
    if not last or not isinstance(last[0], str):
        return None
    text = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
    return Broken(put(call, text[:-3] + "}}"), "either" if call.name == "Read" else "none")


def end_brace(text: str) -> str:
    return text[:-1]


def missing_brace(call: Written) -> Want:
    return "either" if has_body(call) or call.dialect != "hermes_json" else "call"


def as_strings(call: Written, _: Random) -> Broken | None:
    """Numbers and booleans as strings, where the schema says what they are."""
    fitting = {key: json.dumps(one) for key, one in call.arguments.items() if isinstance(one, bool | int | float)}
    return dumped(call, {"name": call.name, "arguments": {**call.arguments, **fitting}}) if fitting else None


def two_objects(call: Written, rng: Random) -> Broken:
    one = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
    joint = rng.choice(("\n", ",\n", " "))
    again = (call.name, call.arguments)
    return Broken(put(call, f"{one}{joint}{one}"), "call" if joint == "\n" else "either", None, (again, again))


def double_encoded(call: Written, _: Random) -> Broken:
    return dumped(call, json.dumps({"name": call.name, "arguments": call.arguments}), "either")


def mixed(*templates: str, want: Want = "call") -> Callable[..., Broken | None]:
    """Head of one dialect, arguments of another; `{a}` is the JSON of the arguments, `{p}` and `{t}` are tags."""

    def make(call: Written, rng: Random) -> Broken | None:
        if not call.arguments:
            return None
        chosen = rng.choice(templates)
        parameters = "\n".join(f"<parameter={key}>\n{raw(one)}\n</parameter>" for key, one in call.arguments.items())
        tags = "\n".join(f"<{key}>\n{raw(one)}\n</{key}>" for key, one in call.arguments.items())
        text = chosen
        for mark, put_in in (("@n", call.name), ("@a", json.dumps(call.arguments, ensure_ascii=False)),
                             ("@p", parameters), ("@t", tags)):  # fmt: skip
            text = text.replace(mark, put_in) if mark in chosen else text
        return Broken(replace(call, tokens=(Token("json", text),), dialect="mixed"), want)

    return make


def in_fence(call: Written, rng: Random) -> Broken:
    """A fence inside the wrapper."""
    fence = rng.choice(("```json\n", "```\n"))
    at = call.having("json")[0]
    return Broken(call.with_token(at, f"{fence}{call.tokens[at].text}\n```"))


DEFECTS: tuple[Defect, ...] = (
    Defect("json.single_quotes", IN_JSON, retold(single_quotes, sure_if_plain), plain=False),
    Defect("json.python_literal", IN_JSON, retold(python_literals, sure), plain=False),
    Defect("json.trailing_comma", IN_JSON, retold(lambda text: f"{text[:-2]},}}}}", sure)),
    Defect("json.trailing_comma_outer", IN_JSON, retold(lambda text: f"{text[:-1]},}}", sure)),
    Defect("json.missing_comma", IN_JSON, without_comma, plain=False),
    Defect("json.unquoted_key", IN_JSON, retold(unquoted_keys, sure_if_plain), plain=False),
    Defect("json.raw_newline", IN_JSON, retold(raw_newlines, sure), plain=False),
    Defect("json.unescaped_quotes", IN_JSON, retold(raw_quotes, unsure), plain=False),
    Defect("json.unescaped_body", IN_JSON, retold(lambda text: raw_newlines(raw_quotes(text)), unsure), plain=False),
    Defect("json.decoy_key", IN_JSON, decoy, plain=False),
    Defect("json.bad_escape", IN_JSON, retold(lambda text: text.replace("'", "\\'"), sure), plain=False),
    Defect("json.raw_backslash", IN_JSON, retold(lambda text: text.replace("\\\\", "\\"), unsure), plain=False),
    Defect("json.extra_brace", HERMES, retold(lambda text: f"{text}}}", sure)),
    Defect("json.missing_brace", HERMES, retold(end_brace, missing_brace)),
    Defect("json.missing_braces", HERMES, retold(lambda text: text[:-2], unsure), plain=False),
    Defect("json.quote_missing", IN_JSON, quote_missing, plain=False),
    Defect("json.key_drift", IN_JSON, key_drift),
    Defect("json.envelope", IN_JSON, envelope),
    Defect("json.arguments_as_text", IN_JSON, as_text),
    Defect("json.flat_arguments", HERMES, flat),
    Defect("json.name_as_key", HERMES, name_as_key),
    Defect("json.duplicate_keys", IN_JSON, key_twice, plain=False),
    Defect("json.two_objects", HERMES, two_objects, plain=False),
    Defect("json.double_encoded", HERMES, double_encoded, plain=False),
    Defect("json.smart_quotes", HERMES, retold(smart_quotes, unsure),
           plain=False),
    Defect("json.comment", HERMES, retold(lambda text: text.replace("{", "{ // call\n", 1), unsure), plain=False),
    Defect("types.as_strings", IN_JSON, as_strings),
    Defect("fence.in_wrapper", HERMES, in_fence),
    Defect("prose.before", ("json_bare", "json_fence"), around("Let me do it.\n\n", "")),
    Defect("json.bare_then_prose", ("json_bare",), around("", "\n\nThat is all.")),
    Defect("json.bare_inline", ("json_bare",), around("So ", " it is.", "either"), plain=False),
    Defect("closer.missing", HERMES, lambda call, _: Broken(call.without("unwrap"))),
    Defect("closer.missing_then_call", HERMES, lambda call, _: Broken(
        call, "call", f"{call.without('unwrap').text}{call.text}", ((call.name, call.arguments),) * 2), plain=False),
    Defect("mixed.function_json", CODER, mixed(
        "<tool_call>\n<function=@n>\n@a\n</function>\n</tool_call>", "<function=@n>@a</function>",
        "<invoke name=\"@n\">\n@a\n</invoke>"), plain=False),
    Defect("mixed.tag_json", CODER, mixed("<@n>@a</@n>", "<tool_call>\n<@n>\n@a\n</@n>\n</tool_call>"), plain=False),
    Defect("mixed.bare_name_json", CODER, mixed(
        "<tool_call>\n@n\n@a\n</tool_call>", "<tool_call>@n\n@a</tool_call>", want="either"), plain=False),
    Defect("mixed.json_head", CODER, mixed(
        "<tool_call>\n{\"name\": \"@n\",\n@p\n</function>\n</tool_call>",
        "<tool_call>\n{\"name\": \"@n\", \"arguments\": {\n@p\n</function>\n</tool_call>"), plain=False),
    Defect("mixed.brace_function", CODER, mixed(
        "<tool_call>\n{\"function=@n>\n@p\n</function>\n</tool_call>",
        "<tool_call>\n{\"function=\"@n\">\n@p\n</function>\n</tool_call>"), plain=False),
    Defect("mixed.parameter_arguments", CODER, mixed(
        "<tool_call>\n<function=@n>\n<parameter=arguments>\n@a\n</parameter>\n</function>\n</tool_call>",
        "<function=@n>\n<parameter=arguments>\n@a\n</parameter>\n</function>"), plain=False),
    Defect("mixed.name_arguments", CODER, mixed(
        "<tool_call>\n<name>@n</name>\n<arguments>@a</arguments>\n</tool_call>",
        "<tool_call>\n<name>@n</name>\n<arguments>\n@t\n</arguments>\n</tool_call>",
        "<tool_call>\n<tool_name>@n</tool_name>\n<parameters>@a</parameters>\n</tool_call>"), plain=False),
    Defect("mixed.name_tag_json", CODER, mixed("<name>@n, \"arguments\": @a}"), plain=False),
    Defect("mixed.json_closed_by_tags", CODER, mixed(
        "<tool_call>\n{\"name\": \"@n\", \"arguments\": @a\n</parameter>\n</function>\n</tool_call>",
        "<tool_call>\n{\"name\": \"@n\", \"arguments\": @a}\n</function>\n</tool_call>"), plain=False),
    Defect("mixed.tool_tag_wrapped", CODER, mixed(
        "<tool_call>\n<@n>\n@t\n</@n>\n</tool_call>", "<tool_call>\n<@n>\n@p\n</@n>\n</tool_call>",
        "<@n>\n<arguments>\n@t\n</arguments>\n</@n>", "<@n>\n<parameters>\n@t\n</parameters>\n</@n>"), plain=False),
    Defect("mixed.bare_name_tags", CODER, mixed(
        "<tool_call>\n@n\n@p\n</tool_call>",
        "<tool_call>@n\n@p\n</function>\n</tool_call>", want="either"), plain=False),
    Defect("mixed.use_name_input", CODER, mixed(
        "<tool_use>\n<name>@n</name>\n<input>@a</input>\n</tool_use>",
        "<tool_use>\n<tool_name>@n</tool_name>\n<arguments>\n@t\n</arguments>\n</tool_use>",
        want="either"), plain=False),
    Defect("special.channel", CODER, mixed(
        "<|channel|>commentary to=functions.@n <|constrain|>json<|message|>@a<|call|>",
        "<|start|>assistant<|channel|>commentary to=@n <|constrain|>json<|message|>@a"), plain=False),
    Defect("special.signature", CODER, mixed("<tool_call>\n@n(@a)\n</tool_call>", "<function=@n(@a)</function>",
                                            want="either"), plain=False),
)  # fmt: skip
