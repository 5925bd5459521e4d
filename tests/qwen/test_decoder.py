"""`QwenDecoder`: every shape of an answer, by hand-written streams and by the captures."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.errors import (
    AnswerCutOff,
    AnswerUnreadable,
    BridgeError,
    ChallengeRequired,
    ContentRejected,
    EmptyAnswer,
    QuotaExceeded,
    QwenRefused,
    TokensExhausted,
)
from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReported,
)
from qwen_bridge.qwen.decoder import QwenDecoder
from qwen_bridge.sse.decoder import SSEDecoder, SSEEvent, SSEOverflow
from qwen_bridge.stage import Pipeline
from tests.harness.shared import QWEN, needs_shared
from tests.qwen.frames import (
    ANSWER,
    CHAT,
    OTHER,
    STREAMS,
    USER,
    Frame,
    created,
    data,
    delta,
    finished,
    keep_alive,
    search_call,
    search_result,
    stream,
    summary,
    usage,
)
from tests.stage_laws import (
    check_bounded,
    check_close,
    check_cut_free,
    check_eager,
    check_ending,
    check_linear,
    comparable,
    cuts,
    merged,
    run,
    single_bytes,
)

STARTED = ResponseStarted(CHAT, USER, ANSWER)
STOP = ResponseEnded("stop")


def answering() -> Pipeline[bytes, StreamEvent]:
    """From bytes to events, as an exchange joins the two decoders."""
    return Pipeline(SSEDecoder(), QwenDecoder())


def decode(*frames: Frame) -> list[StreamEvent]:
    """What the decoder makes of the frames, deltas joined."""
    return merged(run(QwenDecoder, [SSEEvent(orjson.dumps(frame)) for frame in frames]))


def texts(events: Iterable[StreamEvent], kind: type[TextDelta | ReasoningDelta] = TextDelta) -> str:
    """All text, or all reasoning."""
    return "".join(event.text for event in events if isinstance(event, kind))


def failure(events: list[StreamEvent]) -> type[BridgeError] | None:
    """The class of the error that the events end with."""
    return type(events[-1].error) if isinstance(events[-1], ResponseFailed) else None


EXPECTED: dict[str, tuple[str, str, type[BridgeError] | None]] = {
    "plain": ("", "Hello", None),
    "plain of 2025": ("", "Hello 🌌", None),
    "usage": ("", "Hi!", None),
    "think": ("Let me see.", "Yes.", None),
    "thinking summary": ("**One**\n\nFirst.\n\n**Two**\n\nSecond, longer.", "Yes.", None),
    "search between two blocks of thinking": ("**One**\n\nFirst.\n\n**Two**\n\nSecond.", "Yes.", None),
    "web search of 2025": ("", "Found.", None),
    "pictures": (
        "",
        "![image](https://cdn.example/1.png?key=a.b)\n\n![image](https://cdn.example/2.png?key=a.b)",
        None,
    ),
    "two candidates": ("", "巴黎", None),
    "no phases": ("", "Hello", None),
    "done mark": ("", "Hello", None),
    "empty": ("", "", EmptyAnswer),
    "opened and ended": ("", "", EmptyAnswer),
    "only keep-alives": ("", "", EmptyAnswer),
    "cut": ("", "Hel", AnswerCutOff),
    "error frame": ("", "Hel", QwenRefused),
    "error delta": ("", "Hel", QwenRefused),
    "not json": ("", "Hel", AnswerUnreadable),
    "stopped": ("", "Hel", AnswerCutOff),
}


@pytest.mark.parametrize("name", STREAMS)
def test_every_shape_under_every_law(name: str) -> None:
    """Each hand-written stream gives its reasoning, text and end, and keeps the laws under any cut."""
    body = STREAMS[name]
    events = run(answering, [body])
    assert (texts(events, ReasoningDelta), texts(events), failure(events)) == EXPECTED[name]
    assert isinstance(events[0], ResponseStarted) == bool(body)
    chunks = single_bytes(body)
    check_cut_free(answering, [body], chunks, comparable)
    check_ending(answering, chunks)
    check_close(answering, chunks)
    check_eager(answering, chunks)
    check_bounded(answering, chunks, limit=len(body) + 200)


def test_the_answer_says_who_and_where() -> None:
    """The node of the message just sent is `response.created.parent_id`, the node of the answer `response_id`."""
    assert decode(created(), delta("a"), finished()) == [STARTED, TextDelta("a"), STOP]


def test_usage_is_reported_once() -> None:
    """Of all the running totals, of either age, the last one comes, right before the end."""
    assert run(answering, [STREAMS["usage"]])[-2:] == [UsageReported(Usage(542, 9, reasoning=7)), STOP]
    events = run(answering, [STREAMS["plain of 2025"]])
    assert [event for event in events if isinstance(event, UsageReported)] == [UsageReported(Usage(33, 2, cached=7))]
    assert isinstance(events[-2], UsageReported)


def test_usage_of_nothing_hides_no_total() -> None:
    """A picture behind the text counts no tokens, and leaves the text's total as it was."""
    of_text = {**delta("a"), "usage": usage(5, 3)}
    of_picture = {**delta("b"), "usage": {"input_tokens": 0, "output_tokens": 0, "image_count": 1}}
    events = decode(created(), of_text, of_picture, {**finished(), "usage": {}})
    assert events[-2:] == [UsageReported(Usage(5, 3)), STOP]


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        "12",
        {"input_tokens": 0, "output_tokens": 0, "image_count": 1},
        {"input_tokens": "5", "output_tokens": None},
        {"input_tokens": -5, "output_tokens": True},
    ],
)
def test_usage_without_sense_is_passed_over(fields: object) -> None:
    """Pictures count no tokens, and a total of another type is none."""
    assert decode(created(), {**delta("a"), "usage": fields}, finished()) == [STARTED, TextDelta("a"), STOP]


