from __future__ import annotations

import json

from qwen_bridge.simulator.catalog import MODELS, always_thinks, chat_types, models
from tests.harness.shared import QWEN, needs_shared


@needs_shared
def test_models_have_the_captured_shape() -> None:
    """A model has the captured keys in the captured order, in its info too."""
    real = json.loads((QWEN / "03_chriscole_models_response_2025-10.json").read_text(encoding="utf-8"))["data"][0]
    for model in models()["data"]:
        assert list(model) == list(real)
        assert list(model["info"]) == list(real["info"])
        assert set(model["info"]["meta"]) <= set(real["info"]["meta"]) | {"think_skip"}


def test_the_models_of_the_captures_are_there() -> None:
    """What the captures talked to can be talked to."""
    assert {"qwen3-max", "qwen3-vl-plus", "qwen3.5-plus", "qwen3.7-plus", "qwen3-coder-plus"} <= set(MODELS)
    assert all("t2t" in chat_types(model_id) for model_id in MODELS)


def test_some_model_cannot_leave_thinking() -> None:
    """A client must cope with a model that refuses `thinking_enabled: false`."""
    assert [model_id for model_id in MODELS if always_thinks(model_id)] == ["qwen3.8-max-preview"]
