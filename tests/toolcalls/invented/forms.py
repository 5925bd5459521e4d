"""One call as tokens of a dialect: what a defect takes away, doubles, or writes otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.toolcalls.invented.material import Arguments, Tool


@dataclass(frozen=True, slots=True)
class Token:
    """`role` is one of wrap, head, open, value, close, end, unwrap, gap, json; `key` the parameter it belongs to."""

    role: str
    text: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A call as written, with what it means."""

    tool: Tool
    arguments: Arguments
    dialect: str
    tokens: tuple[Token, ...]
    compact: bool = False

    @property
    def name(self) -> str:
        return str(self.tool["name"])

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)

    def having(self, role: str) -> list[int]:
        """The indexes of the tokens of a role."""
        return [at for at, token in enumerate(self.tokens) if token.role == role]

    def with_token(self, at: int, *texts: str) -> Written:
        """With other text in the place of one token; without any, without the token."""
        token = self.tokens[at]
        put = tuple(replace(token, text=text) for text in texts)
        return replace(self, tokens=(*self.tokens[:at], *put, *self.tokens[at + 1 :]))

    def each(self, role: str, to: Callable[[Token], str]) -> Written:
        """With every token of a role written otherwise."""
        tokens = tuple(replace(one, text=to(one)) if one.role == role else one for one in self.tokens)
        return replace(self, tokens=tokens)

    def without(self, *roles: str) -> Written:
        return replace(self, tokens=tuple(one for one in self.tokens if one.role not in roles))


type Form = Callable[[Tool, Arguments, Random], Written]


def raw(value: Any) -> str:
    """A value as it stands between tags."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def fits_one_line(arguments: Arguments) -> bool:
    """Whether no value begins or ends with a newline, which a delimiter would have to protect."""
    return not any(raw(one)[:1] in "\r\n" or raw(one)[-1:] in "\r\n" for one in arguments.values() if raw(one))


def hermes(tool: Tool, arguments: Arguments, rng: Random) -> Written:
    gap = rng.choice(("\n", "\n", ""))
    tokens = (Token("wrap", "<tool_call>"), Token("gap", gap), Token("json", _json(tool, arguments, rng)),
              Token("gap", gap), Token("unwrap", "</tool_call>"))  # fmt: skip
    return Written(tool, arguments, "hermes_json", tokens)


def bare(tool: Tool, arguments: Arguments, rng: Random) -> Written:
    return Written(tool, arguments, "json_bare", (Token("json", _json(tool, arguments, rng)),))


def fenced(tool: Tool, arguments: Arguments, rng: Random) -> Written:
    info = rng.choice(("json", "json", "tool_call", ""))
    tokens = (Token("wrap", f"```{info}"), Token("gap", "\n"), Token("json", _json(tool, arguments, rng)),
              Token("gap", "\n"), Token("unwrap", "```"))  # fmt: skip
    return Written(tool, arguments, "json_fence", tokens)


def _json(tool: Tool, arguments: Arguments, rng: Random) -> str:
    value = {"name": tool["name"], "arguments": arguments}
    style: dict[str, Any] = rng.choice(({}, {}, {"indent": 2}, {"separators": (",", ":")}))
    return json.dumps(value, ensure_ascii=rng.random() < 0.2, **style)


def _tags(
    tool: Tool, arguments: Arguments, tags: Mapping[str, str], names: Callable[[str], tuple[str, str]], *, compact: bool
) -> tuple[Token, ...]:
    """Tokens of a form in tags; `names` gives a parameter's opener and closer."""
    tokens: list[Token] = []
    for key, one in arguments.items():
        opener, closer = names(key)
        lines = "" if compact else "\n"
        tokens += [Token("open", opener, key), Token("value", f"{lines}{raw(one)}{lines}", key),
                   Token("close", closer, key), Token("gap", "" if compact else "\n")]  # fmt: skip
    gap = Token("gap", "" if compact else "\n")
    inner = [Token("head", tags["head"]), gap, *tokens, Token("end", tags["end"])]
    if "wrap" in tags:
        return (Token("wrap", tags["wrap"]), gap, *inner, gap, Token("unwrap", tags["unwrap"]))
    return tuple(inner)


def coder(tool: Tool, arguments: Arguments, rng: Random) -> Written:
    compact = rng.random() < 0.25 and fits_one_line(arguments)
    tags = {"wrap": "<tool_call>", "head": f"<function={tool['name']}>", "end": "</function>",
            "unwrap": "</tool_call>"}  # fmt: skip
    tokens = _tags(tool, arguments, tags, lambda key: (f"<parameter={key}>", "</parameter>"), compact=compact)
    return Written(tool, arguments, "qwen3_coder_xml", tokens, compact)


def tagged(tool: Tool, arguments: Arguments, rng: Random) -> Written:
    compact = rng.random() < 0.5 and fits_one_line(arguments)
    tags = {"head": f"<{tool['name']}>", "end": f"</{tool['name']}>"}
    tokens = _tags(tool, arguments, tags, lambda key: (f"<{key}>", f"</{key}>"), compact=compact)
    return Written(tool, arguments, "tool_tag_xml", tokens, compact)


def invoke(tool: Tool, arguments: Arguments, rng: Random) -> Written:
    compact = rng.random() < 0.5 and fits_one_line(arguments)
    wrapper = rng.choice(("function_calls", "tool_calls"))
    tags = {"wrap": f"<{wrapper}>", "head": f'<invoke name="{tool["name"]}">', "end": "</invoke>",
            "unwrap": f"</{wrapper}>"}  # fmt: skip
    tokens = _tags(tool, arguments, tags, lambda key: (f'<parameter name="{key}">', "</parameter>"), compact=compact)
    return Written(tool, arguments, "invoke_xml", tokens, compact)


def special(tool: Tool, arguments: Arguments, rng: Random) -> Written:
    """The invoke form behind a pipe namespace, or in full-width brackets."""
    base = invoke(tool, arguments, rng)
    mark = rng.choice(("｜DSML｜", "|DSML|", "｜QNML｜"))
    wide = rng.random() < 0.4

    def marked(token: Token) -> str:
        if token.role in ("value", "gap"):
            return token.text
        text = token.text.replace("</", f"</{mark}") if token.text[1] == "/" else token.text.replace("<", f"<{mark}")
        return text.translate({60: "＜", 62: "＞", 47: "／"}) if wide else text

    tokens = tuple(replace(one, text=marked(one)) for one in base.tokens)
    return replace(base, dialect="special_tokens", tokens=tokens)


FORMS: Mapping[str, Form] = {
    "hermes_json": hermes,
    "json_bare": bare,
    "json_fence": fenced,
    "qwen3_coder_xml": coder,
    "tool_tag_xml": tagged,
    "invoke_xml": invoke,
    "special_tokens": special,
}
IN_TAGS = ("qwen3_coder_xml", "tool_tag_xml", "invoke_xml", "special_tokens")
IN_JSON = ("hermes_json", "json_bare", "json_fence")


def can_write(tool: Tool, dialect: str) -> bool:
    """Whether the tool's names can stand in this form: a tag holds no blank."""
    return dialect != "tool_tag_xml" or " " not in tool["name"]
