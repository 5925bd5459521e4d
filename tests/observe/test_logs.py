from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.observe.logs import configure, redact, redact_value

# Made up, and put together here, so that no search for leaked secrets stops at this file.
KEY = "sk-" + "proj-Abc_123-def456ghi"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJpZCI6IjEifQ" + ".c2lnbmF0dXJl-_x"
COOKIES = f"acw_tc=first; x5sec=second; token={JWT}; ssxmod_itna=third"
PARTS = ("first", "second", "third", JWT, KEY, "T2gAbc", "dXNlcjpwdw")


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


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"Authorization: Bearer {KEY}", "Authorization: Bearer [redacted]"),
        ("authorization=Basic dXNlcjpwdw==", "authorization=Basic [redacted]"),
        ("Proxy-Authorization: dXNlcjpwdw==", "Proxy-Authorization: [redacted]"),
        ("bearer first", "bearer [redacted]"),
        (f"the key {KEY}, and more", "the key [redacted], and more"),
        (f"got {JWT}.", "got [redacted]"),
        (f"Cookie: {COOKIES}\nHost: x", "Cookie: [redacted]\nHost: x"),
        ("Set-Cookie: acw_tc=first; Path=/", "Set-Cookie: [redacted]"),
        (f"QWEN_COOKIES={COOKIES}", "QWEN_COOKIES=[redacted]"),
        (f"{{'cookie': '{COOKIES}', 'host': 'x'}}", "{'cookie': '[redacted]', 'host': 'x'}"),
        (f'{{"cookies": "{COOKIES}", "a": 1}}', '{"cookies": "[redacted]", "a": 1}'),
        (f'"{{\\"cookie\\": \\"{COOKIES}\\", \\"a\\": 1}}"', '"{\\"cookie\\": \\"[redacted]\\", \\"a\\": 1}"'),
        (f"(b'cookie', b'{COOKIES}'), (b'a', b'b')", "(b'cookie', b'[redacted]'), (b'a', b'b')"),
        ("bx-umidtoken: T2gAbc", "bx-umidtoken: [redacted]"),
        ("{'bx_umidtoken': 'T2gAbc'}", "{'bx_umidtoken': '[redacted]'}"),
        ("('bx-ua', '231!T2gAbc')", "('bx-ua', '[redacted]')"),
        ("token=first&page=2", "token=[redacted]&page=2"),
        ("QWEN_TOKEN=first", "QWEN_TOKEN=[redacted]"),
        ("x-api-key: first", "x-api-key: [redacted]"),
    ],
)
def test_a_secret_is_replaced_and_its_name_stays(text: str, redacted: str) -> None:
    """A reader sees what was there, and nobody can use it."""
    assert redact(text) == redacted
    assert not any(part in redact(text) for part in PARTS)


@pytest.mark.parametrize(
    "text",
    [
        "the cookie, however, was missing",
        "12 tokens, then `--set qwen_token=…` or QWEN_COOKIES in the environment",
        "task-1234567890 risk-assessment-document",
        "eyJ is how a JWT begins",
        "x-request-id=req_abc chat_id=3f1c6ad0 parent_id=None hit depth=7/9",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A log that is redacted to nothing helps nobody."""
    assert redact(text) == text


@given(
    before=st.text(max_size=20), secret=st.sampled_from([KEY, JWT]), after=st.sampled_from(["", " ", '"', ",", "\n"])
)
def test_a_key_is_found_anywhere(before: str, secret: str, after: str) -> None:
    """Whatever stands around it, short of making it part of a longer word."""
    assert secret not in redact(f"{before} {secret}{after}")


@given(text=st.text(st.sampled_from("cookietoken-_='\":;, b\\sk\n"), max_size=60))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """It never raises, and what is redacted is stable."""
    once = redact(text)
    assert redact(once) == redact(redact(once))


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


def test_a_value_of_json_is_redacted_whole() -> None:
    """Texts at any depth, keys, and what stands under a secret's name; numbers stay."""
    told = redact_value({"a": [f"x {KEY}", 1, None], KEY: True, "token": "short", "n": {"Authorization": "y"}})
    assert told == {
        "a": ["x [redacted]", 1, None],
        "[redacted]": True,
        "token": "[redacted]",
        "n": {"Authorization": "[redacted]"},
    }
