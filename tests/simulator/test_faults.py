from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable

import httpx
import pytest

from qwen_bridge.simulator.faults import FAULTS
from qwen_bridge.simulator.refusals import REFUSALS
from qwen_bridge.simulator.server import Simulator
from tests.harness.qwen_browser import Browser, frames, text_of
from tests.harness.shared import QWEN, needs_shared

type Check = Callable[[httpx.Response], bool]

COUNT = "count to 30"
COUNTED = " ".join(map(str, range(1, 31)))
INSPECTED = "内容安全警告：输出数据可能包含不适当的内容！"


def last(answer: httpx.Response) -> dict[str, object]:
    return frames(answer.content)[-1]


def half(answer: httpx.Response) -> bool:
    """Whether some of the text is there, and not all."""
    said = text_of(answer.content)
    return said != "" and said != COUNTED and COUNTED.startswith(said)


STREAMS: dict[str, Check] = {
    "slow_start": lambda a: text_of(a.content) == COUNTED,
    "one_byte_segments": lambda a: text_of(a.content) == COUNTED,
    "crlf": lambda a: b"\r\n\r\n" in a.content and a.content.count(b"\n") == a.content.count(b"\r\n"),
    "gzip": lambda a: a.headers["content-encoding"] == "gzip" and text_of(a.content) == COUNTED,
    "trailers": lambda a: text_of(a.content) == COUNTED,
    "renewed_cookie": lambda a: a.cookies["acw_tc"] == "renewed-by-an-answer" and text_of(a.content) == COUNTED,
    "early_hints": lambda a: text_of(a.content) == COUNTED,
    "end_mid_stream": half,
    "late_error": lambda a: half_before_error(a, "internal_error", "internal error"),
    "late_data_inspection": lambda a: half_before_error(a, "data_inspection_failed", INSPECTED),
    "no_finish": lambda a: text_of(a.content) == COUNTED and b"finished" not in a.content,
    "done_marker": lambda a: a.content.endswith(b"}\n\ndata: [DONE]\n\n") and b"finished" in a.content,
    "duplicate_frames": lambda a: len(frames(a.content)) == 2 * len({json.dumps(f) for f in frames(a.content)}) + 2,
    "garbage": lambda a: len(a.content) == 4096 and b"data:" not in a.content,
    "huge_line": lambda a: len(a.content) > 4 * 1024 * 1024 and a.content.endswith(b"x" * 1000),
    "dual_candidates": lambda a: [f["response.created"]["response_index"] for f in frames(a.content)[:2]] == ["0", "1"],
    "web_search": lambda a: b'"phase": "web_search"' in a.content and text_of(a.content) == COUNTED,
    "image_search": lambda a: b'"role": "function"' in a.content and text_of(a.content) == COUNTED,
    "thinking_restart": lambda a: a.content.count(b'"phase": "thinking_summary", "status": "finished"') == 2,
    "keep_alives": lambda a: a.content.count(b"keep_alive") == 3 and text_of(a.content) == COUNTED,
    "tool_does_not_exist": lambda a: text_of(a.content) == "Tool unknown does not exists.",
    "created_then_eof": lambda a: list(last(a)) == ["response.created"],
    "created_then_eof_system_role": lambda a: list(last(a)) == ["response.created"],
}
BROKEN: dict[str, type[httpx.TransportError]] = {
    "refuse": httpx.ReadError,
    "reset_before_headers": httpx.ReadError,
    "close_before_headers": httpx.RemoteProtocolError,
    "stall_before_headers": httpx.ReadTimeout,
    "reset_mid_stream": httpx.ReadError,
    "cut_mid_stream": httpx.RemoteProtocolError,
    "stall_mid_stream": httpx.ReadTimeout,
}


def half_before_error(answer: httpx.Response, code: str, details: str) -> bool:
    return half(answer) and last(answer) == {"error": {"code": code, "details": details}}


