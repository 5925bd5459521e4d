from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from qwen_bridge.settings.file import config_path
from qwen_bridge.settings.settings import Settings, SettingsError

SECRET = "s3cr3t-value"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this machine's environment nor its configuration folder."""
    for name in [name for name in os.environ if name.startswith("QWEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    """A TOML file that `QWEN_CONFIG` names."""
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("QWEN_CONFIG", str(path))
    return path


def refusal(**overrides: Any) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.load(overrides)
    return str(raised.value)


# -- sources ------------------------------------------------------------------------------------------------------


def test_without_any_source_the_defaults_hold() -> None:
    """A user who chooses nothing gets Qwen's site, one intercepted host, and no session."""
    settings = Settings.load()
    assert (settings.upstream, settings.openai_hosts) == ("https://chat.qwen.ai", ("api.openai.com",))
    assert (settings.token, settings.cookies, settings.model) == (None, None, "qwen3-max")


def test_the_strongest_source_that_has_a_value_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option goes before the environment, the environment before the file, the file before the default."""
    toml(tmp_path, monkeypatch, 'model = "file"\nattempts = 2\npatience = 3')
    monkeypatch.setenv("QWEN_MODEL", "environment")
    monkeypatch.setenv("QWEN_ATTEMPTS", "4")
    settings = Settings.load({"model": "option"})
    assert (settings.model, settings.attempts, settings.patience) == ("option", 4, 3.0)
    assert settings.keepalive == 15.0


def test_an_empty_variable_counts_as_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`QWEN_MODEL=` in a shell profile does not hide the file."""
    toml(tmp_path, monkeypatch, 'model = "file"')
    monkeypatch.setenv("QWEN_MODEL", "")
    assert Settings.load().model == "file"


def test_variables_are_found_in_any_case_and_others_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs use the prefix too: a name that is no setting is not looked at."""
    monkeypatch.setenv("QWEN_API_KEY", "of qwen-code")
    monkeypatch.setenv("qwen_user_agent", "Mozilla/5.0")
    assert Settings.load().user_agent == "Mozilla/5.0"


def test_the_file_lies_in_the_users_configuration_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `QWEN_CONFIG` the file is `config.toml` there, and need not exist."""
    path = config_path()
    assert path.name == "config.toml"
    assert Settings.load().model == "qwen3-max"
    path.parent.mkdir(parents=True)
    path.write_text('model = "found"')
    assert Settings.load().model == "found"


def test_a_named_file_may_lie_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde in `QWEN_CONFIG` and in `state` is the user's home."""
    (tmp_path / "mine.toml").write_text('state = "~/index"')
    monkeypatch.setenv("QWEN_CONFIG", "~/mine.toml")
    assert Settings.load().state == tmp_path / "index"


def test_a_named_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever names a file wants it read."""
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "gone.toml"))
    assert refusal() == f"QWEN_CONFIG names {tmp_path / 'gone.toml'}, and there is no such file"
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path))
    assert "there is no such file" in refusal()


@pytest.mark.parametrize("content", [f'token = "{SECRET}'.encode(), b"\xff\xfe", b"token = \nmodel", b'model = "\x00"'])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """The sentence names the file and the place, and quotes nothing of it."""
    path = toml(tmp_path, monkeypatch, "")
    path.write_bytes(content)
    sentence = refusal()
    assert sentence.startswith(f"{path} cannot be read: ")
    assert SECRET not in sentence


def test_lists_and_mappings_come_as_text_or_as_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment writes them with commas, TOML in its own way, and both mean the same."""
    monkeypatch.setenv("QWEN_OPENAI_HOSTS", "API.openai.com., gateway.example ,")
    monkeypatch.setenv("QWEN_MODEL_ALIASES", "fast = qwen3-coder-plus, a=b=c,")
    by_environment = Settings.load()
    monkeypatch.delenv("QWEN_OPENAI_HOSTS")
    monkeypatch.delenv("QWEN_MODEL_ALIASES")
    toml(
        tmp_path,
        monkeypatch,
        'openai_hosts = ["api.openai.com", "Gateway.example"]\n[model_aliases]\nfast = "qwen3-coder-plus"\na = "b=c"',
    )
    by_file = Settings.load()
    assert by_environment.openai_hosts == by_file.openai_hosts == ("api.openai.com", "gateway.example")
    assert by_environment.model_aliases == by_file.model_aliases == {"fast": "qwen3-coder-plus", "a": "b=c"}


def test_no_host_may_be_intercepted_at_all() -> None:
    """An empty list is a choice: clients come by base URL only."""
    assert Settings.load({"openai_hosts": ""}).openai_hosts == ()


# -- sentences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "near"), [("modle", "model"), ("tokn", "token"), ("idle-timeout", "idle_timeout"), ("xyz", None)]
)
@pytest.mark.parametrize("source", ["file", "option"])
def test_an_unknown_setting_is_an_error_with_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, near: str | None, source: str
) -> None:
    """A typing mistake does not silently leave a default in force."""
    if source == "file":
        toml(tmp_path, monkeypatch, f'{name} = "{SECRET}"')
        sentence = refusal()
    else:
        sentence = refusal(**{name: SECRET})
    assert sentence == f"{name}: no such setting" + (f"; did you mean {near}?" if near else "")


