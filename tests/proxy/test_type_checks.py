"""mitmproxy's check of a message's fields, made quiet."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from mitmproxy.http import Headers, Request
from mitmproxy.utils import typecheck

from qwen_bridge.proxy import type_checks


class Holder:
    """Stands for what a frame has in its variables."""


def made() -> weakref.ref[Holder]:
    """A message, made by a function that holds something."""
    holder = Holder()
    Request("h", 1, b"GET", b"http", b"", b"/", b"HTTP/1.1", Headers(), None, None, 0.0, None)
    return weakref.ref(holder)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_a_message_holds_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the maker of a message held is free when it returns; without the mending it is not."""
    monkeypatch.setattr(typecheck, "check_option_type", type_checks._original)
    assert made()() is not None, "mitmproxy has mended its check: the module is not needed any more"
    type_checks.make_quiet()
    assert made()() is None


def test_a_wrong_field_is_still_refused() -> None:
    """Only None passes without a look, and only where it may stand."""
    type_checks.make_quiet()
    with pytest.raises(TypeError, match="timestamp_end"):
        Request("h", 1, b"GET", b"http", b"", b"/", b"HTTP/1.1", Headers(), None, None, 0.0, "now")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="timestamp_start"):
        Request("h", 1, b"GET", b"http", b"", b"/", b"HTTP/1.1", Headers(), None, None, None, None)  # type: ignore[arg-type]