def test_every_fault_is_tested_here() -> None:
    """A new row needs a new expectation."""
    assert set(FAULTS) == set(REFUSALS) | set(STREAMS) | set(BROKEN) | {"gzip_cut", "gzip_bomb"}
    assert all(fault.name == name and fault.says for name, fault in FAULTS.items())


@needs_shared
def test_every_recorded_error_can_be_had() -> None:
    """Each name of errors.jsonl is a fault."""
    lines = (QWEN / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["name"] for line in lines} <= set(FAULTS)


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_comes_over_the_wire(name: str, simulator: Simulator, browser: Browser) -> None:
    """Status, type, headers and body are the row's, and no turn is written."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": name}])
    answer = await browser.ask(chat_id, "hi")
    row = REFUSALS[name]
    assert (answer.status_code, answer.headers["content-type"]) == (row.status, row.content_type)
    assert answer.content.replace(b"None", b"") != b"" or name in ("empty_stream", "http_200_empty")
    assert all(answer.headers[key] == value for key, value in row.headers)
    assert [line.reason for line in simulator.ledger.refused] == [name]
    assert not simulator.ledger.turns


@pytest.mark.parametrize("name", STREAMS)
async def test_a_changed_stream_comes_over_the_wire(name: str, simulator: Simulator, browser: Browser) -> None:
    """Each row changes the stream in its own way; the connection stays usable."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": name, "delay": 0.01}])
    answer = await browser.ask(chat_id, COUNT)
    assert answer.status_code == 200
    assert STREAMS[name](answer)
    assert text_of((await browser.ask(chat_id, "count to 2")).content) == "1 2"


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_wire_breaks(name: str, simulator: Simulator, browser: Browser) -> None:
    """Each row breaks the connection in its own way, and the next request goes through."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": name}])
    browser.http.timeout = httpx.Timeout(10, read=0.2)
    with pytest.raises(BROKEN[name]):
        await browser.ask(chat_id, COUNT)
    browser.http.timeout = httpx.Timeout(10)
    assert text_of((await browser.ask(chat_id, "count to 2")).content) == "1 2"
    first = simulator.ledger.turns[0]
    if FAULTS[name].early:
        assert first.message == "count to 2"
    else:
        assert (first.aborted, first.answer) == (True, COUNTED)


@pytest.mark.parametrize("after", [0, 1, 5])
async def test_a_stream_breaks_where_it_is_told_to(after: int, simulator: Simulator, browser: Browser) -> None:
    """`after` counts the frames that come through."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": "cut_mid_stream", "after": after}])
    received = b""
    async with browser.asking(chat_id, COUNT) as answer:
        with contextlib.suppress(httpx.RemoteProtocolError):
            async for data in answer.aiter_raw():
                received += data
    assert len(frames(received)) == after


async def test_a_compressed_stream_can_lack_its_end(simulator: Simulator, browser: Browser) -> None:
    """`gzip_cut` ends the body well and the gzip stream not at all."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": "gzip_cut"}])
    async with browser.asking(chat_id, COUNT) as answer:
        raw = b"".join([data async for data in answer.aiter_raw()])
    with pytest.raises(EOFError):
        gzip.decompress(raw)


async def test_a_bomb_is_small_on_the_wire(simulator: Simulator, browser: Browser) -> None:
    """`gzip_bomb` becomes a thousand times its size."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": "gzip_bomb", "size": 1_000_000}])
    async with browser.asking(chat_id, COUNT) as answer:
        raw = b"".join([data async for data in answer.aiter_raw()])
    assert len(raw) < 2_000
    assert gzip.decompress(raw) == bytes(1_000_000)


async def test_a_missing_tool_is_named(simulator: Simulator, browser: Browser) -> None:
    """The platform's sentence has the name of the tool that was called."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": "tool_does_not_exist"}])
    answer = await browser.ask(chat_id, "call tool write_file with {} in qwen_xml")
    assert text_of(answer.content) == "Tool write_file does not exists."
