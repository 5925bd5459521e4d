"""What a setting's value may be, and how its written form is read: addresses, lists, names, header lines.

Each type here is the annotation of fields of `Settings`. A value comes as text (from an option or the environment) or
as TOML's own type. Whatever cannot be used raises `ValueError` with the end of the sentence "NAME: …", which says what
is possible and never repeats the value: it may be a secret. `sentence` puts the two ends together.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that are this machine by name alone."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[^\s/?#@:\[\]*]+)(?::\d{1,5})?")


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _split_names(value: object) -> object:
    return tuple(_words(value)) if isinstance(value, str) else value


def _lower_hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower().rstrip(".") for host in value)
    if any(not host or set(host) & set("/:@*?# ") for host in hosts):
        # One that never matches would let prompts and keys pass to it.
        raise ValueError("must be names of hosts, like api.openai.com, without scheme, port or path")
    return hosts


def _web_origins(value: tuple[str, ...]) -> tuple[str, ...]:
    origins = tuple(origin.strip().lower().rstrip("/") for origin in value)
    if any(origin != "null" and not _ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(
            "must be origins of web pages, like https://chat.example.com or http://localhost:3000, or null"
        )
    return origins


def _split_aliases(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [word.partition("=") for word in _words(value)]
    if any(not (name.strip() and model.strip()) for name, _, model in pairs):
        raise ValueError("must be name=model pairs separated by commas, like gpt-4o=qwen3-max,fast=qwen3-coder-plus")
    return {name.strip(): model.strip() for name, _, model in pairs}


def _split_tool_aliases(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [word.partition("=") for word in _words(value)]
    if any(not (written.strip() and declared.strip()) for written, _, declared in pairs):
        raise ValueError("must be written=declared pairs separated by commas, like read=read_file,Shell=run_command")
    return {written.strip(): declared.strip() for written, _, declared in pairs}


def one_header_line(value: object) -> object:
    """Text without control characters, `None` for none; anything else as it is."""
    if isinstance(value, str):
        value = value.strip()
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise ValueError("must be one line without control characters")
        return value or None
    return value


def _safe_upstream(value: str) -> str:
    parts = urlsplit(value)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port in (-1, 0):
        raise ValueError("must be an address like https://chat.qwen.ai")
    if parts.path.rstrip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be scheme, host and port only, like https://chat.qwen.ai")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("must use https: your Qwen cookies would travel readable for everybody")
    # Put together anew: blanks, capitals in the scheme and an empty port would be read differently further on.
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" if port is None else f"{parts.scheme}://{host}:{port}"


def _account(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[0-9a-f]{8,16}", value):
        raise ValueError("must be 8 to 16 digits (0-9, a-f), as `qwen-bridge sessions` shows them")
    return value


def _redis_address(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must be an address like redis://:PASSWORD@HOST:6379/0, rediss://… or unix://…")
    return value


def _installed(value: str) -> str:
    if value == "redis" and importlib.util.find_spec("redis") is None:
        raise ValueError('redis needs a package that is not installed: pip install "qwen-bridge[redis]"')
    return value


UpstreamAddress = Annotated[str, AfterValidator(_safe_upstream)]
"""`https://host[:port]`; plain http for this machine only."""

HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names), AfterValidator(_lower_hosts)]
"""Names of hosts, in lower case; written with commas between them."""

WebOrigins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names), AfterValidator(_web_origins)]
"""Origins of web pages as a browser writes them, `scheme://host[:port]` or `null`; written with commas between them."""

Aliases = Annotated[dict[str, str], NoDecode, BeforeValidator(_split_aliases)]
ToolAliases = Annotated[dict[str, str], NoDecode, BeforeValidator(_split_tool_aliases)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)]
"""Name → name; written as `name=name` with commas between them."""

HeaderLine = Annotated[str | None, BeforeValidator(one_header_line)]
"""One line that may stand in an HTTP header; what is empty is None."""

SecretLine = Annotated[SecretStr | None, BeforeValidator(one_header_line)]
"""A `HeaderLine` that is shown to nobody."""

AccountDigest = Annotated[str | None, BeforeValidator(one_header_line), AfterValidator(_account)]
"""The beginning of an account's digest, as the status page and `qwen-bridge sessions` show it."""

RedisAddress = Annotated[SecretStr | None, BeforeValidator(one_header_line), AfterValidator(_redis_address)]
"""The URL of a Redis, secret because a password may stand in it."""

StoreKind = Annotated[Literal["sqlite", "redis", "memory"], AfterValidator(_installed)]
"""A kind of store whose package is there."""

Folder = Annotated[Path, AfterValidator(Path.expanduser)]
"""A folder, `~` written out."""


OFF = "off"
"""The value of a setting that names a folder, where there is to be none."""


def _off_or_folder(value: object) -> object:
    text = str(value).strip() if isinstance(value, str | Path) else value
    if not isinstance(text, str) or text in ("", OFF):
        return OFF if text == "" else text
    if not (text.startswith("~") or Path(text).is_absolute()):
        raise ValueError("must be off, or a folder with its whole path, like ~/qwen-recordings")
    return str(Path(text).expanduser())


OffOrFolder = Annotated[str, BeforeValidator(_off_or_folder)]
"""A folder with its whole path, or `off`."""


def sentence(names: Collection[str], item: Mapping[str, Any]) -> str:
    """One line of a validation error; `names` are those of all settings. The refused value is left out."""
    name = ".".join(str(step) for step in item["loc"])
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, names, n=1)
        return f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else "")
    reason = str(item["msg"]).removeprefix("Value error, ")
    return f"{name}: {reason}" if name else reason
