"""mitmproxy's check of what a message holds, without the garbage it leaves.

A field that may be None is tried against each of its types, and each failure is an exception in a circle with its own
frame. The circle holds every frame below it, with all their variables: the request's events, commands, stream and flow.
Two messages are parsed for each request, so without this whole histories would wait for a full round of the collector,
which is rare; memory swung by them and crept upwards under load.
"""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args

from mitmproxy.utils import typecheck

_original = typecheck.check_option_type


def make_quiet() -> None:
    """Let None pass where a type names it, as it would after some exceptions. Everything else is checked as before."""
    typecheck.check_option_type = _check


def _check(name: str, value: Any, typeinfo: Any) -> None:
    if value is not None or NoneType not in get_args(typeinfo):
        _original(name, value, typeinfo)
