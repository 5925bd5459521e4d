"""The tests are tested: each fault a bridge may have is switched on in our own writers, and somebody must notice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conformance.judged import complaints
from tests.conformance.mutants import MUTANTS, harmless
from tests.harness.house import ROOT


@pytest.mark.parametrize("name", MUTANTS)
def test_the_judge_notices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fault in our writers, an answer of ours breaks a promise."""
    MUTANTS[name](monkeypatch.setattr)
    assert complaints()


def test_there_are_as_many_as_the_public_suites_were_measured_with() -> None:
    """The matrix is the whole one."""
    assert len(MUTANTS) == 29


def test_the_judge_notices_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The means by which faults are switched on are none themselves."""
    harmless(monkeypatch.setattr)
    assert complaints() == []


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each fault lives in a forked process")
def test_the_tests_of_the_writers_notice() -> None:
    """The short form of scripts/mutants: under each fault the judge or a test of the writers fails."""
    command = [sys.executable, "-m", "tests.conformance.mutation", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
