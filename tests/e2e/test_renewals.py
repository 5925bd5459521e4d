"""A learned session that only the bridge uses any more: Qwen renews its cookies, and the bridge keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_bridge.bridge.sessions import session_file
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.learning import LearnedSession
from qwen_bridge.settings.settings import Settings
from qwen_bridge.simulator.server import Simulator
from tests.harness.proxy import SESSION
from tests.harness.wire import CHAT, addon_of, question, road, said

LEARNED = {"token": None, "bx_umidtoken": None, "user_agent": None, "learn": "on"}


@pytest.mark.parametrize("fault", ["renewed_cookie", "waf_json_punish"])
async def test_a_cookie_that_an_answer_renews_goes_with_the_next_question(
    fault: str, simulator: Simulator, tmp_path: Path
) -> None:
    """Once for all; a refusal renews nothing."""
    file = session_file(Settings.load({"upstream": simulator.url, "state": str(tmp_path)}))
    jar = Credentials("", f"acw_tc=old; token={SESSION['token']}", SESSION["bx_umidtoken"], SESSION["user_agent"])
    file.change(lambda known: known.with_session(LearnedSession(jar, 1.0, 2.0, 3.0)))
    simulator.script([{"text": "Hello", "fault": fault}])
    async with road(simulator, tmp_path, **LEARNED) as (proxy, client):
        answer = await client.post(CHAT, json=question(stream=True))
        bridge = addon_of(proxy)._bridge
        assert bridge is not None
        spoken = bridge._sessions.of("").cookie_header()
    good = fault == "renewed_cookie"
    assert said(answer.content) == "Hello" if good else answer.status_code == 403
    assert spoken == f"acw_tc={'renewed-by-an-answer' if good else 'old'}; token={SESSION['token']}"
