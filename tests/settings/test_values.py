from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from qwen_bridge.settings.values import (
    Aliases,
    Folder,
    HeaderLine,
    HostNames,
    OffOrFolder,
    RedisAddress,
    SecretLine,
    StoreKind,
    UpstreamAddress,
    WebOrigins,
    sentence,
)


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        (UpstreamAddress, " HTTPS://Chat.Qwen.AI:443/".strip(), "https://chat.qwen.ai:443"),
        (UpstreamAddress, "http://[::1]:8100/", "http://[::1]:8100"),
        (HostNames, "API.openai.com., gateway.example ,", ("api.openai.com", "gateway.example")),
        (HostNames, "", ()),
        (HostNames, ("Gateway.example",), ("gateway.example",)),
        (WebOrigins, "HTTP://localhost:3000/, null", ("http://localhost:3000", "null")),
        (Aliases, "fast = qwen3-coder-plus, a=b=c,", {"fast": "qwen3-coder-plus", "a": "b=c"}),
        (Aliases, {"fast": "qwen3-max"}, {"fast": "qwen3-max"}),
        (HeaderLine, " Mozilla/5.0\n", "Mozilla/5.0"),
        (HeaderLine, "  ", None),
        (HeaderLine, None, None),
        (SecretLine, " abc\n", SecretStr("abc")),
        (RedisAddress, "rediss://:word@host:6379/0", SecretStr("rediss://:word@host:6379/0")),
        (StoreKind, "sqlite", "sqlite"),
        (Folder, "~/index", Path("~/index").expanduser()),
    ],
)
def test_a_value_means_one_thing_however_it_was_written(kind: Any, given: object, meant: object) -> None:
    """Blanks, capitals, commas and TOML's own types lead to the same value."""
    assert read(kind, given) == meant


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (UpstreamAddress, "nowhere.example", "must be an address"),
        (UpstreamAddress, "https://me:pw@chat.qwen.ai", "must be scheme, host and port only"),
        (UpstreamAddress, "http://chat.qwen.ai", "must use https"),
        (HostNames, "https://api.openai.com/v1", "must be names of hosts"),
        (WebOrigins, "localhost:4321", "must be origins of web pages"),
        (WebOrigins, "https://*.example.com", "must be origins of web pages"),
        (WebOrigins, "https://example.com/page", "must be origins of web pages"),
        (Aliases, "lonely", "must be name=model pairs"),
        (HeaderLine, "a\r\nHost: b", "must be one line"),
        (SecretLine, "a\x7fb", "must be one line"),
        (RedisAddress, "http://host", "must be an address like redis://"),
        (OffOrFolder, "here/below", "must be off, or a folder"),
        (OffOrFolder, "on", "must be off, or a folder"),
    ],
)
def test_a_value_that_cannot_be_used_says_what_can(kind: Any, value: object, sentence: str) -> None:
    """The sentence tells what is possible and never repeats the value."""
    with pytest.raises(ValidationError) as raised:
        read(kind, value)
    (error,) = raised.value.errors()
    assert sentence in error["msg"]
    assert str(value) not in error["msg"]


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ({"loc": ("modle",), "type": "extra_forbidden", "msg": "x"}, "modle: no such setting; did you mean model?"),
        ({"loc": ("zzz",), "type": "extra_forbidden", "msg": "x"}, "zzz: no such setting"),
        ({"loc": ("hosts", 0), "type": "value_error", "msg": "Value error, must be a name"}, "hosts.0: must be a name"),
        ({"loc": (), "type": "value_error", "msg": "Value error, two do not agree"}, "two do not agree"),
    ],
)
def test_a_refused_setting_is_one_line(item: dict[str, Any], line: str) -> None:
    """It names the setting, says what is wrong, and knows what was probably meant."""
    assert sentence(["model", "hosts"], {**item, "input": "secret"}) == line
