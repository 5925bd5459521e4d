"""Every row of the catalogue of faults through mitmdump, as openai-python and openai-node meet it, retries and all.

What they saw and how often Qwen was asked is compared with what the catalogue says, and with the table of
`docs/faults.md`; `scripts/faults --write` writes that anew.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from docs.fault_results import RESULTS, Outcome, cell
from qwen_bridge.exchange.faults import CATALOGUE
from qwen_bridge.simulator.faults import FAULTS
from tests.harness.fault_cases import CASES, WORDS, Case
from tests.harness.node import NODE, needs_node
from tests.harness.proxy import Proxy, mitmdump, with_authority
from tests.harness.simulate import RemoteSimulator
from tests.harness.sockets import free_port

ROWS = {row.name: row for row in CATALOGUE}
ASKED = "/api/v2/chat/completions"
SEEN: dict[str, dict[str, Outcome]] = {}
"""Case → manner → what this run has shown."""

HARMLESS = {
    *("slow_start", "one_byte_segments", "crlf", "gzip", "done_marker", "duplicate_frames", "dual_candidates"),
    *("web_search", "image_search", "thinking_restart", "keep_alives", "trailers", "early_hints", "renewed_cookie"),
}
"""The answer comes all the same."""

ELSEWHERE = {
    "tool_does_not_exist": "asked again in another form: test_asking_again.py",
    "garbage": "bytes that may mean anything: tests/fuzz",
    "gzip_cut": "cut, with or without its end: test_wire.py",
}


@dataclass(frozen=True)
class Told:
    """What a client made of an answer."""

    text: str
    ended: str | None
    error: dict[str, Any] | None = None


@pytest.fixture(scope="module")
def bridges(_qwen: RemoteSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Proxy]]:
    """Four bridges that differ in their patience; sessions never rest, and waits are a hundredth of what they are."""
    kinds: dict[str, dict[str, Any]] = {
        "patient": {},
        "hasty": {"first_byte_timeout": 0.8, "idle_timeout": 0.8},
        "short": {"total_timeout": 2},
        "nowhere": {"upstream": f"http://127.0.0.1:{free_port()}"},
    }
    alike = {"backoff": 0.01, "cooldown": 0, "account_streams": 0, "store": "memory", "spacing": 0}

    folders = {name: tmp_path_factory.mktemp(name) for name in kinds}
    for folder in folders.values():
        with_authority(folder / "conf")  # here, since it is made but once, and by one thread

    def start(name: str) -> Proxy:
        chosen = {"upstream": _qwen.url, **alike, **kinds[name]}
        return stack.enter_context(mitmdump(chosen.pop("upstream"), folders[name], **chosen))

    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as together:
        yield dict(zip(kinds, together.map(start, kinds), strict=True))


@pytest.fixture(scope="module", autouse=True)
def written() -> Iterator[None]:
    """Keep what the run has shown, where `scripts/faults --write` wants it."""
    yield
    target = os.environ.get("FAULTS_RESULTS")
    if target:
        seen = {name: {manner: asdict(outcome) for manner, outcome in told.items()} for name, told in SEEN.items()}
        Path(target).write_text(json.dumps(seen, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def ask_python(proxy: Proxy, stream: bool) -> Told:
    """One question of openai-python, which retries as its users have it."""
    text, ended = "", None
    http = httpx2.Client(trust_env=False, timeout=60)
    with OpenAI(base_url=proxy.base_url, api_key="sk-test", http_client=http) as client:
        request: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
        try:
            if not stream:
                choice = client.chat.completions.create(**request).choices[0]
                return Told(choice.message.content or "", choice.finish_reason)
            for chunk in client.chat.completions.create(**request, stream=True):
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    ended = choice.finish_reason or ended
        except openai.APIError as error:
            return Told(text, ended, _told_by(error))
    return Told(text, ended)


def _told_by(error: openai.APIError) -> dict[str, Any]:
    headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    body = error.body if isinstance(error.body, dict) else {}
    return {
        "status": error.status_code if isinstance(error, openai.APIStatusError) else None,
        "type": error.type,
        "code": error.code,
        "message": body.get("message"),
        "retry_after": headers.get("retry-after"),
        "should_retry": headers.get("x-should-retry"),
    }


type Ask = Callable[[Proxy, bool], Told]


@pytest.fixture(scope="module")
def ask_node() -> Iterator[Ask]:
    """openai-node as one process, which takes question after question."""
    with subprocess.Popen(["node", "faults.mjs"], cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        questions, answers = process.stdin, process.stdout

        def ask(proxy: Proxy, stream: bool) -> Told:
            questions.write(json.dumps({"baseURL": proxy.base_url, "stream": stream}).encode() + b"\n")
            questions.flush()
            return Told(**json.loads(answers.readline()))

        yield ask
        questions.close()  # which ends it


def expected(case: Case, *, stream: bool, ever: bool) -> tuple[str, int]:
    """What the catalogue says of a case: the answer or an error's code, and how often Qwen is asked."""
    row = ROWS[case.row]
    asks = 1 if case.late and stream else row.asks
    if case.bridge == "nowhere":
        return row.error.code, 0
    if asks > 1 and not ever:
        return "answer", 2
    return row.error.code, asks