NO_ADDRESS = "must be an address like https://chat.qwen.ai"
NOT_BARE = "must be scheme, host and port only, like https://chat.qwen.ai"
NOT_SAFE = "must use https: your Qwen cookies would travel readable for everybody"
NO_HOST = "must be names of hosts, like api.openai.com, without scheme, port or path"
NO_PAIRS = "must be name=model pairs separated by commas, like gpt-4o=qwen3-max,fast=qwen3-coder-plus"
NOT_ONE_LINE = "must be one line without control characters"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("upstream", "chat.qwen.ai", NO_ADDRESS),
        ("upstream", "ftp://chat.qwen.ai", NO_ADDRESS),
        ("upstream", "https://", NO_ADDRESS),
        ("upstream", "https://chat.qwen.ai:70000", NO_ADDRESS),
        ("upstream", "https://chat.qwen.ai:0", NO_ADDRESS),
        ("upstream", "https://chat.qwen.ai/c/1", NOT_BARE),
        ("upstream", "https://chat.qwen.ai?a", NOT_BARE),
        ("upstream", "https://me:pw@chat.qwen.ai", NOT_BARE),
        ("upstream", "https://@chat.qwen.ai", NOT_BARE),
        ("upstream", "http://chat.qwen.ai", NOT_SAFE),
        ("upstream", "HTTP://127.0.0.1.example", NOT_SAFE),
        ("openai_hosts", "https://api.openai.com/v1", NO_HOST),
        ("openai_hosts", ("api.openai.com:443",), NO_HOST),
        ("openai_hosts", ("*.openai.com",), NO_HOST),
        ("openai_hosts", ("",), NO_HOST),
        ("model_aliases", "fast", NO_PAIRS),
        ("model_aliases", "=x", NO_PAIRS),
        ("token", "a\nb", NOT_ONE_LINE),
        ("cookies", "token=a\r\nHost: b", NOT_ONE_LINE),
        ("bx_umidtoken", "a\x7f b", NOT_ONE_LINE),
        ("user_agent", "a\tb", NOT_ONE_LINE),
        ("thinking", "maybe", "Input should be 'auto', 'on' or 'off'"),
        ("store", "postgres", "Input should be 'sqlite', 'redis' or 'memory'"),
        ("attempts", 0, "Input should be greater than or equal to 1"),
        ("attempts", "many", "Input should be a valid integer, unable to parse string as an integer"),
        ("patience", -1, "Input should be greater than or equal to 0"),
        ("keepalive", "nan", "Input should be greater than 0"),
        ("idle_timeout", 0, "Input should be greater than 0"),
    ],
)
def test_a_value_that_cannot_be_used_is_explained(name: str, value: object, sentence: str) -> None:
    """One line: the setting's name, and what is wrong or possible."""
    assert refusal(**{name: value}) == f"{name}: {sentence}"