def test_parts_of_usage_are_never_more_than_the_whole() -> None:
    """Reasoning is part of completion and cached part of prompt, whatever the site says."""
    fields = usage(5, 3, output_tokens_details={"reasoning_tokens": 9}, prompt_tokens_details={"cached_tokens": 9})
    assert UsageReported(Usage(5, 3, reasoning=3, cached=5)) in decode(created(), {**delta("a"), "usage": fields})


def test_thinking_finished_is_not_the_end_of_the_answer() -> None:
    """An answer that breaks off behind a finished thinking phase is cut off."""
    events = decode(created(), delta("hm", "think"), finished("think"), delta("Yes"))
    assert failure(events) is AnswerCutOff


def test_thinking_may_be_all_there_is() -> None:
    """A stream that ends with its thinking phase finished ends cleanly."""
    assert decode(created(), delta("hm", "think"), finished("think")) == [STARTED, ReasoningDelta("hm"), STOP]


def test_a_search_promises_an_answer() -> None:
    """A stream that ends in a tool phase, or behind one, was cut off, with or without thinking before."""
    thought = [delta("hm", "think"), finished("think")]
    assert failure(decode(created(), *thought, search_call("web_search", "{"))) is AnswerCutOff
    assert failure(decode(created(), *thought, search_result("web_search"))) is AnswerCutOff
    assert failure(decode(created(), search_result("web_search"))) is AnswerCutOff


def test_an_answer_finished_without_a_word_is_empty() -> None:
    """`finished` alone is no answer, also behind a search."""
    assert failure(decode(created(), delta(""), finished())) is EmptyAnswer
    assert failure(decode(created(), search_result("web_search"), finished())) is EmptyAnswer


@pytest.mark.parametrize("before", [[], [delta("hm", "think"), finished("think")]])
def test_an_answer_that_has_begun_must_end(before: list[Frame]) -> None:
    """An empty increment opens the answer: a stream that ends there was cut off."""
    assert failure(decode(created(), *before, delta(""))) is AnswerCutOff


def test_a_finished_answer_stays_finished() -> None:
    """Keep-alives, tool frames and empty phases behind the end of the answer do not make it a cut one."""
    late = [keep_alive(), search_call("web_search", "{}"), finished("think"), delta("")]
    assert decode(created(), delta("a"), finished(), *late) == [STARTED, TextDelta("a"), STOP]


