from __future__ import annotations

from qwen_bridge.toolcalls.pieces import Passed


def test_nothing_passed_is_no_call() -> None:
    """A fresh outcome holds no piece and no opener, and shares neither with another."""
    one, other = Passed(), Passed()
    one.pieces.append(one.pieces)  # type: ignore[arg-type] # anything will do: the lists must differ
    assert (other.pieces, other.call, other.fenced) == ([], None, False)
