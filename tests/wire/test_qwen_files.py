"""Qwen's JSON about files as models: lenient in everything but what an upload needs."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from qwen_bridge.wire.qwen_files import FileState, ParseStarted, ParseStates, StsToken

DATA = {
    "access_key_id": "STS.key",
    "access_key_secret": "hidden-secret",
    "security_token": "hidden-token",
    "file_url": "https://store.example/a.txt?signed",
    "file_id": "f1",
    "bucketname": "bucket",
    "region": "oss-ap-southeast-1",
}


def test_a_token_has_all_that_an_upload_needs() -> None:
    """Unknown fields are ignored; each of the known ones must be there."""
    token = StsToken.model_validate_json(json.dumps({"success": True, "data": DATA | {"new": 1}}))
    assert token.data.model_dump() == DATA
    for name in DATA:
        with pytest.raises(ValidationError):
            StsToken.model_validate_json(json.dumps({"success": True, "data": DATA | {name: ""}}))


def test_no_secret_is_shown() -> None:
    """Neither the value nor an error about it shows what must not stand in a log."""
    token = StsToken.model_validate_json(json.dumps({"success": True, "data": DATA}))
    with pytest.raises(ValidationError) as caught:
        StsToken.model_validate_json(json.dumps({"success": True, "data": DATA | {"access_key_secret": ["hidden"]}}))
    assert "hidden" not in repr(token) + str(caught.value)


def test_a_parse_begins_with_whatever_data() -> None:
    """Only the envelope is sure."""
    assert ParseStarted.model_validate_json(b'{"success":true}').data is None
    assert ParseStarted.model_validate_json(b'{"success":true,"data":true}').data is True


def test_states_come_in_a_list_or_alone() -> None:
    """Both answers of client code are read, with and without an id."""
    listed = ParseStates.model_validate_json(b'{"success":true,"data":[{"file_id":"f","status":"success","n":1},{}]}')
    assert listed.data == [FileState(file_id="f", status="success"), FileState()]
    alone = ParseStates.model_validate_json(b'{"success":true,"data":{"status":"processing"}}')
    assert alone.data == FileState(status="processing")
