"""The models of the simulated service, in the shape of `GET /api/models` (capture 03)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CHAT_TYPES = ["t2t", "t2v", "t2i", "image_edit", "search", "artifacts", "web_dev", "deep_research", "travel"]
_SINCE = 1732711466


def _model(
    model_id: str, name: str, context: int, *, thinking: str = "optional", guests: bool = True
) -> dict[str, Any]:
    """One model. `thinking`: `no`, `optional`, or `always` for one that cannot leave it."""
    capabilities: dict[str, Any] = {"vision": True, "document": True, "video": True, "citations": True}
    abilities: dict[str, Any] = {"vision": 1, "document": 1, "video": 1, "citations": 1}
    meta: dict[str, Any] = {
        "profile_image_url": "/static/favicon.png",
        "description": f"{name}, simulated.",
        "capabilities": capabilities,
        "short_description": f"{name}, simulated.",
        "max_context_length": context,
        "max_generation_length": 32768,
        "abilities": abilities,
        "chat_type": list(_CHAT_TYPES),
        "modality": ["text"],
    }
    if thinking != "no":
        capabilities.update(thinking=True, thinking_budget=True)
        abilities.update(thinking=4 if thinking == "always" else 1, thinking_budget=1)
    if thinking == "always":
        meta["think_skip"] = {"enable": False}
    info = {
        "id": model_id,
        "user_id": "00000000-0000-4000-8000-000000000000",
        "base_model_id": None,
        "name": name,
        "meta": meta,
        "access_control": None,
        "is_active": True,
        "is_visitor_active": guests,
        "updated_at": _SINCE,
        "created_at": _SINCE,
    }
    head = {"id": model_id, "name": name, "object": "model", "owned_by": "qwen"}
    return head | {"info": info, "preset": True, "action_ids": []}


MODELS: Mapping[str, dict[str, Any]] = {
    model["id"]: model
    for model in (
        _model("qwen3-max", "Qwen3-Max", 262_144, thinking="no"),
        _model("qwen3.8-max-preview", "Qwen3.8-Max-Preview", 1_000_000, thinking="always", guests=False),
        _model("qwen3.7-plus", "Qwen3.7-Plus", 1_000_000),
        _model("qwen3.5-plus", "Qwen3.5-Plus", 262_144),
        _model("qwen3-coder-plus", "Qwen3-Coder", 1_048_576, thinking="no"),
        _model("qwen3-vl-plus", "Qwen3-VL-235B-A22B", 262_144, guests=False),
        _model("qwen3-vl-32b", "Qwen3-VL-32B", 131_072, guests=False),
    )
}


def models() -> dict[str, Any]:
    """The body of `GET /api/models`."""
    return {"data": list(MODELS.values())}


def always_thinks(model_id: str) -> bool:
    """Whether the model refuses `thinking_enabled: false` (its meta says `think_skip.enable: false`)."""
    meta = MODELS[model_id]["info"]["meta"]
    return meta.get("think_skip", {}).get("enable") is False


def chat_types(model_id: str) -> list[str]:
    """The chat types the model takes."""
    known: list[str] = MODELS[model_id]["info"]["meta"]["chat_type"]
    return known
