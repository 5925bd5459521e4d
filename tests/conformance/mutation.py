"""Which of our tests notice which fault: `scripts/mutants` prints the table.

Each fault is switched on (`mutants.py`) in a process of its own, forked from one that has everything imported, and
each group of tests runs in it until one fails. A fault that no group notices fails the run, and so does a group that
fails without any fault.

    python -m tests.conformance.mutation [--quick] [NAME …]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.conformance.mutants import MUTANTS, Mutant, harmless

QUICK: Mapping[str, Sequence[str]] = {
    "judge": ["tests/conformance/test_judged.py"],
    "surfaces": [
        *(f"tests/surfaces/chat_completions/test_{name}.py" for name in ("stream", "body", "surface")),
        "tests/surfaces/test_models.py",
    ],
}
WHOLE: Mapping[str, Sequence[str]] = {
    **QUICK,
    "exchange": ["tests/exchange", "tests/bridge/test_bridge.py"],
    "proxy": ["tests/proxy/test_stream.py", "tests/proxy/test_addon.py", "tests/proxy/test_turn.py"],
    "e2e": ["tests/e2e/test_tools.py", "tests/e2e/test_wire.py", "tests/e2e/test_scenarios.py"],
}
"""Groups of tests; those that start mitmdump as a process of its own would not meet the mutant."""

QUIET = ["-q", "-x", "-p", "no:cacheprovider"]
NOTICED, PASSED = "X", ""


def forked(work: Callable[[], int]) -> int:
    """What `work` returns, from a child of this process, its output thrown away."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            code = work()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def run(tests: Sequence[str], mutant: Mutant) -> str:
    """Whether the tests notice the mutant. Raises `RuntimeError` when they could not be run at all."""

    def work() -> int:
        mutant(setattr)
        return int(pytest.main([*QUIET, *tests]))

    code = forked(work)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {code} for {' '.join(tests)}")
    return NOTICED if code == pytest.ExitCode.TESTS_FAILED else PASSED


def import_all(tests: Iterable[str]) -> None:
    """Import what the tests import, once for all forks: it takes several times as long as to run them."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        pytest.main([*QUIET, "--collect-only", *tests])


def row(name: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([name, *(cell or ' ' for cell in cells)])} |"


def table(groups: Mapping[str, Sequence[str]], names: Sequence[str]) -> int:
    """Print who notices what; the number of faults that nobody did."""
    print(row("fault", list(groups)))
    print(row("---", [":-:" for _ in groups]))
    survivors: list[str] = []
    counts = dict.fromkeys(groups, 0)
    for name in names:
        cells = [run(tests, MUTANTS[name]) for tests in groups.values()]
        for group, cell in zip(groups, cells, strict=True):
            counts[group] += cell == NOTICED
        if NOTICED not in cells:
            survivors.append(name)
        print(row(name, cells), flush=True)
    print(row(f"**noticed of {len(names)}**", [str(count) for count in counts.values()]))
    for name in survivors:
        print(f"nobody noticed: {name}", file=sys.stderr)
    return len(survivors)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to switch on; all of them without a name")
    parser.add_argument("--quick", action="store_true", help=f"only the groups {' and '.join(QUICK)}")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in MUTANTS]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}; known are: {'; '.join(MUTANTS)}")
    # What fails is enough to know; the smallest example of it would take a minute.
    settings.register_profile(
        "mutants",
        max_examples=50,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    groups = QUICK if chosen.quick else WHOLE
    import_all(test for tests in groups.values() for test in tests)
    for group, tests in groups.items():
        if run(tests, harmless) == NOTICED:
            print(f"the group {group} fails without any fault", file=sys.stderr)
            return 1
    started = time.monotonic()
    survivors = table(groups, chosen.names or list(MUTANTS))
    print(f"\n{time.monotonic() - started:.0f} seconds")
    return 1 if survivors else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
