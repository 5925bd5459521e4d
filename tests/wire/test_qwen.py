"""Qwen's JSON as models: lenient in everything but the ids."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from qwen_bridge.wire.qwen import ModelList, NewChat


def test_unknown_fields_are_ignored() -> None:
    """The site adds fields without notice."""
    models = ModelList.model_validate_json(b'{"data":[{"id":"m","new":{"x":1},"info":{"meta":{"y":2}}}],"more":1}')
    assert models.data[0].id == "m"


def test_everything_but_the_id_may_be_null() -> None:
    """Null and absent are the same."""
    models = ModelList.model_validate_json(
        b'{"data":[{"id":"m","name":null,"info":null},{"id":"n","info":{"meta":null}}]}'
    )
    assert [model.info and model.info.meta for model in models.data] == [None, None]


@pytest.mark.parametrize("body", [b"{}", b'{"data":[{"name":"m"}]}', b'{"data":[{"id":""}]}', b'{"data":{"id":"m"}}'])
def test_a_list_without_ids_is_none(body: bytes) -> None:
    """A model that cannot be named cannot be offered."""
    with pytest.raises(ValidationError):
        ModelList.model_validate_json(body)


def test_a_new_chat_has_an_id() -> None:
    """The envelope and the id are all there is."""
    chat = NewChat.model_validate_json(b'{"success":true,"request_id":"r","data":{"id":"c1"}}')
    assert (chat.success, chat.data.id) == (True, "c1")
    with pytest.raises(ValidationError):
        NewChat.model_validate_json(b'{"success":true,"data":{}}')
