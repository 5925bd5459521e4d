"""Whether a call begins at a place in the text: yes, no, or not to be told before more text is there.

"Yes" needs an opener *and* the start of what must follow it (a parameter, JSON, a name): the words of the opener
alone are how people write about calls. "Not yet" is answered only while what is there can still become an opener,
so that nothing else is ever held back.
"""

from __future__ import annotations

import re
from enum import Enum

from qwen_bridge.toolcalls.catalogue import Catalogue, fold
from qwen_bridge.toolcalls.dialects.heads import read_head
from qwen_bridge.toolcalls.dialects.named import WORDS
from qwen_bridge.toolcalls.envelope import ARGUMENTS as ARGUMENT_KEYS
from qwen_bridge.toolcalls.envelope import ENVELOPES, NAMES, spelled
from qwen_bridge.toolcalls.tags import (
    ARGUMENTS,
    CALLS,
    NAMESPACE,
    OPENING,
    PARAMETERS,
    PARTIAL_NAMESPACE,
    WRAPPERS,
    Tag,
    after_space,
    is_wrapper,
    tag_at,
)

LONGEST_OPENER = 600
"""Characters. What has not become an opener by then is none."""

SURE_HALF = 6
"""Characters of an opener's word behind which a text that ends there was a cut call."""

HEAD_BEHIND = 40
"""Characters that a head may go on for behind its first `>`, beside the name: `<name>`, a newline, `X</name>`."""

_TOO_FAR = "\n\x00"
"""Stands where the reach ends: neither the end of a text nor anything that may follow an opener."""

STRONG = frozenset(("function", "invoke"))
"""Words whose tag is a call even if the tool is unknown; others are ordinary XML then."""

_WORD = re.compile(rf"{OPENING}(?P<word>[\w.\-]*)")
_CHANNEL = re.compile(r"<\|(?:start\|>\s*assistant|channel\|>)[^{]{0,160}<\|message\|>\s*\{")
_CHANNEL_WORDS = ("<|channel|>", "<|start|>")
_KEYS = "|".join((*NAMES, *ARGUMENT_KEYS, *ENVELOPES, "id", "type"))
_JSON = re.compile(
    rf"""\[?\s*\{{\s*(?:["']?(?P<key>{_KEYS})["']?\s*(?P<colon>[:=])\s*(?:["'](?P<value>[^"'\n]*)(?P<quote>["'>])?)?)?"""
)
_AFTER_NAME = re.compile(
    rf"""\s*(?:,\s*["']?(?:{"|".join(ARGUMENT_KEYS)})\b|,?\s*[<＜]\s*param|,\s*["'](?:id|type)\b)"""
)
_JSON_PREFIX = re.compile(r"""\[?\s*\{?\s*["']?\w*["']?\s*[:=]?\s*["']?\w*\Z""")
_LOOSE = re.compile(r"""(?:function|\{\s*["']?function)\s*=""")
_CDATA = "<![CDATA["
_BARE_WORD = re.compile(r"[a-z_]+")
_PAST_HEAD = re.compile(r"[<＜{(,]|[^\s=:>\"'“”]\n")


class Found(Enum):
    """What stands at a place."""

    NOTHING = "no opener"
    PARTIAL = "the start of what can become one"
    CALL = "a call begins"
    HALF = "the text ends inside an opener"


