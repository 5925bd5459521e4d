"""The command line: what it says, and that it fails fast with a reason."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from qwen_bridge.bridge.conversations import DATABASE
from qwen_bridge.bridge.machine import SystemClock
from qwen_bridge.cli import announcement, app
from qwen_bridge.ports import Anchor
from qwen_bridge.settings.access import digest_of
from qwen_bridge.store.sqlite import SQLiteStore
from tests.harness.ports import FixedClock
from tests.harness.proxy import started, wait_until_listening, with_authority
from tests.harness.sockets import HOST, free_port

runner = CliRunner()


@pytest.mark.parametrize("command", ["run", "simulate"])
def test_a_taken_port_is_named(command: str) -> None:
    """The command ends at once and names the port."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = runner.invoke(app, [command, "--port", str(port)])
    assert result.exit_code == 1
    assert str(port) in result.output
    assert "--port" in result.output


@pytest.mark.parametrize("command", ["run", "simulate", "status", "browser"])
@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_what_is_no_port_is_told(command: str, port: str) -> None:
    """Before anything is tried with it."""
    result = runner.invoke(app, [command, "--port", port])
    assert result.exit_code == 2
    assert "--port" in result.output


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("qwen_upstrem=x", "did you mean upstream"),
        ("qwen_thinking=maybe", "thinking: Input should be"),
        ("upstream=http://example.org", "https"),
        ("parent_from=somebody", "parent_from"),
    ],
)
def test_a_wrong_setting_is_explained(option: str, words: str) -> None:
    """A setting that cannot be used ends the start, with its name and what is possible."""
    result = runner.invoke(app, ["run", "--port", str(free_port()), "--set", option])
    assert result.exit_code == 1
    assert words in result.output


def test_an_open_port_without_keys_is_no_start() -> None:
    """Who wants other machines to come in says who may, or that all may; the sentence says how."""
    result = runner.invoke(app, ["run", "--host", "0.0.0.0", "--port", str(free_port())])
    assert result.exit_code == 1
    assert "client_keys" in result.output
    assert "open_to_network" in result.output


def test_a_key_is_made_for_a_client() -> None:
    """The client gets the key, the bridge its digest, in the form that its settings read."""
    lines = runner.invoke(app, ["key", "anna"]).output.splitlines()
    key = lines[0].split()[-1]
    table = tomllib.loads("\n".join(lines[2:]))
    assert table == {"client_keys": {"anna": f"sha256:{digest_of(key)}"}}
    assert len(key) > 40
    assert key not in runner.invoke(app, ["key", "anna"]).output


def test_an_option_without_a_value_is_refused() -> None:
    """`--set` takes name=value."""
    result = runner.invoke(app, ["run", "--set", "qwen_model"])
    assert result.exit_code == 2
    assert "name=value" in result.output


