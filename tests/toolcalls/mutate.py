"""Break one structural token of a case at a time, for `scripts/toolcalls --mutate CORPUS` and the tests.

`quoting` makes cases of its own for `scripts/toolcalls --quoting`: calls that hold a whole call in a value, in every
pair of forms. Broken, they are what is most like a call that stands for itself, and is none.

A token is structure where it stands in no value: a tag, one of its brackets or quotes or its word, and in JSON the
brackets, quotes, colons and commas. What a value holds is left alone, for a value that is changed is another value and
rightly so; values are found by the calls that the case is read as. Each token is dropped, doubled, changed with its
neighbour, misspelt (a letter less, twice, another), and put on a line of its own.

What may come of it: calls of the unbroken case, in their order, some or none of them. Anything else is a *third thing*:
a call with other arguments, of another tool, or one more. Where a token only moves to another line, blanks around
values may move with it. A tool without a schema takes any key, so a misspelt key is one of its own there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Any

from qwen_bridge.toolcalls.arguments import typed
from qwen_bridge.toolcalls.cases import parse, specs
from qwen_bridge.toolcalls.catalogue import Catalogue
from tests.toolcalls.bench import TOOLS, bare, hermes, invoke, qwen_xml, tagged

type Case = Mapping[str, Any]

_COUNTS = ("same", "less", "other", "third", "destructive")

KINDS = ("drop", "double", "swap", "misspell", "line")

FORMS = (qwen_xml, tagged, invoke, hermes, bare)
"""The forms in which `quoting` writes calls."""

LONGEST = 4000
"""Characters of a case; longer ones are bodies with the same structure around."""

_TOKEN = re.compile(r"""[<＜][/／]?[^<>＜＞\n"]{1,80}[>＞]|[<＜>＞{}\[\]:,="'`/]|(?P<word>[^\W\d][\w.\-]*)""")
_VOID = re.compile(r"[/／][ \t]*[>＞]\Z")
_BETWEEN_TAGS = re.compile(r"[>＞]([^<>＜＞]*)[<＜][/／]")
_WORD = re.compile(r"[^\W\d][\w.\-]*")
_LETTERS = "xqe"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`raw` with one token broken; `was` is the token, `at` where it stood."""

    kind: str
    raw: str
    was: str
    at: int


@dataclass(slots=True)
class Tally:
    """What came of the mutants of one kind: the case's own calls, fewer or none of them, or a third thing.

    `other` are mutants of a case that was broken itself, and that are well-formed: another good call.
    """

    same: int = 0
    less: int = 0
    other: int = 0
    third: int = 0
    destructive: int = 0

    @property
    def tried(self) -> int:
        return self.same + self.less + self.other + self.third


@dataclass(slots=True)
class Found:
    """Sums by kind, and each third thing with its case, its mutant, and what was called."""

    tallies: dict[str, Tally] = field(default_factory=lambda: {kind: Tally() for kind in KINDS})
    thirds: list[tuple[Case, Mutant, list[dict[str, Any]]]] = field(default_factory=list)

    def count(self, case: Case, mutant: Mutant, wanted: Sequence[Mapping[str, Any]]) -> None:
        """Read the mutant, and count what came of it."""
        result = parse({**case, "raw": mutant.raw, "chunks": None})
        calls = result["calls"]
        tally = self.tallies[mutant.kind]
        loose = mutant.kind == "line"
        if _within(calls, wanted, loose=loose):
            tally.same += len(calls) == len(wanted)
            tally.less += len(calls) != len(wanted)
            return
        if not result["repairs"] and parse({**case, "chunks": None})["repairs"]:
            tally.other += 1
            return
        tally.third += 1
        tally.destructive += any(
            _is_destructive(case, call) for call in calls if not _within([call], wanted, loose=loose)
        )
        self.thirds.append((case, mutant, calls))


def mutate(cases: Sequence[Case], *, seed: int = 0, most: int | None = None) -> Found:
    """Break every token of every case that calls; of the mutants of a case at most `most` of each kind, by `seed`."""
    found = Found()
    for case in cases:
        wanted = parse(case)["calls"]
        if not wanted or case.get("phase") in ("think", "thinking_summary"):
            continue
        for kind, mutants in _by_kind(mutants_of(str(case["raw"]), wanted)).items():
            chosen = mutants
            if most is not None and len(mutants) > most:
                chosen = Random(f"{seed} {case.get('id')} {kind}").sample(mutants, most)
            for mutant in chosen:
                found.count(case, mutant, wanted)
    return found


def quoting() -> Iterator[Case]:
    """Calls that hold a call in a value: of a harmless and of another tool, alone, between lines, and on a line."""
    inner_calls = [("read_file", {"path": "b.txt"}), ("put", {"path": "b.txt", "content": "y"})]
    for (name, given), inner, outer in product(inner_calls, FORMS, FORMS):
        for around in ("{}", "see\n{}\nend", "echo '{}' ", "say {} so"):
            value = around.replace("{}", inner(name, given))
            for tool, arguments in (
                ("shell", {"command": value}),
                ("write_file", {"path": "src/a.md", "content": value}),
            ):
                label = f"{outer.__name__} {tool} > {inner.__name__} {name}"
                yield {"id": label, "raw": outer(tool, arguments), "tools": TOOLS}


def _by_kind(mutants: Iterator[Mutant]) -> dict[str, list[Mutant]]:
    found: dict[str, list[Mutant]] = {kind: [] for kind in KINDS}
    for mutant in mutants:
        found[mutant.kind].append(mutant)
    return found


def mutants_of(raw: str, calls: Sequence[Mapping[str, Any]]) -> Iterator[Mutant]:
    """`raw` with each structural token broken in each way."""
    tokens = list(tokens_of(raw, calls))
    for index, (start, end) in enumerate(tokens):
        was = raw[start:end]
        before, behind = raw[:start], raw[end:]
        yield Mutant("drop", before + behind, was, start)
        yield Mutant("double", before + was + was + behind, was, start)
        yield Mutant("line", f"{before}\n{was}\n{behind}", was, start)
        yield Mutant("line", before.rstrip("\n") + was + behind.lstrip("\n"), was, start)
        if index + 1 < len(tokens) and tokens[index + 1][0] >= end:
            other, stop = tokens[index + 1]
            yield Mutant("swap", before + raw[other:stop] + raw[end:other] + was + raw[stop:], was, start)
        word = _WORD.search(was)
        if word is not None:
            for text in _misspelt(word.group()):
                yield Mutant("misspell", before + was[: word.start()] + text + was[word.end() :] + behind, was, start)


def _misspelt(word: str) -> Iterator[str]:
    middle = len(word) // 2
    yield word[:middle] + word[middle + 1 :]
    yield word[:middle] + word[middle] + word[middle:]
    yield word[:middle] + next(letter for letter in _LETTERS if letter != word[middle]) + word[middle + 1 :]


def tokens_of(raw: str, calls: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """Start and end of each structural token, tags before their parts; none of them touches a value of the calls."""
    values = _values(raw, calls)
    at = 0
    while (found := _TOKEN.search(raw, at)) is not None:
        at = found.start() + 1
        if any(start < found.end() and found.start() < end for start, end in values):
            continue
        if (
            raw[found.start() - 1 : found.start()] != "\\"
            and _VOID.search(found.group()) is None
            and (found["word"] is None or _is_key_or_tag(raw, *found.span()))
        ):
            yield found.span()
        if found.group()[0] not in "<＜":
            at = found.end()


def _is_key_or_tag(raw: str, start: int, end: int) -> bool:
    """Whether a word is one of a tag or a key of JSON, and not one of prose or of a value."""
    inside = raw.rfind("<", 0, start) > raw.rfind(">", 0, start)
    return inside or re.match(r"""["']?\s*:""", raw[end:]) is not None


def _values(raw: str, calls: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """Where the values of the calls stand in the text, as written or as JSON has them."""
    spans: list[tuple[int, int]] = []
    for call in calls:
        for value in call["arguments"].values():
            for text in (text for leaf in _leaves(value) for text in _spellings(leaf)):
                spans += [found.span() for found in re.finditer(_alone(text), raw)]
            if not isinstance(value, str):
                spans += [found.span(1) for found in _BETWEEN_TAGS.finditer(raw) if _means(found[1], value)]
    return spans


def _alone(text: str) -> str:
    """A pattern for `text` that is no piece of a longer word."""
    return (r"\b" if text[0].isalnum() else "") + re.escape(text) + (r"\b" if text[-1].isalnum() else "")


def _means(text: str, value: Any) -> bool:
    """Whether a text between tags is `value`, written as JSON or nearly so."""
    kind = {dict: "object", list: "array", bool: "boolean", int: "integer", float: "number"}.get(type(value), "null")
    return bool(typed(text, {"type": kind}) == value)


def _leaves(value: Any) -> Iterator[Any]:
    """What is no structure of the call in a value; the keys inside of one are a part of it."""
    if isinstance(value, dict):
        yield from value.keys()
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _spellings(value: Any) -> list[str]:
    if not isinstance(value, str):
        return [json.dumps(value), str(value)]
    forms = (value, value.strip(), json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    return [text for text in dict.fromkeys(forms) if text]


def _within(calls: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]], *, loose: bool) -> bool:
    """Whether `calls` are some of `wanted`, in their order."""
    rest = iter([_plain(call, loose=loose) for call in wanted])
    return all(_plain(call, loose=loose) in rest for call in calls)


def _plain(value: Any, *, loose: bool) -> Any:
    if isinstance(value, str) and loose:
        return value.strip()
    if isinstance(value, Mapping):
        return {key.strip() if loose else key: _plain(one, loose=loose) for key, one in value.items()}
    return [_plain(one, loose=loose) for one in value] if isinstance(value, list) else value


def _is_destructive(case: Case, call: Mapping[str, Any]) -> bool:
    tool = Catalogue(specs(case["tools"])).tools.get(call["name"])
    return tool is None or not tool.harmless


def lines(found: Found) -> Iterator[str]:
    """The table of a run, and the kinds of tokens that gave third things."""
    yield f"{'mutation':<12}{'tried':>8}{'the call':>10}{'less':>8}{'another':>9}{'third':>8}{'destr.':>8}"
    total = Tally()
    for kind, tally in found.tallies.items():
        yield _line(kind, tally)
        total = Tally(*(getattr(total, name) + getattr(tally, name) for name in _COUNTS))
    yield _line("all", total)
    for (kind, was), count in Counter((mutant.kind, mutant.was) for _, mutant, _ in found.thirds).most_common(12):
        yield f"  {count:>5}  {kind} {was!r}"


def _line(kind: str, tally: Tally) -> str:
    counts = (tally.tried, tally.same, tally.less, tally.other, tally.third, tally.destructive)
    return "{:<12}{:>8}{:>10}{:>8}{:>9}{:>8}{:>8}".format(kind, *counts)
