"""The processor time of another process."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.bench.processor import machine, processor_seconds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the clock of another process is Linux's")

BUSY = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\nsys.stdin.read()"


def test_ones_own_time_is_what_python_says() -> None:
    """The clock of this process lies between two readings of Python's own."""
    before = time.process_time()
    measured = processor_seconds(os.getpid())
    assert before <= measured <= time.process_time()


def test_another_process_is_measured_while_it_runs() -> None:
    """What a child computes is counted to it, and its waiting is not."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert processor_seconds(child.pid) >= 0.3
        child.communicate()


def test_a_process_that_is_gone_has_no_time() -> None:
    """A proxy that died is an error, not a proxy that costs nothing."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(OSError):
        processor_seconds(child.pid)


def test_the_machine_is_described_without_a_name() -> None:
    """Cores and versions are said, the host is not."""
    assert "core" in machine()
    assert "mitmproxy" in machine()
    assert os.uname().nodename not in machine()
