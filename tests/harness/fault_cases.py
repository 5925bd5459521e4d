"""What Qwen and the wire do for each row of the catalogue of faults, as scripts of the simulator.

A case belongs to one row. `late` ones come behind words of the answer; `hasty` ones need a bridge whose deadlines are
short; `nowhere` needs one that Qwen does not listen to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

WORDS = "Hello from the other side, as it is."


@dataclass(frozen=True)
class Case:
    """One entry of a script, by the row it shows."""

    row: str
    name: str
    entry: dict[str, Any] = field(default_factory=dict)
    late: bool = False
    bridge: str = "patient"


def _fault(row: str, *names: str, **more: Any) -> list[Case]:
    return [Case(row, name, {"fault": name, **more}) for name in names]


def _late(row: str, name: str, bridge: str = "patient") -> Case:
    return Case(row, name, {"fault": name, "text": WORDS, "chunk": 6, "after": 4}, late=True, bridge=bridge)


def _raw(row: str, name: str, body: str) -> Case:
    return Case(row, name, {"raw": body})


_OPENED = 'data: {"response.created": {"chat_id": "c", "parent_id": "u", "response_id": "a"}}\n\n'

CASES: Sequence[Case] = (
    *_fault("challenge", "waf_json_punish", "waf_html_redirect", "waf_html_aliyun"),
    *_fault("blocked", "http_403_page"),
    *_fault("page", "http_200_page"),
    *_fault("too large", "http_413"),
    *_fault("timeout", "http_504"),
    *_fault("account pending", "account_pending"),
    *_fault("content inspection", "in_stream_data_inspection_input"),
    _late("content inspection", "late_data_inspection"),
    *_fault("token quota", "in_stream_quota"),
    *_fault("quota", "rate_limited_v2", "rate_limited_old_flat"),
    *_fault("chat busy", "chat_in_progress", "chat_in_progress_429"),
    *_fault("parallel limit", "parallel_limited", "http_429"),
    *_fault("pace", "http_200_pace"),
    *_fault("parent", "parent_not_exist", "parent_not_found"),
    *_fault("chat gone", "chat_deleted", "chat_not_found", "chat_not_exist"),
    *_fault("unknown model", "invalid_model"),
    *_fault("signed out", "unauthorized"),
    *_fault("token expired", "http_200_expired"),
    *_fault("forbidden", "http_403"),
    *_fault("not found", "http_404"),
    *_fault("too many messages", "too_many_messages"),
    *_fault("validation", "missing_chat_id"),
    *_fault("invalid input", "invalid_input"),
    *_fault("server", "http_500", "http_502", "http_503"),
    *_fault("empty", "http_200_empty"),
    *_fault("not a refusal", "http_200_success"),
    *_fault("not json", "http_200_text"),
    *_fault("other", "internal_error", "something_wrong", "in_stream_failure", "delta_status_error"),
    _late("other", "late_error"),
    Case("unreachable", "nobody listens", bridge="nowhere"),
    *_fault("lost", "refuse", "reset_before_headers", "close_before_headers"),
    Case("silent", "stall_before_headers", {"fault": "stall_before_headers"}, bridge="hasty"),
    _late("paused", "stall_mid_stream", bridge="hasty"),
    Case("endless", "never ends", {"text": WORDS * 50, "chunk": 6, "pace": 20}, late=True, bridge="short"),
    _late("cut", "reset_mid_stream"),
    _late("cut", "cut_mid_stream"),
    _late("cut", "end_mid_stream"),
    Case("cut", "no_finish", {"fault": "no_finish", "text": WORDS, "chunk": 6}, late=True),
    _raw("stopped", "response.stopped", _OPENED + 'data: {"response.stopped": {"response_id": "a"}}\n\n'),
    *_fault("no words", "empty_stream", "created_then_eof", "created_then_eof_system_role"),
    _raw("no event", "half an event", _OPENED + "data: {oops\n\n"),
    *_fault("huge event", "huge_line", after=1, size=9_000_000),
    Case("compression", "gzip_bomb", {"fault": "gzip_bomb"}),
)
