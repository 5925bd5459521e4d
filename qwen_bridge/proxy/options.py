"""Settings as mitmproxy options: one option `qwen_NAME` for each field, made from the same table.

mitmproxy's types are few, and `--set` knows no floats and no choices (`optmanager._parse_setval`); numbers with a
fraction, lists and mappings are therefore text options, and the settings themselves check every value. A secret's
option shows nothing until it is set, so that `--options` prints no credentials.
"""

from __future__ import annotations

import logging
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mitmproxy import exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.options import Options
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from qwen_bridge.observe.redaction import learn, secrets_in
from qwen_bridge.settings.settings import Settings, SettingsError

PREFIX = "qwen_"


def declared(loader: Loader) -> bool:
    """Declare every option, or log why not; whether they are declared.

    mitmproxy swallows what the `load` of a script raises, and goes on without the script: with settings that cannot be
    used there would be no bridge, no word about it, and an open way to OpenAI. An error in the log ends its start.
    """
    try:
        add_options(loader)
    except exceptions.OptionsError as error:
        _tell(error)
        return False
    return True


def in_force(options: Options, *, by_script: bool) -> Settings | None:
    """`read_options`, or `refuse` and none."""
    try:
        return read_options(options)
    except exceptions.OptionsError as error:
        refuse(error, by_script=by_script)
        return None


def refuse(error: exceptions.OptionsError, *, by_script: bool) -> None:
    """Raise `error`; for a script that is being loaded, log it, which ends mitmproxy's start too.

    Raised by a script, mitmproxy logs it with a traceback, which says nothing to somebody who mistyped a setting.
    """
    if not by_script:
        raise error
    _tell(error)


def _tell(error: exceptions.OptionsError) -> None:
    logging.getLogger(__name__).error(str(error))  # not as an event: its lines stay lines


def add_options(loader: Loader) -> None:
    """Declare every option, its default being what environment and TOML file say now.

    Raises `OptionsError` when those cannot be used, which ends mitmproxy with the sentence.
    """
    settings = _loaded({})
    for name, field in Settings.model_fields.items():
        loader.add_option(
            PREFIX + name, _typespec(field), _shown(getattr(settings, name)), field.description or "", _choices(field)
        )


def read_options(options: Options) -> Settings:
    """The settings in force. Raises `OptionsError` with one line for every option that cannot be used."""
    chosen = {}
    for name in Settings.model_fields:
        # An option that nobody touched leaves the decision to environment and file, whose types are their own.
        if options._options[PREFIX + name].has_changed():
            chosen[name] = getattr(options, PREFIX + name)
    return _loaded(chosen)


def _loaded(chosen: dict[str, Any]) -> Settings:
    try:
        settings = Settings.load(chosen)
    except SettingsError as error:
        lines = "\n".join(f"  {PREFIX}{line}" for line in str(error).splitlines())
        raise exceptions.OptionsError(f"qwen-bridge cannot use its settings:\n{lines}") from None
    learn(*secrets_in(settings))  # no log shows them from now on
    return settings


def _typespec(field: FieldInfo) -> Any:
    if field.annotation is bool or field.annotation is int:
        return field.annotation
    optional = typing.get_origin(field.annotation) in (types.UnionType, typing.Union)
    return typing.Optional[str] if optional else str  # noqa: UP045  (mitmproxy compares with this very form)


def _choices(field: FieldInfo) -> Sequence[str] | None:
    return typing.get_args(field.annotation) if typing.get_origin(field.annotation) is Literal else None


def _shown(value: object) -> object:
    """A setting's value in a form that `Settings` reads back to the same."""
    match value:
        case SecretStr():
            return None
        case Path() | float():
            return str(value)
        case tuple():
            return ",".join(value)
        case dict() if not all(isinstance(target, str) for target in value.values()):
            return None  # keys and sessions
        case dict():
            return ",".join(f"{name}={target}" for name, target in value.items())
    return value
