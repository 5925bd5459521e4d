"""The model list, and the client's word for a model → Qwen's id."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import orjson

from qwen_bridge.errors import UnknownModel
from qwen_bridge.surfaces.json_text import json_text

_OPENAI_FAMILY = re.compile(r"(?:openai/|gpt-|chatgpt-|text-|o[134](?:-|$))", re.IGNORECASE)
"""Names a client sends because it was never told otherwise. They mean "the usual model"."""

_SHOWN = 5
"""Model ids an error names."""

_NAME_SHOWN = 80
"""Characters of a refused name that an error repeats; also what the search for close names reads of it."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model as a client sees it. `created` is in seconds since 1970, `context` in tokens."""

    id: str
    created: int
    owned_by: str = "qwen"
    context: int | None = None


def list_body(cards: Sequence[ModelCard]) -> bytes:
    """The answer to `GET /v1/models`."""
    return orjson.dumps({"object": "list", "data": [_card(card) for card in cards]})


def one_body(card: ModelCard) -> bytes:
    """The answer to `GET /v1/models/{id}`."""
    return orjson.dumps(_card(card))


def resolve(name: str, *, known: Collection[str] | None, aliases: Mapping[str, str], default: str) -> str:
    """Find Qwen's id for the client's word.

    In this order: an alias, exactly; a known id, exactly, then in any case; a name of OpenAI's, which means `default`.
    `openai/` in front of a name is how litellm says "an OpenAI-compatible server": it is taken off for the first two.
    `known` is None when Qwen's list could not be had; the name then goes through as it is, and Qwen judges. Raises
    `UnknownModel` with close names otherwise.
    """
    for word in (name, name.removeprefix("openai/")):
        found = aliases.get(word) or _known(word, known or ())
        if found is not None:
            return found
    if _OPENAI_FAMILY.match(name):
        return default
    if known is None:
        return name
    raise UnknownModel(_unknown(name[:_NAME_SHOWN], known), param="model")


def _known(word: str, known: Collection[str]) -> str | None:
    if word in known:
        return word
    folded = word.casefold()
    return next((model for model in known if model.casefold() == folded), None)


def _unknown(name: str, known: Collection[str]) -> str:
    by_folded = {model.casefold(): model for model in known}
    close = [by_folded[match] for match in get_close_matches(name.casefold(), by_folded, n=_SHOWN, cutoff=0.5)]
    if close:
        hint = f"Close to it: {', '.join(close)}."
    elif known:
        hint = f"Known are, among others: {', '.join(sorted(known)[:_SHOWN])}."
    else:
        hint = "The account has no models."
    return (
        f"The model `{name}` does not exist. {hint} To keep the name, say in the setting `model_aliases` what it means."
    )


def _card(card: ModelCard) -> dict[str, Any]:
    """OpenAI's `Model`; `context_length` is OpenRouter's addition, from which editors learn the window."""
    body: dict[str, Any] = {
        "id": orjson.Fragment(json_text(card.id)),
        "object": "model",
        "created": card.created,
        "owned_by": card.owned_by,
    }
    if card.context is not None:
        body["context_length"] = card.context
    return body
