from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

CONFTEST = Path(__file__).with_name("conftest.py")
SKIPPED = "import pytest\ndef test_a():\n    pytest.skip('nothing to show')\n"
PASSED = "def test_b():\n    pass\n"


def outcome(folder: Path, *arguments: str, **sources: str) -> tuple[int, str]:
    """The exit code and the output of a run of its own under this project's conftest; `sources` by path, `__` for /."""
    shutil.copy(CONFTEST, folder)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = e2e\n")
    for name, source in sources.items():
        file = folder / (name.replace("__", "/") + ".py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_run_without_test_fails(tmp_path: Path) -> None:
    """A run in which every test was skipped does not count as a success."""
    code, output = outcome(tmp_path, test_a=SKIPPED)
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED, output


def test_run_with_test_succeeds(tmp_path: Path) -> None:
    """One test that ran is enough beside skipped ones."""
    code, output = outcome(tmp_path, test_a=SKIPPED, test_b=PASSED)
    assert code == pytest.ExitCode.OK, output


def test_e2e_is_marked(tmp_path: Path) -> None:
    """What lies under e2e/ carries the mark, and nothing else does."""
    code, output = outcome(tmp_path, "-m", "e2e", test_a=SKIPPED, e2e__test_b=PASSED)
    assert code == pytest.ExitCode.OK, output
    assert "1 passed, 1 deselected" in output


def test_profiles_do_not_look_at_the_clock() -> None:
    """No profile of Hypothesis fails a test for being slow on a busy machine."""
    assert [settings.get_profile(name).deadline for name in ("ci", "deep")] == [None, None]