def test_every_mistake_is_named_at_once() -> None:
    """One line for each, so that nobody mends a file error by error."""
    lines = refusal(attempts=0, upstream="x", modle="y").splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == ["attempts", "modle", "upstream"]


def test_qwen_may_not_be_one_of_the_intercepted_hosts() -> None:
    """The bridge would intercept its own question; the sentence belongs to no single setting."""
    sentence = "upstream and openai_hosts name the same host: nothing would ever reach Qwen"
    assert refusal(upstream="https://Gateway.example", openai_hosts="gateway.example") == sentence


# -- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "upstream", "host", "port", "tls"),
    [
        ("https://chat.qwen.ai/", "https://chat.qwen.ai", "chat.qwen.ai", 443, True),
        (" HTTPS://Chat.Qwen.AI:443", "https://chat.qwen.ai:443", "chat.qwen.ai", 443, True),
        ("https://chat.qwen.ai:", "https://chat.qwen.ai", "chat.qwen.ai", 443, True),
        ("http://localhost", "http://localhost", "localhost", 80, False),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100", "127.0.0.1", 8100, False),
        ("http://[::1]:8100/", "http://[::1]:8100", "::1", 8100, False),
    ],
)
def test_the_upstream_is_read_once_and_means_one_thing(
    given: str, upstream: str, host: str, port: int, tls: bool
) -> None:
    """However it was typed, scheme, host and port are one form; capitals never switch encryption off."""
    settings = Settings.load({"upstream": given})
    found = (settings.upstream, settings.upstream_host, settings.upstream_port, settings.upstream_tls)
    assert found == (upstream, host, port, tls)


def test_blanks_around_a_pasted_value_are_no_part_of_it() -> None:
    """A header that was pasted with a line's end is the header; one that is blank is not there."""
    settings = Settings.load({"token": " abc\n", "cookies": "  \n"})
    assert settings.token == SecretStr("abc")
    assert settings.cookies is None


def test_settings_do_not_change() -> None:
    """What was checked stays checked."""
    with pytest.raises(ValidationError):
        Settings.load().model = "other"


def test_no_secret_is_written_out() -> None:
    """Neither the settings, nor their dump as text, nor an error shows a secret."""
    settings = Settings.load({"token": SECRET, "cookies": SECRET, "bx_umidtoken": SECRET})
    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert SECRET not in text
    for name in ("token", "cookies", "bx_umidtoken"):
        assert SECRET not in refusal(**{name: f"{SECRET}\n{SECRET}"})
        assert SECRET not in refusal(**{name: [SECRET]})
        with pytest.raises(ValidationError) as raised:
            Settings.model_validate({name: f"{SECRET}\n{SECRET}"})
        assert SECRET not in str(raised.value) + repr(raised.value)
    assert SECRET not in refusal(upstream=f"https://me:{SECRET}@chat.qwen.ai")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is_for(name: str) -> None:
    """Options and documents take the sentence from here."""
    description = Settings.model_fields[name].description or ""
    assert description.endswith(".")


# -- stores -------------------------------------------------------------------------------------------------------


def test_redis_needs_an_address_and_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever chooses Redis hears at the start what is missing, and the password in the address from nobody."""
    assert "redis_url: must be set" in refusal(store="redis")
    assert "redis_url: must be an address" in refusal(redis_url=f"http://{SECRET}@host")
    assert SECRET not in refusal(redis_url=f"http://{SECRET}@host")
    chosen = Settings.load({"store": "redis", "redis_url": f"redis://:{SECRET}@127.0.0.1:6379/0"})
    assert SECRET not in repr(chosen)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert 'pip install "qwen-bridge[redis]"' in refusal(store="redis", redis_url="redis://127.0.0.1")
