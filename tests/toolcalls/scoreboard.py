"""Score a corpus of tool calls, for `scripts/toolcalls CORPUS.jsonl [--cut whole|chars|random:SEED] [--by …]`.

Prints how many cases were read (lenient, strict), missed, wrong, and how many calls were dangerous, beside the
figures published for other parsers on a corpus of which this may be a part. `--failures` lists the cases.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from qwen_bridge.toolcalls.cases import parse
from qwen_bridge.toolcalls.score import PUBLISHED, Sum, judge, sums

HEADER = (
    f"{'':<24}{'cases':>6}{'lenient':>9}{'strict':>8}{'missed':>8}{'wrong':>7}{'false':>7}{'danger':>8}{'destr.':>8}"
)


def main() -> int:
    """Parse the command line, score, print; the exit status is 0 once a table was printed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("corpus", type=Path)
    arguments.add_argument("--cut", default="whole")
    arguments.add_argument("--by", choices=("group", "dialect"), action="append")
    arguments.add_argument("--failures", action="store_true")
    given = arguments.parse_args()
    cases = [json.loads(line) for line in given.corpus.read_text(encoding="utf-8").splitlines() if line.strip()]
    outcomes = [judge(case, parse(case, given.cut)) for case in cases]
    for by in given.by or ("group", "dialect"):
        print(f"\nby {by}\n{HEADER}")
        for row in sums(outcomes, by):
            print(line(row))
    print(f"\n{'published, % of 468':<32}{'lenient':>9}{'danger':>8}{'destr.':>8}")
    for peer in PUBLISHED:
        print(f"{peer.name:<32}{peer.lenient:>9.1f}{peer.danger:>8.1f}{peer.destructive or '':>8}")
    if given.failures:
        print()
        for outcome in outcomes:
            if not outcome.strict:
                kind = "wrong" if outcome.wrong else "false" if outcome.false_call else "missed"
                what = "strict only" if outcome.lenient else kind
                print(f"{outcome.id:<20}{outcome.group:<12}{outcome.dialect:<18}{what}")
    return 0


def line(row: Sum) -> str:
    """One row of the table; lenient, strict and danger in per cent."""
    share = 100 / max(1, row.cases)
    return (
        f"{row.name:<24}{row.cases:>6}{row.lenient * share:>9.1f}{row.strict * share:>8.1f}{row.missed:>8}"
        f"{row.wrong:>7}{row.false_calls:>7}{row.danger * share:>8.1f}{row.destructive:>8}"
    )


if __name__ == "__main__":
    sys.exit(main())
