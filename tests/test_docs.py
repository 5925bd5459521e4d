"""README and guides say what is so: names, paths, links, commands and examples are held against the code."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs import reference
from qwen_bridge.cli import app
from qwen_bridge.observe.advice import ADVICE
from qwen_bridge.observe.metrics import PREFIX, TABLE
from qwen_bridge.settings.settings import Settings
from qwen_bridge.simulator.server import Simulator
from tests.bench.bench import parser
from tests.harness.house import ROOT

GUIDES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = ("qwen_bridge", "addons", "scripts", "tests", "docs", "requirements", ".ci")
"""The folders whose paths a guide may name."""

COMMANDS = {"qwen-bridge": None, "scripts/run": "run", "scripts/demo": "demo"}
"""What starts our command line, and the command it stands for."""

FOREIGN = {
    *("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
    *("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_KEY"),
    *("web_port", "default_ca"),
}
"""Variables, options and words of other programs."""

FOREIGN_FLAGS = {"--proxy", "--cacert", "--auth-type", "--model", "--listen-host", "--yolo", "--title"}
"""Flags of other programs, shown by themselves."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block of a guide."""

    guide: str
    language: str
    text: str


def read(guide: Path) -> str:
    return guide.read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    return [
        Block(guide.name, match[1], match[2])
        for guide in GUIDES
        for match in FENCE.finditer(read(guide))
        if match[1] in languages
    ]


def spans(text: str) -> list[str]:
    """What stands between single backticks, outside of blocks."""
    return INLINE.findall(FENCE.sub("", text))


def source() -> str:
    """What the guides speak about, as one text."""
    files = [path for folder in ("qwen_bridge", "addons", "scripts") for path in (ROOT / folder).rglob("*")]
    kept = [path for path in files if path.is_file() and "__pycache__" not in path.parts]
    return "\n".join(path.read_text(encoding="utf-8") for path in kept)


SOURCE = source()


def known_settings() -> set[str]:
    """Every name under which a setting is given, and what only looks like one."""
    forms = {form for name in Settings.model_fields for form in (f"qwen_{name}", f"QWEN_{name.upper()}")}
    # Two variables, the package, and the value of a setting that looks like a name.
    return forms | {"QWEN_CONFIG", "QWEN_BRIDGE_PYTHON", "qwen_bridge", "qwen_xml"}


@pytest.mark.parametrize(
    ("name", "text"), [("settings.md", reference.settings), ("faults.md", reference.faults)], ids=["settings", "faults"]
)
def test_tables_are_those_of_the_code(name: str, text: Callable[[], str]) -> None:
    """What is written from the code is what the code would write now; if not, run `scripts/docs`."""
    assert read(ROOT / "docs" / name) == text(), f"docs/{name} is old: run scripts/docs"


def test_every_error_has_its_advice() -> None:
    """The tree of errors is read whole, and no sentence is left over for one that is gone."""
    assert [error.code for error in reference.leaves()] == list(ADVICE)


def test_readme_is_short() -> None:
    """The README can be read at one sitting."""
    assert len(read(ROOT / "README.md").splitlines()) <= 200