class Markers:
    """Finds openers of the dialects and of the tools in `catalogue`."""

    __slots__ = ("_catalogue", "_folded", "_words")

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        words = {*WORDS, *WRAPPERS, *CALLS, "parameter"}
        self._words = frozenset(words | {name.casefold() for name in catalogue.tools})
        self._folded = frozenset(fold(name) for name in catalogue.tools)

    def at(self, text: str, at: int, *, final: bool) -> Found:
        """What stands at `at`, a `<`, `{`, `[` or `f`; `final` says that no more text will come."""
        if not final and len(text) - at > LONGEST_OPENER:
            text, at, final = text[at : at + LONGEST_OPENER] + _TOO_FAR, 0, True
        if text[at] in "{[":
            return self._json(text, at, final)
        if text[at] == "f":
            return self._loose(text, at, final)
        if any(word.startswith(text[at : at + 11]) or text.startswith(word, at) for word in _CHANNEL_WORDS):
            return self._channel(text, at, final)
        return self._tag(text, at, final)

    def _channel(self, text: str, at: int, final: bool) -> Found:
        if _CHANNEL.match(text, at):
            return Found.CALL
        return Found.NOTHING if final else Found.PARTIAL

    def _loose(self, text: str, at: int, final: bool) -> Found:
        """`function=NAME>` that lost its `<`."""
        word = "function="
        if word.startswith(text[at:]):
            return Found.NOTHING if final else Found.PARTIAL
        return self._headed(text, at, final) if text.startswith(word, at) else Found.NOTHING

    def _json(self, text: str, at: int, final: bool) -> Found:
        found = _JSON.match(text, at)
        if found is None or not found["key"]:
            return Found.PARTIAL if not final and _JSON_PREFIX.match(text, at) else Found.NOTHING
        if not final and (not found["colon"] or found.end() == len(text)):
            return Found.PARTIAL if _JSON_PREFIX.match(text, at) or found["value"] is not None else Found.NOTHING
        if _LOOSE.match(text, at):
            return self._headed(text, at, final)
        if found["key"] not in NAMES or found["value"] is None:
            return Found.CALL if found["colon"] else Found.NOTHING
        if not found["quote"] or self._catalogue.resolve(spelled(found["value"])) is None:
            return Found.NOTHING
        return self._after_name(text, found.end(), final)

    def _after_name(self, text: str, at: int, final: bool) -> Found:
        """Behind `"name": "X"` there must be arguments: a name alone is data."""
        if _AFTER_NAME.match(text, at):
            return Found.CALL
        rest = text[at:].strip()
        if final or (rest and rest[0] not in ",<"):
            return Found.NOTHING
        return Found.PARTIAL if len(rest) < 24 else Found.NOTHING

    def _tag(self, text: str, at: int, final: bool) -> Found:
        found = _WORD.match(text, at)
        if found is None or found["slash"]:
            return Found.NOTHING
        if not final and PARTIAL_NAMESPACE.match(text, at):
            return Found.PARTIAL
        if found.end() == len(text):
            if not final:
                return Found.PARTIAL if self._can_be(found["word"]) else Found.NOTHING
            return Found.HALF if self._is_half(found["word"]) else Found.NOTHING
        word = found["word"]
        if word.casefold() not in self._words and fold(word) not in self._folded:
            return Found.NOTHING
        tag = tag_at(text, at)
        if tag is None or (tag.end == len(text) and not tag.closed):
            return Found.PARTIAL if not final else self._unfinished(tag)
        if is_wrapper(tag) and self._catalogue.resolve(tag.word) is None and tag.closed:
            return self._in_wrapper(text, tag, final)
        return self._headed(text, at, final)

    def _is_half(self, word: str) -> bool:
        """Whether the text ends inside what can hardly have become anything but an opener."""
        marks = {"tool_call", "tool_calls", "function_calls", *self._catalogue.tools}
        return len(word) >= SURE_HALF and any(mark.startswith(word) for mark in marks)

    def _unfinished(self, tag: Tag | None) -> Found:
        """The text ends inside a tag: a call that was cut, if its word says so."""
        return Found.CALL if tag is not None and tag.word.casefold() in CALLS and tag.rest else Found.NOTHING

    def _can_be(self, word: str) -> bool:
        return not word or any(
            known.startswith(word.casefold()) for known in self._words
        ) or any(known.startswith(fold(word)) for known in self._folded)  # fmt: skip

    def _in_wrapper(self, text: str, tag: Tag, final: bool) -> Found:
        if "name" in tag.attributes():
            return Found.CALL
        if tag.rest.lstrip().startswith("="):
            named = self._catalogue.resolve(tag.rest.strip(" =\t\"'"))
            return self._parameter_follows(text, tag.end, final) if named is not None else Found.NOTHING
        at = after_space(text, tag.end)
        if at >= len(text):
            return Found.PARTIAL if not final else self._lonely(tag)
        rest = text[at : at + LONGEST_OPENER]
        if rest[0] in "{[`\"'*" or rest.startswith(_CDATA):
            return Found.CALL
        if rest[0] in "<＜":
            return self._tag_in_wrapper(text, at, final)
        if _LOOSE.match(rest):
            return Found.CALL
        if any(name.startswith(rest) for name in (*self._catalogue.tools, "function=")) and not final:
            return Found.PARTIAL
        head = read_head(text, at, self._catalogue, wrapped=True)
        return self._evidence(text, head.end, final) if head is not None else self._maybe_name(rest, final)

    def _maybe_name(self, rest: str, final: bool) -> Found:
        """A declared name whose arguments are not in sight yet."""
        named = any(
            rest.startswith(name) and not rest[len(name) :].strip(" \t\r\n:>,") for name in self._catalogue.tools
        )
        return Found.PARTIAL if not final and (named or self._maybe_head(rest)) else Found.NOTHING

    def _maybe_head(self, rest: str) -> bool:
        """The start of a head that lost its bracket: a word that announces a name, and at most a name behind it."""
        word = _BARE_WORD.match(rest)
        if word is None:
            return False
        if word.end() == len(rest):
            return any(known.startswith(word.group()) for known in WORDS)
        near = len(rest) - word.end() <= HEAD_BEHIND + self._catalogue.longest
        return near and word.group() in WORDS and _PAST_HEAD.search(rest, word.end()) is None

    def _lonely(self, tag: Tag) -> Found:
        """A wrapper's opener at the end of the text: a cut call, if the tag has no other use."""
        return Found.CALL if tag.word.casefold() in ("tool_call", "tool_calls", "function_calls") else Found.NOTHING

    def _tag_in_wrapper(self, text: str, at: int, final: bool) -> Found:
        found = _WORD.match(text, at)
        rest = text[at:]
        if not final and PARTIAL_NAMESPACE.match(text, at):
            return Found.PARTIAL
        if found is None or found.end() == len(text) or _CDATA.startswith(rest):
            possible = (found is not None and (self._can_be(found["word"]) or found["slash"])) or _CDATA.startswith(
                rest
            )
            return Found.PARTIAL if possible and not final else Found.CALL if final and possible else Found.NOTHING
        word = found["word"]
        known = word.casefold() in self._words or fold(word) in self._folded or word.casefold() in PARAMETERS
        return Found.CALL if known and not found["slash"] else Found.NOTHING

    def _headed(self, text: str, at: int, final: bool) -> Found:
        window = text[: at + self._reach(text, at)]
        full = len(window) < len(text) or final
        head = read_head(window, at, self._catalogue, wrapped=False)
        if head is None:
            return Found.NOTHING if full else Found.PARTIAL
        if head.end >= len(window) and not final:
            return Found.NOTHING if full else Found.PARTIAL
        named = self._catalogue.resolve(head.written)
        if head.void:
            complete = named is not None and (not named.tool.required or bool(head.attributes))
            return Found.CALL if complete else Found.NOTHING
        if head.dialect in ("tool_tag_xml", "special_tokens"):
            return self._behind_tag(text, head.end, head.written, final, bare=not head.attributes)
        if named is None and head.word not in STRONG and head.word:
            return Found.NOTHING
        if named is None:
            return self._parameter_follows(text, head.end, final)
        return self._evidence(text, head.end, final)

    def _reach(self, text: str, at: int) -> int:
        """How far a head can go: to its first `>`, and a name behind that."""
        closed = re.compile("[>＞]").search(text, at, at + LONGEST_OPENER)
        behind = HEAD_BEHIND + self._catalogue.longest
        return closed.end() - at + behind if closed is not None else LONGEST_OPENER

    def _evidence(self, text: str, at: int, final: bool) -> Found:
        """Behind a head there must be a tag, JSON, or the end of the text."""
        at = after_space(text, at)
        if at >= len(text):
            return Found.CALL if final else Found.PARTIAL
        if text[at] in "<＜" and not final:
            tag = tag_at(text, at)
            if (tag is None or tag.end == len(text)) and len(text) - at < LONGEST_OPENER:
                return Found.PARTIAL  # it may be the closer of the head, and the evidence stands behind it
        return Found.CALL if text[at] in '<＜{("*' else Found.NOTHING

    def _parameter_follows(self, text: str, at: int, final: bool) -> Found:
        """An undeclared tool is a call, to be withheld, only where parameters or JSON follow its head."""
        at = after_space(text, at)
        if at >= len(text):
            return Found.NOTHING if final else Found.PARTIAL
        if text[at] == "{":
            return Found.CALL
        if not final and PARTIAL_NAMESPACE.match(text, at):
            return Found.PARTIAL
        tail = re.match(rf"[<＜]\s*[/／]?\s*{NAMESPACE}(?P<word>\w*)", text[at : at + 60])
        if tail is None:
            return Found.NOTHING
        if at + tail.end() == len(text) and not final:
            return Found.PARTIAL
        return Found.CALL if tail["word"] in PARAMETERS | CALLS | ARGUMENTS | WRAPPERS else Found.NOTHING

    def _behind_tag(self, text: str, at: int, written: str, final: bool, *, bare: bool) -> Found:
        """Behind `<TOOL>` there must be one of its parameters, or JSON; its own closer only if it needs nothing."""
        named = self._catalogue.resolve(written)
        at = after_space(text, at)
        if at >= len(text) or named is None:
            return Found.PARTIAL if not final else Found.NOTHING
        if text[at] == "{":
            return Found.CALL
        found = _WORD.match(text, at)
        if found is None:
            return Found.PARTIAL if text[at] == "*" and not final and len(text) - at < 4 else self._bold(text, at)
        if (found.end() == len(text) or PARTIAL_NAMESPACE.match(text, at)) and not final:
            return Found.PARTIAL
        word = found["word"]
        if found["slash"]:
            complete = not bare or not named.tool.required
            return Found.CALL if fold(word) == fold(written) and complete else Found.NOTHING
        declared = named.tool.key(word) is not None or not named.tool.properties
        again = fold(word) == fold(written)
        return Found.CALL if declared or again or word in PARAMETERS | ARGUMENTS else Found.NOTHING

    def _bold(self, text: str, at: int) -> Found:
        """`**<TOOL>**` and a parameter on the next line."""
        return Found.CALL if re.match(r"\*{1,3}\s*[<＜]", text[at : at + 20]) else Found.NOTHING
