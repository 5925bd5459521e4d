from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_bridge.simulator.refusals import REFUSALS, Refused
from tests.harness.shared import QWEN, needs_shared

PARENT = "11111111-1111-4111-8111-111111111111"
ZERO = "00000000-0000-0000-0000-000000000000"


def recorded() -> list[dict[str, Any]]:
    if not QWEN.is_dir():
        return []
    rows = [json.loads(line) for line in (QWEN / "errors.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["name"] != "created_then_eof_system_role"]  # an answer: see test_faults.py


@needs_shared
@pytest.mark.parametrize("row", recorded(), ids=lambda row: str(row["name"]))
def test_every_recorded_body_is_reproduced(row: dict[str, Any]) -> None:
    """Each body of errors.jsonl can be had: status, type, headers, and the same JSON with keys in the same order."""
    reply = REFUSALS[row["name"]].reply(ZERO, parent_id=PARENT)
    assert reply.status == row["http_status"]
    assert reply.content_type == row["content_type"]
    assert dict(reply.headers) == row.get("headers", {})
    if isinstance(row["body"], str):
        assert reply.body.decode() == row["body"]
    else:
        assert reply.body.decode() == json.dumps(row["body"], ensure_ascii=False, separators=(",", ":"))


def test_what_is_filled_in_cannot_break_the_json() -> None:
    """A parent id may be any text."""
    refused = Refused("parent_not_exist", parent_id='a"b\\\n\ud800')
    details = json.loads(refused.reply("r").body)["data"]["details"]
    assert details == 'Invalid input chat parent_id a"b\\\n? is not exist.'


def test_every_json_refusal_is_json() -> None:
    """No row has a mistake in its template, and nothing is left to be filled in."""
    for row in REFUSALS.values():
        body = row.reply("id").body.decode()
        assert "@" not in body
        if row.content_type == "application/json":
            assert isinstance(json.loads(body), dict)
