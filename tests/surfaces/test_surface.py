from __future__ import annotations

import dataclasses

import pytest

from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions
from qwen_bridge.surfaces.surface import AnswerHead, Surface


def test_head_does_not_change() -> None:
    """What every chunk repeats is frozen."""
    head = AnswerHead("chatcmpl-1", 1, "m")
    with pytest.raises(dataclasses.FrozenInstanceError):
        head.__setattr__("id", "chatcmpl-2")


def test_chat_completions_is_a_surface() -> None:
    """The one surface there is fits the protocol (held by the type checker) and names its ids."""
    surface: Surface = ChatCompletions()
    assert surface.id_prefix == "chatcmpl-"
