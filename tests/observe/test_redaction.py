"""What a secret looks like, and that none stays."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.observe import redaction
from qwen_bridge.observe.redaction import is_secret_name, learn, redact, redact_value, secrets_in
from qwen_bridge.settings.settings import Settings

# Made up, and put together here, so that no search for leaked secrets stops at this file.
KEY = "sk-" + "proj-Abc_123-def456ghi"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJpZCI6IjEifQ" + ".c2lnbmF0dXJl-_x"
COOKIES = f"acw_tc=first; x5sec=second; token={JWT}; ssxmod_itna=third"
PARTS = ("first", "second", "third", JWT, KEY, "T2gAbc", "dXNlcjpwdw")


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is learned here is known here only."""
    monkeypatch.setattr(redaction, "_known", redaction._Known())


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
        ("invalid_api_key:first", "invalid_api_key:[redacted]"),
        ("invalid_api_key:give_up", "invalid_api_key:give_up"),
        ('"access_key_secret": "first"', '"access_key_secret": "[redacted]"'),
        ("security_token=first", "security_token=[redacted]"),
        (
            "https://oss.example/x?x-oss-signature=first&x-oss-date=1",
            "https://oss.example/x?x-oss-signature=[redacted]&x-oss-date=1",
        ),
        ("x-oss-security-token=first&a=1", "x-oss-security-token=[redacted]&a=1"),
        ("redis://:first@host:6379/0", "redis://:[redacted]@host:6379/0"),
        ("socks5://me:second@proxy:1080", "socks5://me:[redacted]@proxy:1080"),
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


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("secret", ["plain-value-1", 'a "quoted" \\ one', "with=some/signs+&%", "umläut-密码-wert"])
def test_a_configured_value_is_found_in_every_form(secret: str) -> None:
    """Under any name: plain, percent-encoded, in JSON, in a representation, in Base64."""
    learn(secret)
    forms = [secret, quote(secret, safe=""), json.dumps(secret), repr(secret), b64encode(secret.encode()).decode()]
    for form in forms:
        assert redact(f"somewhere {form} stands") in (
            "somewhere [redacted] stands",
            'somewhere "[redacted]" stands',
            "somewhere '[redacted]' stands",
            "somewhere [redacted]= stands",
            "somewhere [redacted]== stands",
        )


@pytest.mark.usefixtures("forgetful")
def test_a_short_value_is_not_searched_for() -> None:
    """It would blot out half of a log; its name still gives it away."""
    learn("abc")
    assert redact("abcdef token=abc") == "abcdef token=[redacted]"


@pytest.mark.usefixtures("forgetful")
def test_a_value_within_another_hides_nothing_of_the_longer() -> None:
    """The longest is replaced first."""
    learn("secret-one", "secret-one-and-more")
    assert redact("x secret-one-and-more y") == "x [redacted] y"


def test_secrets_of_settings() -> None:
    """Every secret field, single cookies, and the password of an address, also decoded."""
    settings = Settings.load(
        {
            "token": "the-token-value",
            "cookies": "acw_tc=cookie-value-1; short=1; token=the-token",
            "redis_url": "redis://:pass%2Fword@host:6379/0",
        }
    )
    found = set(secrets_in(settings))
    assert {"the-token-value", "cookie-value-1", "pass%2Fword", "pass/word"} <= found
    assert "1" not in found


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "set-cookie",
        "bx-umidtoken",
        "bx-ua",
        "api-key",
        "x_api_key",
        "client_secret",
    ],
)
def test_names_of_secrets(name: str) -> None:
    """Headers, settings and keys."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["host", "user-agent", "x-request-id", "content-type", "request_id", "x-stainless-lang"]
)
def test_names_of_other_things(name: str) -> None:
    """They stay readable."""
    assert not is_secret_name(name)


def test_a_value_of_json_is_redacted_whole() -> None:
    """Texts at any depth, keys, and what stands under a secret's name; numbers stay."""
    told = redact_value({"a": [f"x {KEY}", 1, None], KEY: True, "token": "short", "n": {"Authorization": "y"}})
    assert told == {
        "a": ["x [redacted]", 1, None],
        "[redacted]": True,
        "token": "[redacted]",
        "n": {"Authorization": "[redacted]"},
    }