def outcome_of(told: Told, asked: int) -> Outcome:
    error = told.error or {}
    return Outcome(
        code=error.get("code") or "answer",
        status=error.get("status") or 200,
        words=bool(told.text) and told.error is not None,
        asked=asked,
        retry_after=error.get("retry_after"),
        message=error.get("message") or "",
    )


def check(case: Case, told: Told, asked: int, *, stream: bool, ever: bool) -> None:
    """The client saw what the row says."""
    row = ROWS[case.row].error
    code, asks = expected(case, stream=stream, ever=ever)
    assert asked == asks, told
    if told.error is None:
        assert (code, told.text, told.ended) == ("answer", WORDS, "stop")
        return
    behind_words = case.late and stream
    assert (told.error["code"], told.error["type"]) == (code, row.type)
    assert told.error["status"] == (None if behind_words else row.status)
    assert told.error["should_retry"] == (None if behind_words else str(row.should_retry).lower())
    assert len(told.error["message"]) > 20
    assert told.ended is None, "what broke off has no finish_reason"
    assert bool(told.text) is behind_words


def asked(qwen: RemoteSimulator) -> int:
    """How often Qwen was asked for an answer."""
    ledger = qwen.ledger()
    return len(ledger["turns"]) + len([refused for refused in ledger["refused"] if refused["path"] == ASKED])


@needs_node
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row}: {case.name}")
def test_a_row_is_as_the_catalogue_says(
    case: Case, bridges: dict[str, Proxy], qwen: RemoteSimulator, ask_node: Ask
) -> None:
    """Both clients, streamed and whole, with the fault once and each time: the same answer or error, as often asked."""
    shown: dict[str, Outcome] = {}
    outcomes: list[Outcome] = []
    for stream, ever in itertools.product((True, False), (True, False)):
        manner = f"{'streamed' if stream else 'whole'}, {'each time' if ever else 'once'}"
        if not ever and expected(case, stream=stream, ever=True)[1] <= 1:
            shown[manner] = outcomes[0]  # there was no second attempt that a second fault could meet
            continue
        outcomes = []
        for ask in (ask_python, ask_node):
            qwen.reset()
            qwen.script(*([case.entry] * (8 if ever else 1)), {"text": WORDS})
            told = ask(bridges[case.bridge], stream)
            times = asked(qwen)
            check(case, told, times, stream=stream, ever=ever)
            outcomes.append(outcome_of(told, times))
        assert outcomes[0] == outcomes[1], "the two clients do not agree"
        shown[manner] = outcomes[0]
    SEEN[case.name] = shown
    if "FAULTS_RESULTS" not in os.environ:
        recorded = {manner: cell(Outcome(**outcome)) for manner, outcome in RESULTS[case.name].items()}
        assert recorded == {manner: cell(outcome) for manner, outcome in shown.items()}, "see scripts/faults --write"


def test_no_row_is_left_out() -> None:
    """Every row has a case, every fault of the simulator a place, and the docs show these cases and no others."""
    assert {case.row for case in CASES} == ROWS.keys()
    assert len(ROWS) == len(CATALOGUE)
    shown = {case.entry["fault"] for case in CASES if "fault" in case.entry}
    assert shown | HARMLESS | ELSEWHERE.keys() == FAULTS.keys()
    if "FAULTS_RESULTS" not in os.environ:
        assert RESULTS.keys() == {case.name for case in CASES}
