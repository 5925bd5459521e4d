"""The rounds of the garbage collector, and the heap of the C library."""

from __future__ import annotations

import ctypes
import gc
import platform
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_bridge.proxy.memory import FLOWS, Memory
from tests.harness.proxy import ROOT
from tests.proxy.test_addon import placed, stray


class Knot:
    """An object that only a round of the collector can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def no_other_rounds() -> Iterator[None]:
    """Python starts none by itself meanwhile, and nothing stays set aside."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def test_a_circle_is_freed_with_the_flow_that_fills_the_number() -> None:
    """Whatever happens: what waits is bounded by a number of flows."""
    memory = Memory()
    waiting = weakref.ref(Knot())
    for _ in range(FLOWS - 1):
        memory.flow_over()
    assert waiting() is not None
    memory.flow_over()
    assert waiting() is None


def test_the_rounds_go_on() -> None:
    """The second comes as many flows after the first."""
    memory = Memory()
    for _ in range(FLOWS):
        memory.flow_over()
    waiting = weakref.ref(Knot())
    for _ in range(FLOWS):
        memory.flow_over()
    assert waiting() is None


def test_what_is_set_aside_is_left_out_until_it_is_taken_back() -> None:
    """The objects of mitmproxy and its libraries make up nearly all that a full round would look at."""
    memory = Memory()
    knot = Knot()
    waiting = weakref.ref(knot)
    memory.settle()
    aside = gc.get_freeze_count()
    del knot
    gc.collect()
    assert aside > 10_000
    assert waiting() is not None
    memory.unsettle()
    gc.collect()
    assert waiting() is None


def test_nothing_that_is_garbage_already_is_set_aside() -> None:
    """It would stay for as long as the process lives."""
    waiting = weakref.ref(Knot())
    Memory().settle()
    assert waiting() is None


LARGE_BLOCKS = """
import ctypes, sys
from qwen_bridge.proxy.memory import LARGE, Memory

class Figures(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

figures = ctypes.CDLL(None).mallinfo2
figures.restype = Figures
if sys.argv[1] == "settled":
    Memory().settle()
bytearray(8 * 1024 * 1024)
before = figures().hblkhd
block = bytearray(2 * LARGE)
print(figures().hblkhd - before >= len(block))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
@pytest.mark.parametrize(("state", "apart"), [("settled", "True"), ("as it was", "False")])
def test_a_large_block_stays_out_of_the_heap_behind_a_larger_one(state: str, apart: str) -> None:
    """glibc learns from each large block that is freed to put the next in the heap; that makes the heap grow."""
    command = [sys.executable, "-c", LARGE_BLOCKS, state]
    seen = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == apart


@pytest.mark.parametrize("missing", [AttributeError, OSError, TypeError])
def test_another_c_library_will_do(missing: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, in musl and on Windows: the rounds come all the same."""

    def library(_name: None) -> object:
        raise missing

    monkeypatch.setattr(ctypes, "CDLL", library)
    memory = Memory()
    memory.settle()
    waiting = weakref.ref(Knot())
    for _ in range(FLOWS):
        memory.flow_over()
    assert waiting() is None


async def test_the_addon_sets_aside_what_its_start_made_and_counts_every_flow(tmp_path: Path) -> None:
    """A flow that is not ours counts too: its connection leaves as much behind. The end takes everything back."""
    async with placed(tmp_path) as (addon, _):
        addon.running()
        assert gc.get_freeze_count() > 10_000
        waiting = weakref.ref(Knot())
        flow = stray("example.org")
        for _ in range(FLOWS):
            addon.response(flow)
        assert waiting() is None
    assert gc.get_freeze_count() == 0
