"""Structure broken one token at a time: in the open corpus, where it is, and in calls of our own."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from qwen_bridge.toolcalls.cases import parse
from tests.harness.shared import DATA
from tests.toolcalls.bench import TOOLS, hermes
from tests.toolcalls.mutate import FORMS, KINDS, LONGEST, lines, mutants_of, mutate, quoting

CORPUS = DATA / "toolcalls.jsonl"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("put", {"path": "a.py", "content": "one = 1\ntwo = 2"}),
    ("shell", {"command": "ls -la /srv", "cwd": "/var/lib", "timeout": 25}),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_good_call_with_one_broken_token_is_itself_or_nothing(form: Any) -> None:
    """However one token of a good call is broken, no other call comes of it."""
    cases = [{"id": name, "raw": form(name, given), "tools": TOOLS} for name, given in CALLS]
    found = mutate(cases)
    assert sum(tally.tried for tally in found.tallies.values()) > 100
    assert [(mutant.raw, calls) for _, mutant, calls in found.thirds] == []


@pytest.mark.parametrize("outer", FORMS, ids=lambda form: form.__name__)
def test_a_broken_call_does_not_run_what_it_quotes(outer: Any) -> None:
    """A whole call in a value stays a part of it, in every pair of forms, whatever token breaks."""
    found = mutate([case for case in quoting() if case["id"].startswith(outer.__name__)], seed=3, most=4)
    assert sum(tally.same for tally in found.tallies.values()) > 300
    assert [(mutant.raw, calls) for _, mutant, calls in found.thirds] == []


@pytest.mark.parametrize("inner", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("outer", FORMS, ids=lambda form: form.__name__)
def test_what_comes_of_a_broken_call_does_not_depend_on_the_cuts(outer: Any, inner: Any) -> None:
    """Whole, one character at a time, and at random places: the same calls and the same text."""
    quoted = inner("put", {"path": "b.txt", "content": "y"})
    raw = outer("write_file", {"path": "src/a.md", "content": f"see\n{quoted}\nend"})
    mutants = list(mutants_of(raw, [{"name": "write_file", "arguments": {"path": "src/a.md"}}]))
    for mutant in Random(5).sample(mutants, 40):
        case = {"id": "x", "raw": mutant.raw, "tools": TOOLS}
        whole = parse(case)
        assert all(parse(case, cut) == whole for cut in ("chars", "random:1", "random:2")), mutant.raw


@pytest.mark.parametrize("call", CALLS, ids=lambda call: str(call[0]))
def test_a_call_in_attributes_with_one_broken_token_is_itself_or_nothing(call: tuple[str, dict[str, Any]]) -> None:
    """Where a tag holds all arguments, none of them is lost or misread."""
    name, given = call
    attributes = " ".join(f'{key}="{value}"' for key, value in given.items() if "\n" not in str(value))
    case = {"id": name, "raw": f"<{name} {attributes}/>", "tools": TOOLS}
    assert [(mutant.raw, calls) for _, mutant, calls in mutate([case]).thirds] == []


def test_values_are_left_alone() -> None:
    """A mutant differs in structure: each value of the call stands in it whole."""
    arguments = {"path": "src/a.py", "content": "x = {'k': [1]}"}
    raw = hermes("put", arguments)
    mutants = list(mutants_of(raw, [{"name": "put", "arguments": arguments}]))
    assert {mutant.kind for mutant in mutants} == set(KINDS)
    assert all("src/a.py" in mutant.raw and "x = {'k': [1]}" in mutant.raw for mutant in mutants)


def test_a_third_thing_is_told() -> None:
    """The table counts it, and says which token it was: a tool without a schema takes any key."""
    case = {"id": "x", "raw": hermes("free", {"note": "ab"}), "tools": [{"name": "free"}]}
    found = mutate([case])
    assert any(mutant.kind == "misspell" for _, mutant, _ in found.thirds)
    assert any("misspell" in line and line.endswith("'") for line in lines(found))


@pytest.mark.skipif(not CORPUS.is_file(), reason="needs the corpus in ../shared/data")
@pytest.mark.parametrize("kind", KINDS)
def test_the_corpus_with_one_broken_token_runs_nothing_else(kind: str) -> None:
    """Of a few mutants of every case, none calls anything but what the case does."""
    tally = corpus_mutated().tallies[kind]
    assert tally.tried > 300
    assert tally.third == 0


_KEPT: list[Any] = []


def corpus_mutated() -> Any:
    if not _KEPT:
        cases = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
        _KEPT.append(mutate([case for case in cases if len(case["raw"]) <= LONGEST], seed=1, most=3))
    return _KEPT[0]