def test_an_answer_that_goes_on_is_open_again() -> None:
    """Words behind a finished phase are shown, and want an end of their own."""
    events = decode(created(), delta("a"), finished(), delta("b"))
    assert texts(events) == "ab"
    assert failure(events) is AnswerCutOff


@pytest.mark.parametrize(
    "phase", ["web_search", "image_search", "code_interpreter", "KeepAlive", "never-seen", 7, ["answer"]]
)
def test_other_phases_are_silent(phase: Any) -> None:
    """Tool phases and phases nobody knows show nothing, whatever their content."""
    assert decode(created(), delta("secret", phase), delta("a"), finished()) == [STARTED, TextDelta("a"), STOP]


@pytest.mark.parametrize("phase", ["answer", "web_search"])
def test_the_role_must_be_the_assistants(phase: str) -> None:
    """Content under the role of a function is a tool's, not an answer."""
    assert texts(decode(created(), delta("docs", phase, role="function"), delta("a"), finished())) == "a"


def test_a_picture_behind_text_stands_apart() -> None:
    """A picture is a paragraph of its own, its address safe inside a link, and other content stays text."""
    events = decode(
        created(), delta("Here:"), delta("https://x/a (1).png", "image_gen"), delta("sorry", "image_gen"),
        delta("https://x/a(1).png", "image_gen"), finished("image_gen"),
    )  # fmt: skip
    assert texts(events) == "Here:https://x/a (1).pngsorry\n\n![image](https://x/a%281%29.png)"
    assert events[-1] == STOP


@pytest.mark.parametrize("role", [None, ""])
def test_no_role_is_the_assistants(role: str | None) -> None:
    """Content without a role is shown: nobody else speaks without saying who."""
    assert texts(decode(created(), delta("a", role=role), finished())) == "a"


def test_a_second_block_of_thinking_may_use_the_same_words() -> None:
    """Behind `finished` the arrays start anew, and what they hold is new."""
    block = [summary(["One"], ["First."]), finished("thinking_summary")]
    events = decode(created(), *block, *block, delta("a"), finished())
    assert texts(events, ReasoningDelta) == "**One**\n\nFirst.\n\n**One**\n\nFirst."


def test_a_start_is_not_told_twice_nor_late() -> None:
    """A repeated opening says nothing, and neither does one behind the first word."""
    assert decode(created(), created(), delta("a"), finished()) == [STARTED, TextDelta("a"), STOP]
    assert decode(delta("a"), created(), finished()) == [TextDelta("a"), STOP]


def test_the_first_index_wins_whatever_comes_first() -> None:
    """The candidate with index "0" is kept, also when it is opened second."""
    events = decode(created(OTHER, "1"), created(), delta("b", response_id=OTHER), delta("a"), finished())
    assert events == [STARTED, TextDelta("a"), STOP]


def test_a_lone_other_index_is_kept() -> None:
    """Where only another index is opened, its first frame makes it the candidate, for good."""
    start = ResponseStarted(CHAT, USER, OTHER)
    told = [created(OTHER, "1"), keep_alive(OTHER), created(), delta("a"), delta("b", response_id=OTHER)]
    assert decode(*told, finished(response_id=OTHER)) == [start, TextDelta("b"), STOP]


def test_a_candidate_that_was_kept_back_is_announced_at_the_end() -> None:
    """An answer opened under another index and never continued is announced before the failure."""
    events = decode(created(OTHER, "1"))
    assert events[0] == ResponseStarted(CHAT, USER, OTHER)
    assert failure(events) is EmptyAnswer


def test_an_announced_candidate_never_changes() -> None:
    """An answer opened without an index stays, also when a "0" is opened later."""
    events = decode(created(OTHER, None), created(), delta("a"), delta("b", response_id=OTHER), created())
    assert events[:2] == [ResponseStarted(CHAT, USER, OTHER), TextDelta("b")]


