from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from qwen_bridge.simulator.generation import State
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.uploads import Upload
from qwen_bridge.simulator.world import Settings
from tests.harness.oss import put
from tests.harness.qwen_browser import COMPLETIONS, Browser, browser_at, eventually, frames, ids_of, text_of
from tests.harness.sockets import free_port

ROOT = Path(__file__).resolve().parents[2]


async def test_a_conversation_goes_over_the_wire(simulator: Simulator, browser: Browser) -> None:
    """Three turns, each one message, chained on the answer before; the model repeats what only it had said."""
    chat_id = await browser.new_chat()
    parent, texts = None, []
    for question in ("invent a number", "what did I say", "repeat the number"):
        answer = await browser.ask(chat_id, question, parent)
        texts.append(text_of(answer.content))
        _, parent = ids_of(answer.content)
    assert texts[2] == texts[0].replace("is", "was")
    assert texts[1] == 'You said: "invent a number"'
    ledger = (await browser.http.get("/_simulator/ledger")).json()
    assert [len(turn["context"]) for turn in ledger["turns"]] == [0, 2, 4]
    assert [turn["parent_id"] for turn in ledger["turns"]] == [None, *[t["response_id"] for t in ledger["turns"][:2]]]
    assert ledger["turns"][2]["context"][3] == {"role": "assistant", "content": texts[1]}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_tls_is_spoken_with_a_certificate_that_can_be_trusted(host: str) -> None:
    """A client that trusts `ca_path` connects under the machine's names; one that does not, does not."""
    async with Simulator(tls=True) as simulator, browser_at(simulator) as browser:
        assert simulator.ca_path is not None
        assert (await browser.http.get(f"https://{host}:{simulator.port}/api/models")).status_code == 200
        chat_id = await browser.new_chat()
        assert text_of((await browser.ask(chat_id, "count to 3")).content) == "1 2 3"
        async with httpx.AsyncClient(trust_env=False) as stranger:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await stranger.get(simulator.url)
    assert not simulator.ca_path.exists()


async def test_tls_can_use_given_files() -> None:
    """Certificate and key may come from files of one's own."""
    async with Simulator(tls=True) as first:
        assert first.ca_path is not None
        folder = first.ca_path.parent
        async with Simulator(tls=True, certificate=(folder / "chain.pem", folder / "key.pem")) as second:
            assert second.ca_path == folder / "chain.pem"
            async with browser_at(second) as browser:
                assert (await browser.http.get("/api/models")).status_code == 200


@pytest.mark.parametrize("fault", ["reset_mid_stream", "cut_mid_stream"])
async def test_a_tls_wire_breaks_as_well(fault: str) -> None:
    """Faults of the wire work under TLS."""
    async with Simulator(tls=True) as simulator, browser_at(simulator) as browser:
        chat_id = await browser.new_chat()
        simulator.script([{"fault": fault}])
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await browser.ask(chat_id, "count to 30")


async def test_a_chat_stays_busy_after_its_client_left(simulator: Simulator, browser: Browser) -> None:
    """The generation goes on at its pace; until it is over or stopped the chat refuses."""
    chat_id = await browser.new_chat()
    simulator.script([{"text": "x" * 100, "pace": 0.5}, {"text": "free"}])
    async with browser.asking(chat_id, "hi") as answer:
        received = await anext(answer.aiter_raw())
    _, response_id = ids_of(received)
    async with browser_at(simulator) as other:
        await eventually(lambda: simulator.ledger.turns[0].aborted)
        busy = await other.ask(chat_id, "hi")
        assert busy.json()["data"]["details"] == "The chat is in progress!"
        await other.stop(chat_id, response_id)
        assert text_of((await other.ask(chat_id, "hi")).content) == "free"
    assert simulator.ledger.turns[0].aborted
    assert not simulator.ledger.turns[1].aborted


async def test_an_abandoned_answer_frees_its_chat_at_its_end(simulator: Simulator, browser: Browser) -> None:
    """Without a stop the chat is free when the model has finished; tree and ledger then have the whole answer."""
    chat_id = await browser.new_chat()
    simulator.script([{"text": "abcdefgh", "chunk": 1, "pace": 100}])
    async with browser.asking(chat_id, "hi") as answer:
        await anext(answer.aiter_raw())
    await eventually(lambda: not simulator.world.running)
    (turn,) = simulator.ledger.turns
    assert (turn.answer, turn.aborted) == ("abcdefgh", True)
    assert (await browser.ask(chat_id, "hi")).headers["content-type"] == "text/event-stream"