def test_every_promise_names_its_test() -> None:
    """Each paragraph of promises in security.md ends with the files that hold it."""
    promised = read(ROOT / "docs/security.md").split("## What is promised")[1].split("## What is not promised")[0]
    paragraphs = [paragraph for paragraph in promised.split("\n\n") if paragraph.startswith("**")]
    assert len(paragraphs) > 8
    assert [paragraph for paragraph in paragraphs if not re.search(r"Held by\s+`tests/", paragraph)] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_settings_that_are_named_exist(guide: Path) -> None:
    """Every option and variable of ours is a setting, an error's code, or a counter."""
    codes = {error.code for error in reference.leaves()}
    counters = {PREFIX} | {PREFIX + row.name + ("_total" if row.kind == "counter" else "") for row in TABLE}
    named = set(re.findall(r"\bqwen_[a-z_]+\b|\bQWEN_[A-Z_]+\b", read(guide)))
    assert named <= known_settings() | codes | counters


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_words_of_code_stand_in_the_code(guide: Path) -> None:
    """A name with an underscore in it, in backticks, is one that the code has."""
    words = set(re.findall(r"(?<![\w/.-])[A-Za-z]+(?:_[A-Za-z]+)+(?![\w/.…])", "\n".join(spans(read(guide)))))
    assert [word for word in sorted(words - known_settings() - FOREIGN) if word not in SOURCE] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_paths_that_are_named_exist(guide: Path) -> None:
    """Every path below one of our folders, in backticks or in a block, is there."""
    folders = "|".join(map(re.escape, CODE))
    text = "\n".join([*spans(read(guide)), *(match[2] for match in FENCE.finditer(read(guide)))])
    named = re.findall(rf"(?<![\w./~-])((?:{folders})/[\w./-]*)", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_links_lead_somewhere(guide: Path) -> None:
    """A relative link names a file that is there, and a heading of it."""
    for link in LINK.findall(FENCE.sub("", read(guide))):
        if "://" in link:
            continue
        name, _, heading = link.partition("#")
        target = guide.parent / name if name else guide
        assert target.is_file(), link
        assert not heading or heading in headings(read(target)), link


def headings(text: str) -> set[str]:
    """The anchors that a forge makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Every line of our own command in the guides, as guide and words."""
    for guide in GUIDES:
        shell = "\n".join(block.text for block in blocks("sh") if block.guide == guide.name)
        for line in [*shell.replace("\\\n", " ").splitlines(), *spans(read(guide))]:
            words = line.split("#")[0].split()
            if words and (words[0] in COMMANDS or words[0].endswith("/qwen-bridge")):
                yield guide.name, words


def flags(command: str) -> set[str]:
    """The options of one of our commands, as its help shows them."""
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert result.exit_code == 0
    return set(re.findall(r"--[a-z]+", result.output))


def test_flags_that_are_shown_exist() -> None:
    """Each command and flag in an example is one that the command line takes."""
    seen = 0
    for guide, words in command_lines():
        command = COMMANDS.get(words[0]) or (words[1] if len(words) > 1 else "run")
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= flags(command), f"{guide}: {' '.join(words)}"
        seen += 1
    assert seen > 5
    shown = {span.split()[0] for guide in GUIDES for span in spans(read(guide)) if span.startswith("--")}
    benched = {option for action in parser()._actions for option in action.option_strings}
    assert shown <= flags("run") | flags("simulate") | flags("demo") | flags("browser") | benched | FOREIGN_FLAGS


@pytest.mark.parametrize("block", blocks("sh"), ids=lambda block: block.guide)
def test_shell_blocks_parse(block: Block) -> None:
    """A block for the shell is one that `sh` can read."""
    done = subprocess.run(["sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", blocks("python", "json", "toml"), ids=lambda block: block.guide)
def test_examples_parse(block: Block) -> None:
    """An example in another language is legal in it."""
    match block.language:
        case "python":
            compile(block.text, block.guide, "exec")
        case "json":
            json.loads(block.text)
        case "toml":
            tomllib.loads(block.text)


def test_the_example_of_a_file_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `config.toml` of the guide is taken as it stands, but for the dots where secrets were left out."""
    for name in [name for name in os.environ if name.startswith("QWEN_")]:
        monkeypatch.delenv(name)
    examples = [block for block in blocks("toml") if block.text.startswith("# config.toml")]
    assert examples
    for number, block in enumerate(examples):
        file = tmp_path / f"{number}.toml"
        file.write_text(block.text, encoding="utf-8")
        monkeypatch.setenv("QWEN_CONFIG", str(file))
        assert Settings.load().model_aliases == {"fast": "qwen3-coder-plus"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_the_simulators_examples_work() -> None:
    """Every curl of the guide, sent to a real simulator in their order, is answered with what was asked for."""
    answers = []
    async with Simulator() as simulator:
        for block in blocks("sh"):
            if "/_simulator/" in block.text:
                script = block.text.replace("http://127.0.0.1:8100", simulator.url).replace(
                    "curl -s", "curl -sS --fail"
                )
                process = await asyncio.create_subprocess_exec(
                    *("sh", "-ec", script),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    env={**os.environ, "NO_PROXY": "*", "no_proxy": "*"},
                )
                output, problem = await process.communicate()
                assert process.returncode == 0, problem.decode()
                answers.append(output.decode())
    assert json.loads(answers[0])["queued"] == 3
    assert any('"cut_mid_stream"' in answer for answer in answers)
    assert any('"turns"' in answer for answer in answers)
    assert answers[-1].endswith('{"reset":true}')
