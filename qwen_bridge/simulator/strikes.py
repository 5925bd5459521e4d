"""What the script lets happen to a request in place of the service's own answer: a refusal, or a broken wire.

For completions these are the *early* faults (`faults.py`); the others come behind the rules. For `chats/new` any
refusal or broken wire strikes before the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qwen_bridge.simulator.delivery import Ending
from qwen_bridge.simulator.ledger import RefusedRequest
from qwen_bridge.simulator.requests import Reply, Request
from qwen_bridge.simulator.script import Target
from qwen_bridge.simulator.world import World

COMPLETIONS = "/api/v2/chat/completions"
NEW_CHAT = "/api/v2/chats/new"
_TARGETS: Mapping[str, Target] = {COMPLETIONS: "completions", NEW_CHAT: "chats/new"}


@dataclass(frozen=True, slots=True)
class Break:
    """No answer: the connection ends in this way."""

    ending: Ending


def strike_at_head(world: World, request: Request) -> Break | None:
    """The fault that strikes before the body is read, if one is due. `request` has no body yet."""
    struck = _strike(world, request, at_head=True)
    return struck if isinstance(struck, Break) else None


def strike(world: World, request: Request) -> Reply | Break | None:
    """The fault that strikes a request before any rule is applied, if one is due."""
    return _strike(world, request, at_head=False)


def write_refusal(world: World, request: Request, reason: str, detail: str = "") -> None:
    """Write a refused request into the ledger, with what its body shows."""
    chat_id, parent_id, message = _glimpse(request)
    world.ledger.refuse(
        RefusedRequest(
            path=request.path,
            reason=reason,
            request_bytes=len(request.body),
            message=message,
            detail=detail,
            chat_id=request.query.get("chat_id", chat_id),
            parent_id=parent_id,
        )
    )


def _strike(world: World, request: Request, *, at_head: bool) -> Reply | Break | None:
    target = _TARGETS.get(request.path) if request.method == "POST" else None
    entry = world.peek(target) if target is not None else None
    if target is None or entry is None or entry.row is None:
        return None
    row = entry.row
    if row.at_head is not at_head or not (row.early or target == "chats/new"):
        return None
    world.take_entry(target)
    write_refusal(world, request, row.name)
    if row.refusal is not None:
        return row.refusal.reply(world.ids.uuid())
    return Break(row.breaks or Ending.RESET)


def _glimpse(request: Request) -> tuple[str | None, str | None, str]:
    """Chat, parent and content of a body that may be anything."""
    try:
        value = request.json()
        message = value["messages"][0]["content"]
    except (ValueError, LookupError, TypeError):
        return None, None, ""
    found = (value.get("chat_id"), value.get("parent_id"))
    chat_id, parent_id = (item if isinstance(item, str) else None for item in found)
    return chat_id, parent_id, message if isinstance(message, str) else ""
