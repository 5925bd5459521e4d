"""The neutral answer: what its values promise."""

from __future__ import annotations

import dataclasses

import pytest

from qwen_bridge import events
from qwen_bridge.events import ResponseEnded, ResponseFailed, StreamEvent, TextDelta, Usage


def test_the_total_of_usage_adds_up() -> None:
    """Total is prompt plus completion; reasoning and cached are parts of them and are not added."""
    assert Usage(prompt=10, completion=5, reasoning=4, cached=9).total == 15


def test_events_cannot_be_changed() -> None:
    """An event that has left a stage stays what it was."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        TextDelta("a").text = "b"  # type: ignore[misc]  # the assignment that must fail


def test_the_union_is_closed_over_the_module() -> None:
    """Every event class of the module is a member of `StreamEvent`, so that `match` can be exhaustive."""
    members = set(StreamEvent.__value__.__args__)
    classes = {item for item in vars(events).values() if dataclasses.is_dataclass(item) and item is not Usage}
    assert members == classes
    assert {ResponseEnded, ResponseFailed} <= members