def test_the_other_candidates_end_is_not_ours() -> None:
    """A finish, an error or a stop of the dropped candidate changes nothing."""
    others = [
        finished(response_id=OTHER),
        {"error": {"code": "internal_error"}, "response_id": OTHER},
        delta("", response_id=OTHER, status="error"),
        {"response.stopped": {"response_id": OTHER}},
    ]
    events = decode(created(), created(OTHER, "1"), *others, delta("a"))
    assert events[:2] == [STARTED, TextDelta("a")]
    assert failure(events) is AnswerCutOff


def test_a_stop_behind_the_end_changes_nothing() -> None:
    """The answer was whole when somebody stopped it."""
    assert decode(created(), delta("a"), finished(), {"response.stopped": {"response_id": ANSWER}})[-1] == STOP


def test_an_answer_that_was_never_opened_is_read_all_the_same() -> None:
    """Without `response.created` the first id seen is kept to; no start can be told."""
    events = decode(delta("a"), delta("b", response_id=OTHER), finished())
    assert events == [TextDelta("a"), STOP]


@pytest.mark.parametrize("frame", [{"response.created": None}, {"response.created": {"response_id": 7}}])
def test_an_opening_without_an_id_opens_nothing(frame: Frame) -> None:
    """What cannot be chained to is not announced."""
    assert failure(decode(frame)) is EmptyAnswer


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ({"error": {"code": "internal_error", "details": "Allocated quota exceeded. #token-limit"}}, TokensExhausted),
        ({"error": {"code": "data_inspection_failed", "details": "内容安全警告"}}, ContentRejected),
        ({"success": False, "data": {"code": "RateLimited", "num": 2}}, QuotaExceeded),
        ({"ret": ["FAIL_SYS_USER_VALIDATE"], "data": {"url": "https://x"}}, ChallengeRequired),
        ({"code": "RateLimited", "detail": "limit", "num": 4}, QuotaExceeded),
        (delta("内容安全警告：输出", status="error"), ContentRejected),
        ({"error": "broken"}, QwenRefused),
    ],
)
def test_errors_in_the_stream_end_it(frame: Frame, error: type[BridgeError]) -> None:
    """An error frame of any shape becomes its leaf of the tree, and what follows is dropped."""
    events = decode(created(), delta("a"), frame, delta("b"), finished())
    assert events[:2] == [STARTED, TextDelta("a")]
    assert failure(events) is error
    assert len(events) == 3


@pytest.mark.parametrize("body", [b"{oops", b"[1]", b"12", b'"x"', b"\xff"])
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    """A frame that is not the protocol ends the answer with one error."""
    assert failure(run(QwenDecoder, [SSEEvent(body), SSEEvent(body)])) is AnswerUnreadable


def test_bytes_that_are_no_utf8_cost_a_letter_not_the_answer() -> None:
    """A broken character inside a frame becomes U+FFFD."""
    body = data(delta("aXb")).replace(b"X", b"\xff")
    assert texts(run(answering, [body])) == "a\ufffdb"


def test_blank_events_are_passed_over() -> None:
    """An event with no data, or with blanks only, means nothing."""
    assert failure(run(QwenDecoder, [SSEEvent(b""), SSEEvent(b" \n")])) is EmptyAnswer


def test_an_overflow_ends_the_answer() -> None:
    """An event over the limit becomes an error that names it."""
    items: list[SSEEvent | SSEOverflow] = [SSEOverflow(64), SSEEvent(orjson.dumps(delta("a")))]
    events = run(QwenDecoder, items)
    assert failure(events) is AnswerUnreadable
    assert len(events) == 1


def test_a_done_mark_before_any_word_is_an_empty_answer() -> None:
    """An explicit end cannot make up for a missing answer."""
    assert failure(run(QwenDecoder, [SSEEvent(b"[DONE]")])) is EmptyAnswer


