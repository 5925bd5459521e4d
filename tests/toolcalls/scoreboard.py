"""Score tool calls, for `scripts/toolcalls CORPUS.jsonl` and `scripts/toolcalls --invent SEED COUNT`.

Prints how many cases were read (lenient, strict), missed, wrong, and how many calls were dangerous, beside the
figures published for other parsers on a corpus of which the given one may be a part. With `--invent` the cases are
made from a seed: good calls in every dialect, each defect of the taxonomy, alone and in pairs, hostile bodies, cuts
and mentions, with what the policy wants of each. `--failures` lists the cases that were not read to the byte,
`--show` prints them, `--write` keeps the cases themselves. With `--mutate CORPUS` the structure of each case that calls
is broken at one token at a time (`mutate`), and the table says how often anything but the case's own calls came of it.
`--quoting` does the same with calls of our own that hold a call in a value.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qwen_bridge.toolcalls.cases import parse
from qwen_bridge.toolcalls.score import PUBLISHED, Outcome, Sum, judge, sums
from tests.toolcalls.invented.invent import invent
from tests.toolcalls.mutate import LONGEST, lines, mutate, quoting

HEADER = (
    f"{'':<36}{'cases':>6}{'lenient':>9}{'strict':>8}{'missed':>8}{'wrong':>7}{'false':>7}{'danger':>8}{'destr.':>8}"
)


def main() -> int:
    """Parse the command line, score, print; the exit status is 0 once a table was printed."""
    given = _command_line()
    cases = _cases(given)
    if given.mutate is not None or given.quoting:
        return _mutate(given, cases)
    if given.write:
        given.write.write_text("".join(f"{json.dumps(case)}\n" for case in cases), encoding="utf-8")
    results = [parse(case, given.cut) for case in cases]
    outcomes = [judge(case, result) for case, result in zip(cases, results, strict=True)]
    for by in given.by or ("group", "dialect"):
        print(f"\nby {by}\n{HEADER}")
        for row in sums(outcomes, by):
            print(line(row))
    print(f"\n{'published, % of 468':<44}{'lenient':>9}{'danger':>8}{'destr.':>8}")
    for peer in PUBLISHED:
        print(f"{peer.name:<44}{peer.lenient:>9.1f}{peer.danger:>8.1f}{peer.destructive or '':>8}")
    if given.failures or given.show:
        _list(cases, results, outcomes, show=given.show)
    return 0


def _command_line() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("corpus", type=Path, nargs="?")
    arguments.add_argument("--invent", type=int, nargs=2, metavar=("SEED", "COUNT"))
    arguments.add_argument("--mutate", type=Path, metavar="CORPUS")
    arguments.add_argument("--quoting", action="store_true")
    arguments.add_argument("--most", type=int, help="mutants of each kind and case, drawn by --seed; else all")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--cut", default="whole")
    arguments.add_argument("--by", choices=("group", "dialect", "defect"), action="append")
    arguments.add_argument("--failures", action="store_true")
    arguments.add_argument("--show", action="store_true")
    arguments.add_argument("--write", type=Path)
    given = arguments.parse_args()
    if sum(one is not None for one in (given.corpus, given.invent, given.mutate, given.quoting or None)) != 1:
        arguments.error("give a corpus, or --invent SEED COUNT, or --mutate CORPUS, or --quoting")
    return given


def _cases(given: argparse.Namespace) -> list[dict[str, Any]]:
    if given.invent:
        return list(invent(*given.invent))
    if given.quoting:
        return [dict(case) for case in quoting()]
    corpus = given.mutate or given.corpus
    return [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]


def _mutate(given: argparse.Namespace, cases: Sequence[Mapping[str, Any]]) -> int:
    """Break the structure of every case, and print what came of it."""
    found = mutate([case for case in cases if len(case["raw"]) <= LONGEST], seed=given.seed, most=given.most)
    print("\n".join(lines(found)))
    if given.failures or given.show:
        for case, mutant, calls in found.thirds:
            print(f"{case['id']:<20}{mutant.kind:<10}{mutant.was!r} at {mutant.at}")
            if given.show:
                print(f"{mutant.raw}\n  called {json.dumps(calls)}\n")
    return 0


def _list(
    cases: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    outcomes: Sequence[Outcome],
    *,
    show: bool,
) -> None:
    print()
    for case, result, outcome in zip(cases, results, outcomes, strict=True):
        if outcome.strict:
            continue
        kind = "wrong" if outcome.wrong else "false" if outcome.false_call else "missed"
        print(f"{outcome.id:<20}{outcome.defect:<52}{'strict only' if outcome.lenient else kind}")
        if show:
            print(f"{case['raw']}\n  wanted {json.dumps(case['expect'])}\n  came   {json.dumps(dict(result))}\n")


def line(row: Sum) -> str:
    """One row of the table; lenient, strict and danger in per cent."""
    share = 100 / max(1, row.cases)
    return (
        f"{row.name:<36}{row.cases:>6}{row.lenient * share:>9.1f}{row.strict * share:>8.1f}{row.missed:>8}"
        f"{row.wrong:>7}{row.false_calls:>7}{row.danger * share:>8.1f}{row.destructive:>8}"
    )


if __name__ == "__main__":
    sys.exit(main())