def test_an_option_nobody_knows_ends_the_start(tmp_path: Path) -> None:
    """mitmproxy forgives unknown options; one that looks like ours is a typing mistake."""
    command = [sys.executable, "-m", "qwen_bridge.cli", "run", "--port", str(free_port()), "--set", "qwen-model=x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "no such option: qwen-model; did you mean model?" in done.stdout + done.stderr


def test_run_says_where_to_point_the_client(tmp_path: Path) -> None:
    """Base URL, proxy and the certificate to trust are printed once the port is open."""
    port, log = free_port(), tmp_path / "run.log"
    command = [sys.executable, "-m", "qwen_bridge.cli", "run", "--port", str(port), "--state", str(tmp_path)]
    command += ["--set", f"confdir={tmp_path}", "--set", "store=memory"]
    with started(command, log) as process:
        wait_until_listening(port, process, log)
        for _ in range(50):
            if "Ctrl-C" in log.read_text():
                break
            socket.create_connection((HOST, port)).close()
    said = log.read_text()
    assert f"http://{HOST}:{port}/v1" in said
    assert str(tmp_path / "mitmproxy-ca-cert.pem") in said


@pytest.mark.parametrize(
    ("host", "shown", "others"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/v1", False),
        ("192.168.0.10", "http://192.168.0.10:80/v1", False),
        ("::1", "http://[::1]:80/v1", False),
        ("0.0.0.0", "http://127.0.0.1:80/v1", True),
        ("::", "http://127.0.0.1:80/v1", True),
    ],
)
def test_an_address_to_call_is_shown(host: str, shown: str, others: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it listens everywhere, this machine's own, and what others put in its place."""
    announcement(host, 80)(Path("conf"))
    said = capsys.readouterr().out
    assert shown in said
    assert ("other machines" in said) is others


def test_run_with_nothing_set_serves(tmp_path: Path) -> None:
    """The README's own command, with no setting from anywhere: it answers, and says that it needs a session."""
    port, log = free_port(), tmp_path / "run.log"
    with_authority(tmp_path / ".mitmproxy")
    command = [sys.executable, "-m", "qwen_bridge.cli", "run", "--port", str(port)]
    homes = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    with started(command, log, **homes) as process:
        wait_until_listening(port, process, log)
        healthy = httpx.get(f"http://{HOST}:{port}/healthz", trust_env=False, timeout=20)
        question = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
        asked = httpx.post(f"http://{HOST}:{port}/v1/chat/completions", json=question, trust_env=False, timeout=20)
    assert healthy.status_code == 200
    assert (asked.status_code, asked.json()["error"]["code"]) == (401, "missing_qwen_credentials")


def test_help_does_not_load_mitmproxy() -> None:
    """A question about the options is answered without half a second of imports."""
    code = "import sys; from qwen_bridge.cli import app; print('mitmproxy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def remembering(state: Path) -> None:
    """An index with a chat of two answers, used just now, and one from long ago."""

    async def write() -> None:
        for chat, clock in (("old-chat", FixedClock(1_000.0)), ("new-chat", SystemClock())):
            store = SQLiteStore(state / DATABASE, clock)
            await store.put(f"1{chat}", Anchor(chat, "node-1", "qwen3-max", "account", "digest", 2))
            await store.put(f"2{chat}", Anchor(chat, "node-2", "qwen3-max", "account", "digest", 4, "node-1"))
            await store.close()

    asyncio.run(write())


def conversations(*words: str, state: Path) -> str:
    result = runner.invoke(app, ["conversations", *words, "--state", str(state)])
    assert result.exit_code == 0, result.output
    return result.output


def test_conversations_are_listed_shown_and_purged(tmp_path: Path) -> None:
    """What is remembered can be seen, a chat at a time, and forgotten by age or by name."""
    remembering(tmp_path)
    assert conversations(state=tmp_path) == conversations("list", state=tmp_path)
    assert conversations("list", "--limit", "1", state=tmp_path).splitlines()[1].startswith("new-chat  qwen3-max")
    assert "4  node-2" in conversations("show", "new-chat", state=tmp_path)
    assert "Forgotten: 2 answers." in conversations("purge", "--older-than", "30", state=tmp_path)
    assert "old-chat" not in conversations(state=tmp_path)
    assert "Forgotten: 2 answers." in conversations("purge", "--chat", "new-chat", state=tmp_path)
    assert conversations(state=tmp_path) == "No conversation is remembered.\n"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["purge"], 2, "--older-than"),
        (["purge", "--older-than", "1", "--chat", "x"], 2, "--older-than"),
        (["purge", "--older-than", "-1"], 2, "--older-than"),
        (["list", "--set", "store=memory"], 1, "only while it runs"),
        (["list", "--set", "store=redis"], 1, "redis_url"),
        (["list", "--set", "stor=x"], 1, "did you mean store"),
        (["list", "--set", "store=redis", "--set", "redis_url=redis://:secret@127.0.0.1:1/0"], 1, "127.0.0.1:1"),
    ],
)
def test_a_question_about_conversations_that_cannot_be_answered(
    words: list[str], status: int, told: str, tmp_path: Path
) -> None:
    """It ends with a sentence that names the reason, and no secret."""
    result = runner.invoke(app, ["conversations", *words, "--state", str(tmp_path)], env={"COLUMNS": "200"})
    assert result.exit_code == status
    assert told in result.output
    assert "secret" not in result.output