_PHASES = ["answer", "think", "thinking_summary", "web_search", "image_gen", "", None, 3]
_KEYS = ["choices", "delta", "content", "phase", "status", "role", "extra", "usage", "error", "success", "data", "code",
         "response.created", "response.info", "response.stopped", "response_id", "response_index", "num", "ret",
         "summary_title", "summary_thought", "input_tokens", "output_tokens"]  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(), st.text(max_size=6),
    st.sampled_from(["typing", "finished", "error", "assistant", "function", ANSWER, OTHER, "0", "1", *_PHASES]),
)  # fmt: skip
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5),
    max_leaves=12,
)
_TELLING = st.sampled_from(
    [created(), created(OTHER, "1"), keep_alive(), delta("a"), delta("b", "think"), summary(["t"], ["x"]), finished()]
)
_WILD = st.builds(delta, st.text(max_size=4), st.sampled_from(_PHASES), status=_VALUES, role=_VALUES, extra=_VALUES)
_FRAMES = st.one_of(_TELLING, _WILD, st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=4))
_BODIES = st.lists(_FRAMES.map(data) | st.binary(max_size=12) | st.just(b"data: [DONE]\n\n"), max_size=8).map(b"".join)


@given(_BODIES, st.lists(st.integers(0, 600), max_size=6))
def test_any_bytes_end_with_one_terminal_event(body: bytes, positions: list[int]) -> None:
    """Random bytes and random frames never raise, and end with exactly one terminal event under any cut."""
    chunks = cuts(body, *positions)
    check_ending(answering, chunks)
    check_cut_free(answering, [body], chunks, comparable)
    check_close(answering, chunks)
    starts = [event for event in run(answering, chunks) if isinstance(event, ResponseStarted)]
    assert len(starts) <= 1


@given(st.lists(st.text(max_size=8), min_size=1, max_size=10))
def test_no_word_of_an_answer_is_lost(words: list[str]) -> None:
    """The text of the answer is the joined content of its deltas."""
    events = decode(created(), *(delta(word) for word in words), finished())
    assert texts(events) == "".join(words)


def test_the_work_is_linear_in_the_frames() -> None:
    """Long answers and long runs of repeated summaries cost what they bring."""
    check_linear(answering, lambda size: [data(delta("word "))] * size)
    check_linear(answering, lambda size: [data(summary(["One"], ["First."]))] * size)


CAPTURES = sorted(QWEN.glob("*.sse"))


@needs_shared
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name[:24])
def test_the_captures_under_cuts(path: Path) -> None:
    """A recorded stream gives the same events whole, byte by byte and at random cuts."""
    body = path.read_bytes()
    whole = comparable(run(answering, [body]))
    assert comparable(run(answering, single_bytes(body))) == whole
    draw = random.Random(path.name)
    for _ in range(5):
        chunks = cuts(body, *(draw.randrange(len(body)) for _ in range(40)))
        assert comparable(run(answering, chunks)) == whole
    check_ending(answering, [body])


@needs_shared
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name[:24])
def test_the_captures_are_read_whole(path: Path) -> None:
    """Each capture starts, shows text and ends cleanly; the excerpt 06 lacks its last line end, so it is a cut one."""
    events = run(answering, [path.read_bytes()])
    assert isinstance(events[0], ResponseStarted)
    assert texts(events)
    assert failure(events) is (AnswerCutOff if path.name.startswith("06") else None)


@needs_shared
def test_the_two_candidates_of_the_capture_speak_once() -> None:
    """The capture with two interleaved answers gives 巴黎 once, under the id of index "0"."""
    (path,) = QWEN.glob("11_*.sse")
    events = run(answering, [path.read_bytes()])
    assert texts(events) == "巴黎"
    assert events[0] == ResponseStarted("d8e2ce75", "4cc3a56d", "4f79335b")


def test_an_answer_ends_only_when_the_stream_does() -> None:
    """`finished` alone does not end the answer: a search may come between, or a second block."""
    decoder = QwenDecoder()
    assert STOP not in decoder.feed(SSEEvent(stream(created())[6:]))
    for frame in (delta("a"), finished()):
        assert STOP not in decoder.feed(SSEEvent(orjson.dumps(frame)))
    assert list(decoder.close()) == [STOP]
