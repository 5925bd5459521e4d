from __future__ import annotations

from qwen_bridge.toolcalls.policy import RELEASE, Reason
from qwen_bridge.toolcalls.report import CallReport
from tests.toolcalls.bench import Answer, hermes


def test_a_log_line_names_everything_but_the_arguments() -> None:
    """Tool, dialect, verdict and repairs are said; the client's data is not."""
    line = CallReport("put", "qwen3_coder_xml", ("param.closer",), RELEASE, {"content": "secret"}).line()
    assert line == "put qwen3_coder_xml released repairs=param.closer"
    assert "secret" not in repr(CallReport("put", "x", (), RELEASE, {"content": "secret"}))


def test_counters_count_dialects_repairs_and_verdicts() -> None:
    """Each call is counted once per dialect and verdict, and once per repair."""
    answer = Answer(hermes("Shell", {"command": "a"}) + '<tool_call>{"name": "gone", "arguments": {}}</tool_call>')
    counted = answer.extractor.report.counters()
    assert counted["dialect", "hermes_json"] == 2
    assert counted["repair", "name.folded"] == 1
    assert counted["verdict", "released"] == counted["verdict", "withheld"] == 1
    assert counted["reason", "unknown_tool"] == 1


def test_an_answer_is_worth_asking_again_only_if_nothing_ran() -> None:
    """Where a call was released nothing is asked again; where one was cut off the reason is given."""
    assert Answer(hermes("ping", {})).extractor.report.must_ask_again is None
    assert Answer("Just words.").extractor.report.must_ask_again is None
    cut = Answer("<tool_call>\n<function=shell>\n<parameter=command>\nls", end="length")
    assert cut.extractor.report.must_ask_again is Reason.CUT_OFF
