"""No web page spends the user's account, on any way in."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_bridge.simulator.server import Simulator
from tests.conformance.invariants import check_error
from tests.e2e.test_fail_closed import QUESTION, WAYS, Listener, check_nothing_left, openai, road

__all__ = ["openai"]

EVIL = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_a_web_page_is_refused_before_qwen_is_asked(
    way: str, content_type: str, simulator: Simulator, openai: Listener, tmp_path: Path
) -> None:
    """Also as the simple request that a browser sends without asking: 403 with what to do, and nothing is asked."""
    async with road(way, simulator.url, tmp_path, openai) as client:
        headers = {**EVIL, "content-type": content_type}
        answer = await client.post("/v1/chat/completions", json=QUESTION, headers=headers)
        ahead = await client.options("/v1/chat/completions", headers={**EVIL, "access-control-request-method": "POST"})
    assert answer.status_code == ahead.status_code == 403
    assert check_error(403, dict(answer.headers), answer.content) == []
    assert answer.json()["error"]["code"] == "cross_site_refused"
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in ahead.headers
    assert simulator.ledger.to_json()["turns"] == []
    check_nothing_left(openai)


@pytest.mark.parametrize("way", ["reverse", "base URL"])
async def test_a_name_that_was_rebound_is_refused(
    way: str, simulator: Simulator, openai: Listener, tmp_path: Path
) -> None:
    """A page whose own name points here is of the same site to its browser; the bridge looks at the name."""
    async with road(way, simulator.url, tmp_path, openai) as client:
        same = {"origin": "http://evil.example:8080", "sec-fetch-site": "same-origin", "host": "evil.example:8080"}
        answer = await client.post("/v1/chat/completions", json=QUESTION, headers=same)
        alone = await client.get("/v1/models", headers={"host": "evil.example:8080"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host_refused")
    assert (alone.status_code, alone.json()["error"]["code"]) == (403, "host_refused")
    assert simulator.ledger.to_json()["turns"] == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_listed_page_is_served(way: str, simulator: Simulator, openai: Listener, tmp_path: Path) -> None:
    """`web_origins` lets a page ask, and its browser let it read, streamed or not, refused or not."""
    page = "http://localhost:3000"
    async with road(way, simulator.url, tmp_path, openai, web_origins=page) as client:
        ahead = await client.options(
            "/v1/chat/completions",
            headers={
                "origin": page,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization, content-type",
            },
        )
        headers = {"origin": page, "sec-fetch-site": "cross-site"}
        whole = await client.post("/v1/chat/completions", json=QUESTION, headers=headers)
        streamed = await client.post("/v1/chat/completions", json={**QUESTION, "stream": True}, headers=headers)
        refused = await client.post("/v1/chat/completions", json={}, headers=headers)
    assert (ahead.status_code, ahead.headers["access-control-allow-headers"]) == (204, "authorization, content-type")
    assert [answer.status_code for answer in (whole, streamed, refused)] == [200, 200, 400]
    for answer in (ahead, whole, streamed, refused):
        assert answer.headers["access-control-allow-origin"] == page
