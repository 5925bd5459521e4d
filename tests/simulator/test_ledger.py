from __future__ import annotations

from qwen_bridge.simulator.ledger import Ledger, RefusedRequest, Turn


def turn(number: int) -> Turn:
    return Turn(chat_id="c", parent_id=None, response_id=str(number), request_bytes=number, message="hi")


def test_the_ledger_has_the_keys_of_its_contract() -> None:
    """A turn tells exactly what the contract names; a refusal at least that."""
    ledger = Ledger()
    ledger.open_turn(turn(1))
    ledger.refuse(RefusedRequest(path="/x", reason="http_429", request_bytes=3, message="m"))
    told = ledger.to_json()
    assert list(told["turns"][0]) == [
        "chat_id",
        "parent_id",
        "response_id",
        "request_bytes",
        "message",
        "files",
        "context",
        "answer",
        "aborted",
    ]
    assert {"path", "reason", "request_bytes", "message"} <= set(told["refused"][0])


def test_the_ledger_keeps_the_newest() -> None:
    """It is bounded: the oldest lines fall out."""
    ledger = Ledger(limit=3)
    for number in range(5):
        ledger.open_turn(turn(number))
        ledger.refuse(RefusedRequest(path=str(number), reason="x", request_bytes=0))
    assert [t.response_id for t in ledger.turns] == ["2", "3", "4"]
    assert [r.path for r in ledger.refused] == ["2", "3", "4"]
    ledger.clear()
    assert ledger.to_json() == {"turns": [], "refused": []}
