"""The bridge's own pages through a real mitmdump: content, headers, and who does not get them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from qwen_bridge.cli import app
from tests.conformance.invariants import check_error
from tests.harness.patience import looked_at
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.scrape import samples
from tests.harness.sdk import Conversation, sdk
from tests.harness.simulate import RemoteSimulator
from tests.harness.sockets import free_port

PAGES = ["/", "/status", "/status.json", "/metrics", "/healthz", "/readyz"]
SAFE = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}
PROMPT = "a question that nobody else may read"


@pytest.fixture
def own(qwen: RemoteSimulator, tmp_path: Path) -> Iterator[Proxy]:
    with mitmdump(qwen.url, tmp_path) as proxy:
        yield proxy


@pytest.fixture
def client(own: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own.url, trust_env=False, timeout=20) as made:
        yield made


async def talk_to(own: Proxy, qwen: RemoteSimulator) -> Conversation:
    """Three turns: new, hit, reset."""
    talk = Conversation(sdk(own), system="Be brief.")
    for _ in range(2):
        await talk.say(PROMPT)
    qwen.script({"fault": "parent_not_exist"})
    await talk.say(PROMPT)
    return talk


def test_a_conversation_is_seen_on_every_page(own: Proxy, client: httpx.Client, qwen: RemoteSimulator) -> None:
    """Page, JSON, counters and terminal tell the same three turns, and none a word of them."""
    talk = asyncio.run(talk_to(own, qwen))
    status = looked_at(lambda: client.get("/status.json").json(), lambda status: len(status["turns"]) == 3)
    page, metrics = client.get("/").text, client.get("/metrics").text
    printed = CliRunner().invoke(app, ["status", "--port", str(own.port)])
    raw = CliRunner().invoke(app, ["status", "--json", "--port", str(own.port)])
    assert [turn["kind"] for turn in status["turns"]] == ["reset", "hit", "new"]
    assert (status["conversations"]["hit"], status["conversations"]["hit_ratio"]) == (1, 0.5)
    assert status["ready"]
    counted = samples(metrics)
    assert counted['qwen_bridge_turns_total{conversation="reset",reason="parent_refused"}'] == 1
    assert counted["qwen_bridge_bytes_saved_total"] == status["conversations"]["bytes_saved"] > 0
    assert counted["qwen_bridge_store_anchors"] == status["store"]["answers"] == 2  # the refused node is forgotten
    assert counted['qwen_bridge_account_ready{account="default"}'] == 1
    assert counted['qwen_bridge_requests_total{outcome="answered",route="own_page",status="200"}'] >= 1
    idle = looked_at(lambda: samples(client.get("/metrics").text)["qwen_bridge_active_turns"], lambda turns: not turns)
    assert idle == 0
    assert printed.exit_code == 0
    assert json.loads(raw.stdout)["ready"]
    for turn in status["turns"]:
        assert turn["request_id"] in unescape(page)
        assert turn["request_id"] in printed.stdout
    for text in (page, metrics, printed.stdout, json.dumps(status)):
        for secret in (
            PROMPT,
            "Be brief",
            "sim-token",
            "sim-umid",
            "sk-test",
            *(str(m["content"]) for m in talk.history),
        ):
            assert secret not in text


@pytest.mark.parametrize("path", PAGES)
def test_no_other_site_may_use_a_page(path: str, client: httpx.Client) -> None:
    """Each page forbids to be kept, framed, embedded or sniffed; a request from another site gets an error."""
    answer = client.get(path)
    assert answer.status_code == 200
    assert {name: answer.headers.get(name) for name in SAFE} == SAFE
    assert client.head(path).content == b""
    for foreign in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example"},
    ):
        refused = client.get(path, headers=foreign)
        assert refused.status_code == 403
        assert check_error(403, dict(refused.headers), refused.content) == []
    posted = client.post(path)
    assert (posted.status_code, posted.json()["error"]["code"]) == (405, "method_not_allowed")


def test_the_page_runs_nothing(client: httpx.Client) -> None:
    """Its policy forbids scripts and everything from elsewhere."""
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_what_is_not_ready_says_why(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """Alive and not ready are two things; the command fails too, with what to do."""
    with mitmdump(qwen.url, tmp_path, bx_umidtoken=None) as proxy, httpx.Client(base_url=proxy.url) as client:
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        printed = CliRunner().invoke(app, ["status", "--port", str(proxy.port)])
        page = client.get("/").text
    assert ready.status_code == 503
    assert [problem["code"] for problem in ready.json()["problems"]] == ["missing_qwen_credentials"]
    assert printed.exit_code == 1
    assert "missing_qwen_credentials" in printed.stdout
    assert "not ready" in page


def test_a_session_that_rests_is_not_ready(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """After a captcha the account is left in peace, and whoever watches the bridge can see it."""
    with mitmdump(qwen.url, tmp_path) as proxy, httpx.Client(base_url=proxy.url, timeout=20) as client:
        qwen.script({"fault": "waf_json_punish"})
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
        assert client.post("/v1/chat/completions", json=body).status_code == 403
        ready = looked_at(lambda: client.get("/readyz"), lambda answer: answer.status_code != 200)
        account = client.get("/status.json").json()["accounts"][0]
    assert (ready.status_code, ready.json()["problems"][0]["code"]) == (503, "qwen_challenge")
    assert (account["problem"], account["rests"] > 0) == ("qwen_challenge", True)


def test_pages_can_be_turned_off(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """Then they are paths like any other; who keeps the bridge running still hears whether it lives."""
    with mitmdump(qwen.url, tmp_path, status_page="off") as proxy, httpx.Client(base_url=proxy.url) as client:
        codes = {path: client.get(path).status_code for path in PAGES}
    assert codes == {"/": 404, "/status": 404, "/status.json": 404, "/metrics": 404, "/healthz": 200, "/readyz": 200}


def test_a_page_needs_no_client_key(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """A browser has none to send, and a page spends nothing; the API still wants one."""
    keys = f"ann={hashlib.sha256(b'a-long-client-key-of-ann').hexdigest()}"
    with mitmdump(qwen.url, tmp_path, client_keys=keys) as proxy, httpx.Client(base_url=proxy.url) as client:
        codes = [client.get(path).status_code for path in (*PAGES, "/v1/models")]
    assert codes == [200] * len(PAGES) + [401]


@pytest.mark.parametrize("path", PAGES)
def test_openais_paths_are_never_ours(path: str, own: Proxy) -> None:
    """Through the proxy, under OpenAI's name, these paths are what they are there: not served."""
    with httpx.Client(proxy=own.url, trust_env=False, timeout=20) as client:
        answer = client.get(f"http://api.openai.com{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


def test_no_bridge_no_status() -> None:
    """The command says that nobody answers, and how to name another port."""
    printed = CliRunner().invoke(app, ["status", "--port", str(free_port())])
    assert printed.exit_code == 1
    assert "--port" in printed.output


def test_a_scrape_leaves_no_line_in_the_log(own: Proxy, client: httpx.Client) -> None:
    """Prometheus asks every few seconds for ever."""
    client.get("/metrics")
    client.get("/v1/nothing")
    log = own.log
    assert log is not None
    text = looked_at(log.read_text, lambda text: "unknown_url" in text)
    assert "unknown_url" in text
    assert "own_page" not in text