async def test_a_stopped_stream_ends_well(simulator: Simulator, browser: Browser) -> None:
    """The client that is still there gets `response.stopped` and a complete body."""
    chat_id = await browser.new_chat()
    simulator.script([{"text": "abc", "pace": 0.01}])
    async with browser.asking(chat_id, "hi") as answer, browser_at(simulator) as other:
        stream = answer.aiter_raw()
        _, response_id = ids_of(await anext(stream))
        await other.stop(chat_id, response_id)
        rest = b"".join([data async for data in stream])
    assert frames(rest)[-1] == {"response.stopped": {"response_id": response_id}}


async def test_a_file_is_uploaded_parsed_and_read(simulator: Simulator, browser: Browser) -> None:
    """The whole way of a document: credentials, signed PUT, parsing, and a question about it."""
    data = b"remember: the password is swordfish"
    wanted = {"filename": "note.txt", "filesize": len(data), "filetype": "file"}
    told = (await browser.http.post("/api/v2/files/getstsToken", json=wanted)).json()["data"]
    assert told["file_url"].startswith(simulator.url + "/")
    issued = Upload(
        id=told["file_id"],
        account=told["file_path"].partition("/")[0],
        name="note.txt",
        kind="file",
        key_id=told["access_key_id"],
        secret=told["access_key_secret"],
        security_token=told["security_token"],
    )
    signed = put(issued, host=f"127.0.0.1:{simulator.port}")
    answer = await browser.http.put(told["file_url"].partition("?")[0], content=data, headers=dict(signed.headers))
    assert answer.status_code == 200
    await browser.http.post("/api/v2/files/parse", json={"file_id": issued.id})
    states = [
        (await browser.http.post("/api/v2/files/parse/status", json={"file_id_list": [issued.id]})).json()["data"][0]
        for _ in range(2)
    ]
    assert [state["status"] for state in states] == ["processing", "success"]
    file = {"type": "file", "file": {"id": issued.id}, "id": issued.id, "url": told["file_url"], "name": "note.txt"}
    chat_id = await browser.new_chat()
    answer = await browser.ask(chat_id, "what should you remember", files=[file | {"status": "uploaded"}])
    assert "swordfish" in text_of(answer.content)


async def test_a_closed_port_refuses_and_opens_again() -> None:
    """While it does not listen connections are refused; afterwards the same port and state are there."""
    async with Simulator(free_port()) as simulator, browser_at(simulator) as browser:
        chat_id = await browser.new_chat()
        await simulator.stop_listening()
        with pytest.raises(httpx.ConnectError):
            async with browser_at(simulator) as other:
                await other.http.get("/api/models")
        await simulator.listen()
        await simulator.listen()
        assert text_of((await browser.ask(chat_id, "count to 2")).content) == "1 2"


async def test_a_taken_port_is_an_error(simulator: Simulator) -> None:
    """Two simulators cannot have one port, and the second says so."""
    with pytest.raises(OSError, match="in use"):
        async with Simulator(simulator.port):
            pass


async def test_many_streams_run_side_by_side() -> None:
    """A hundred answers at a pace come whole and in their own chats."""
    async with Simulator(pace=400, settings=Settings(max_streams=None)) as simulator, browser_at(simulator) as browser:
        browser.http.timeout = httpx.Timeout(60)
        chats = [await browser.new_chat() for _ in range(100)]
        answers = await asyncio.gather(*(browser.ask(c, f"count to {n + 10}") for n, c in enumerate(chats)))
        for number, answer in enumerate(answers):
            assert text_of(answer.content).split()[-1] == str(number + 10)
        assert not simulator.world.running


async def test_the_end_drops_every_connection() -> None:
    """On exit nothing is left running, whatever was being said."""
    simulator = Simulator(pace=0.01)
    async with simulator, browser_at(simulator) as browser:
        chat_id = await browser.new_chat()
        async with browser.asking(chat_id, "hi") as answer:
            stream = answer.aiter_raw()
            await anext(stream)
            ((_, generation),) = simulator.world.running.values()
            await simulator.__aexit__(None, None, None)
            with pytest.raises(httpx.TransportError):
                await anext(stream)
    assert generation.state is State.RUNNING


@pytest.mark.parametrize("tls", [False, True])
def test_it_runs_alone_until_it_is_told_to_end(tls: bool) -> None:
    """`run` says where it listens, answers, and ends well on SIGTERM."""
    port = free_port()
    code = f"from qwen_bridge.simulator.server import run; run({port}, {tls}, 40.0)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert f"{'https' if tls else 'http'}://127.0.0.1:{port}" in process.stdout.readline()
            scheme = "https" if tls else "http"
            answer = httpx.post(
                f"{scheme}://127.0.0.1:{port}{COMPLETIONS}", verify=False, trust_env=False
            )  # a certificate of its own
            assert "aliyun_waf" in answer.text
        finally:
            process.terminate()
        assert process.wait(10) == 0
