"""What each error means to a person."""

from __future__ import annotations

from qwen_bridge.errors import BridgeError
from qwen_bridge.observe.advice import ADVICE


def codes(kind: type[BridgeError]) -> set[str]:
    return {kind.code}.union(*map(codes, kind.__subclasses__()))


def test_every_code_has_a_sentence() -> None:
    """Those of the tree's leaves; a branch has a code for itself only in case it is raised."""
    assert codes(BridgeError) - {"qwen_credentials"} == set(ADVICE)
    assert all(sentence.endswith(".") for sentence in ADVICE.values())
