"""How the bridge stands, as one JSON object: what `/status.json` says, and what page and terminal show.

It holds codes, ids, digests and numbers. A person may post it anywhere: there is no secret in it, and no word of
anybody's conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qwen_bridge.observe.advice import ADVICE
from qwen_bridge.observe.journal import Fault, Journal
from qwen_bridge.observe.turns import GIVEN_UP, TurnFacts
from qwen_bridge.ports import AccountState, Counts

STORE_DOWN = "store_unavailable"
BY_ITSELF = "The bridge asked again by itself. Nothing to do, unless it happens often."
_STORE_ADVICE = "Unknown conversations go to new chats until the store answers again. The log says what is wrong."


@dataclass(frozen=True, slots=True)
class Standing:
    """What is asked of the bridge for one look. `address` is the one that it was called by; `store` None when down."""

    version: str
    address: str
    upstream: str
    store_kind: str
    accounts: Sequence[AccountState]
    store: Counts | None
    active: int


def problems(standing: Standing) -> list[dict[str, str]]:
    """What keeps the bridge from answering now: code, and what to do."""
    found = [] if standing.store is not None else [{"code": STORE_DOWN, "advice": _STORE_ADVICE}]
    if standing.accounts and all(account.problem for account in standing.accounts):
        codes = dict.fromkeys(account.problem for account in standing.accounts)
        found += [{"code": code, "advice": ADVICE.get(code, "")} for code in codes]
    return found


def status(standing: Standing, journal: Journal, now: float) -> dict[str, Any]:
    """Everything; `now` in seconds since 1970."""
    hindrances = problems(standing)
    return {
        "ready": not hindrances,
        "problems": hindrances,
        "version": standing.version,
        "now": now,
        "uptime": now - journal.started,
        "base_url": f"{standing.address}/v1",
        "proxy": standing.address,
        "upstream": standing.upstream,
        "active": standing.active,
        "waiting": sum(account.waiting for account in standing.accounts),
        "conversations": {
            **{kind: journal.courses[kind] for kind in ("hit", "miss", "new", "reset")},
            "hit_ratio": journal.hit_ratio,
            **asdict(journal.sums),
        },
        "store": {
            "kind": standing.store_kind,
            "up": standing.store is not None,
            "answers": standing.store.anchors if standing.store else None,
            "chats": standing.store.chats if standing.store else None,
        },
        "accounts": [asdict(account) for account in standing.accounts],
        "turns": [_turn(facts, ended) for ended, facts in reversed(journal.turns)],
        "faults": [{**asdict(fault), "advice": _advice(fault)} for fault in journal.faults],
    }


def _advice(fault: Fault) -> str:
    return ADVICE.get(fault.code, "") if fault.action == GIVEN_UP else BY_ITSELF


def _turn(facts: TurnFacts, ended: float) -> dict[str, Any]:
    return {
        "ended": ended,
        "request_id": facts.request_id,
        "route": facts.route,
        "conversation": facts.conversation,
        "kind": facts.course.kind,
        "model": facts.model if facts.listed else "",
        "outcome": facts.outcome,
        "status": facts.status,
        "seconds": facts.duration,
        "first_word": facts.first_word,
        "faults": [code for code, _ in facts.faults],
    }