def test_conversations_do_not_load_mitmproxy(tmp_path: Path) -> None:
    """A look at the index takes no second."""
    code = (
        "import sys; from typer.testing import CliRunner; from qwen_bridge.cli import app; "
        "print(CliRunner().invoke(app, ['conversations', '--state', sys.argv[1]]).output, 'mitmproxy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2].strip() == "False"
    assert "No conversation" in done.stdout


def test_tool_calls_are_read_from_standard_input() -> None:
    """One case a line in, one result a line out, the same however the text is cut."""
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    case = {
        "id": "1",
        "raw": 'Look:\n<tool_call>\n{"name": "read_file", "arguments": {"path": "a"}}\n</tool_call>',
        "tools": [{"name": "read_file", "parameters": schema}],
        "client": "openai_tools",
    }
    results = set()
    for cut in ("whole", "chars", "random:7"):
        result = runner.invoke(app, ["toolcalls", "parse", "--cut", cut], input=json.dumps(case) + "\n\n")
        assert result.exit_code == 0, result.output
        results.add(result.stdout)
    (line,) = results
    read = json.loads(line)
    assert read["calls"] == [{"name": "read_file", "arguments": {"path": "a"}}]
    assert set(read) == {"id", "calls", "text", "withheld", "repairs", "dialect"}


def test_a_line_that_is_no_case_is_named() -> None:
    """The number of the bad line is said, it has a line in the answer too, and the lines behind it are read."""
    result = runner.invoke(app, ["toolcalls", "parse"], input=b'{}\nnonsense\n\xff\n[]\n{"id": "last"}\n')
    assert result.exit_code == 1
    assert "Line 2" in result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["id"] for line in lines] == [None, None, None, None, "last"]
    assert ["error" in line for line in lines] == [False, True, True, True, False]


def test_a_cut_that_is_none_is_refused() -> None:
    """Before anything is read."""
    result = runner.invoke(app, ["toolcalls", "parse", "--cut", "half"], input="{}\n")
    assert result.exit_code == 1
    assert result.stdout == ""


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    """No line breaks the encoding of the output."""
    result = runner.invoke(app, ["toolcalls", "parse"], input=b'{"id": "1", "raw": "a\\ud800b"}\n')
    assert result.exit_code == 0
    assert json.loads(result.stdout)["text"] == "a\ud800b"


def test_recorded_calls_become_a_fine_tuning_set(tmp_path: Path) -> None:
    """A folder or a file in, examples out: to a file of the user's alone, or to standard output."""
    call = {"name": "put", "arguments": {}, "verdict": "released"}
    record = {
        "client": "openai_tools", "messages": [{"role": "user", "content": "go"}], "tools": [], "text": "",
        "parallel_tool_calls": True, "calls": [call],
    }  # fmt: skip
    line = json.dumps(record)
    (tmp_path / "calls.jsonl").write_text(f"{line}\n")
    (tmp_path / "calls.1.jsonl").write_text(f"{line}\nnonsense\n")
    out = tmp_path / "set"
    for source, counted in ((tmp_path, "Examples: 1, of 3"), (tmp_path / "calls.jsonl", "Examples: 1, of 1")):
        result = runner.invoke(app, ["export-calls", "--out", str(out), str(source)])
        assert result.exit_code == 0, result.output
        assert counted in result.output
        (example,) = map(json.loads, out.read_text().splitlines())
        assert example["messages"][-1]["tool_calls"][0]["function"]["name"] == "put"
    assert out.stat().st_mode & 0o77 == 0
    assert runner.invoke(app, ["export-calls", str(tmp_path)]).stdout.count("\n") == 1


def test_recordings_that_are_not_there_are_named(tmp_path: Path) -> None:
    """With a sentence, not a traceback."""
    result = runner.invoke(app, ["export-calls", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "nowhere cannot be read" in result.output
