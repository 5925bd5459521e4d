from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from qwen_bridge.observe.logs import MITMWEB, configure
from tests.observe.test_redaction import COOKIES, KEY, PARTS


@pytest.fixture
def logger(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """structlog as the bridge configures it, its lines in `caplog`; what stood before comes back."""
    before = structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore")}
    configure()
    caplog.set_level(logging.INFO)
    try:
        yield structlog.get_logger("qwen_bridge.test")
    finally:
        structlog.configure(**before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def test_a_line_is_the_event_and_its_values(logger: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One line, the event first, numbers as numbers, line ends of a value escaped."""
    logger.info("turn done", chat_id="c-1", attempts=2, ratio=0.5, hit=True, parent=None, text="a\nb")
    (record,) = caplog.records
    assert record.name == "qwen_bridge.test"
    message = record.getMessage()
    assert message.startswith("event='turn done' ")
    for part in ("chat_id='c-1'", "attempts=2", "ratio=0.5", "hit=True", "parent=None", r"text='a\nb'"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "values",
    [
        {"token": "first"},
        {"Authorization": "first"},
        {"bx-umidtoken": "first"},
        {"cookies": ["first"]},
        {"headers": {"cookie": COOKIES, "bx-umidtoken": "T2gAbc"}},
        {"headers": [("authorization", f"Bearer {KEY}"), ("cookie", COOKIES)]},
        {"raw": (b"cookie", COOKIES.encode())},
        {"error": ValueError(f"refused {KEY}")},
        {"reason": f"Cookie: {COOKIES}"},
    ],
)
def test_no_value_of_a_line_shows_a_secret(
    logger: Any, caplog: pytest.LogCaptureFixture, values: dict[str, Any]
) -> None:
    """Secrets are found by the name of a value, and inside any value, whatever its type."""
    logger.warning("refused", **values)
    assert "[redacted]" in caplog.text
    assert not any(part in caplog.text for part in PARTS)


def test_an_event_and_its_arguments_are_redacted(logger: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The sentence itself may hold a secret, and so may what is bound to the context or the logger."""
    structlog.contextvars.bind_contextvars(cookie=COOKIES)
    try:
        logger.bind(api_key=KEY).warning(f"asked with {KEY}")
    finally:
        structlog.contextvars.clear_contextvars()
    assert "cookie='[redacted]'" in caplog.text
    assert "api_key='[redacted]'" in caplog.text
    assert not any(part in caplog.text for part in PARTS)


def test_an_exception_is_shown_without_its_secrets(logger: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A traceback, with its causes, is part of the line and is redacted like it."""
    failure = RuntimeError(f"with {KEY}")
    failure.__cause__ = ValueError(f"Cookie: {COOKIES}")
    try:
        raise failure
    except RuntimeError:
        logger.exception("an exchange failed", request_id="req_1")
    logger.error("told with the values", exc_info=failure)
    assert caplog.text.count("RuntimeError") == caplog.text.count("ValueError") == 2
    assert "request_id='req_1'" in caplog.text
    assert not any(part in caplog.text for part in PARTS)


def test_a_level_that_is_off_costs_no_line(logger: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The standard library's levels decide."""
    logger.debug("not shown")
    assert not caplog.records


def test_configuring_again_changes_nothing(logger: Any, caplog: pytest.LogCaptureFixture) -> None:
    """mitmproxy loads an addon anew when its script changes."""
    configure()
    logger.info("once")
    assert len(caplog.records) == 1


def test_the_http_libraries_do_not_write_urls(logger: Any) -> None:
    """httpx logs every request's address at the level at which mitmproxy listens."""
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore.http11").isEnabledFor(logging.DEBUG)


def test_records_of_others_are_redacted(logger: Any, caplog: pytest.LogCaptureFixture) -> None:
    """mitmproxy's own lines, and tracebacks in them, are written by other loggers in the same process."""
    other = logging.getLogger("somebody.else")
    other.info("sent %s", f"Cookie: {COOKIES}")
    try:
        int(KEY)
    except ValueError:
        other.exception("it failed")
    assert "sent Cookie: [redacted]" in caplog.text
    assert "ValueError: invalid literal for int() with base 10: '[redacted]'" in caplog.text
    assert not any(part in caplog.text for part in PARTS)


@pytest.mark.parametrize("name", MITMWEB)
def test_the_way_into_mitmweb_is_printed_whole(name: str, logger: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The token of its page is there to be used by whoever started it; mitmproxy's other lines are redacted."""
    address = "http://127.0.0.1:8081/?token=0123456789abcdef0123456789abcdef"
    logging.getLogger(name).info(f"Web server listening at {address}")
    logging.getLogger("mitmproxy.proxy.server").info(f"GET {address}")
    assert [record.getMessage() for record in caplog.records] == [
        f"Web server listening at {address}",
        "GET http://127.0.0.1:8081/?token=[redacted]",
    ]


def test_a_record_that_cannot_be_formatted_is_left_to_its_handler(
    logger: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever logs it goes on."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    record = logging.getLogRecordFactory()("x", logging.INFO, "", 0, "%d", ("no number",), None)
    assert record.args == ("no number",)
