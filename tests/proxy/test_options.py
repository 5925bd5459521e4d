"""Settings as mitmproxy options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy import exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.options import Options
from mitmproxy.test import taddons

from qwen_bridge.proxy.options import PREFIX, add_options, read_options
from qwen_bridge.settings.settings import Settings


class Declares:
    """An addon that has our options."""

    def load(self, loader: Loader) -> None:
        add_options(loader)


@pytest.fixture
def opts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Options]:
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("attempts = 3\n")
    with taddons.context(Declares()) as context:
        yield context.options


def given(opts: Options, *pairs: str) -> Settings:
    """What `--set` on the command line makes of it."""
    opts.set(*(PREFIX + pair for pair in pairs))
    return read_options(opts)


def test_every_setting_is_an_option_with_its_words(opts: Options) -> None:
    """Same names behind the prefix, described, each of a type that `--set` can read."""
    names = {name.removeprefix(PREFIX) for name in opts._options if name.startswith(PREFIX)}
    assert names == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        option = opts._options[PREFIX + name]
        assert option.help
        assert option.typespec in (str, int, bool, str | None), name
        assert option.help.split()[0] == (field.description or "").split()[0]


def test_untouched_options_change_nothing(opts: Options) -> None:
    """Environment and file decide; reading their values back through options would change types."""
    assert read_options(opts) == Settings.load({})
    assert read_options(opts).attempts == 3


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    [
        ("model=qwen3-coder-plus", "model", "qwen3-coder-plus"),
        ("attempts=2", "attempts", 2),
        ("keepalive=2.5", "keepalive", 2.5),
        ("openai_hosts=a.example, b.example", "openai_hosts", ("a.example", "b.example")),
        ("model_aliases=x=qwen3-max,y=z", "model_aliases", {"x": "qwen3-max", "y": "z"}),
        ("harmless_tools=Look, Peek", "harmless_tools", ("Look", "Peek")),
        ("tool_aliases=Shell=run_command", "tool_aliases", {"Shell": "run_command"}),
        ("thinking=on", "thinking", "on"),
        ("state=/somewhere", "state", Path("/somewhere")),
    ],
)
def test_an_option_becomes_the_setting(pair: str, name: str, value: object, opts: Options) -> None:
    """Fractions, lists and mappings travel as text."""
    assert getattr(given(opts, pair), name) == value


def test_a_secret_shows_nothing_until_it_is_set(opts: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--options` prints defaults; a token from the environment must not be among them."""
    monkeypatch.setenv("QWEN_TOKEN", "the-secret-token")
    with taddons.context(Declares()) as context:
        assert context.options.qwen_token is None
        assert "the-secret-token" not in repr(context.options)
        token = read_options(context.options).token
        assert token is not None
        assert token.get_secret_value() == "the-secret-token"
    token = given(opts, "token=another").token
    assert token is not None
    assert token.get_secret_value() == "another"


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (("thinking=maybe",), {"qwen_thinking"}),
        (("keepalive=never", "upstream=ftp://x"), {"qwen_keepalive", "qwen_upstream"}),
        (("openai_hosts=https://api.openai.com",), {"qwen_openai_hosts"}),
    ],
)
def test_a_value_that_cannot_be_used_is_named(pairs: tuple[str, ...], words: set[str], opts: Options) -> None:
    """mitmproxy's own kind of error, with a line for each option; the refused value is not in it."""
    with pytest.raises(exceptions.OptionsError) as raised:
        given(opts, *pairs)
    lines = str(raised.value).splitlines()
    assert {line.strip().partition(":")[0] for line in lines[1:]} == words


def test_defaults_read_back_to_themselves(opts: Options) -> None:
    """What an option shows is a form that the setting takes again: `--options` can be saved and used."""
    shown = {name: getattr(opts, PREFIX + name) for name in Settings.model_fields}
    again = Settings.load({name: value for name, value in shown.items() if value is not None})
    assert again == Settings.load({})


def test_choices_are_shown(opts: Options) -> None:
    """mitmproxy does not enforce them, but documents them."""
    assert opts._options["qwen_thinking"].choices == ("auto", "on", "off")
    assert opts._options["qwen_model"].choices is None


def test_a_bad_file_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What environment or file say is checked when the options are declared."""
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(exceptions.OptionsError, match=r"missing\.toml"):
        taddons.context().master.addons.register(Declares())
