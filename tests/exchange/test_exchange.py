from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.conversation.keys import chain, extend
from qwen_bridge.errors import ChallengeRequired, InternalError, MissingCredentials, QuotaExceeded, QwenUnreachable
from qwen_bridge.exchange.effects import Again, Begin, Data, Effect, End, Forget, Stop
from qwen_bridge.exchange.exchange import KEEP_ALIVE, Exchange
from qwen_bridge.recovery.policy import RecoveryPolicy
from tests.conformance.invariants import check_body, check_error, check_head, check_stream
from tests.exchange.driving import (
    CHAT_BUSY,
    CHAT_GONE,
    EMPTY,
    EVENT_STREAM,
    HISTORY,
    JSON,
    MANNER,
    NO_CONNECTION,
    NO_QUOTA,
    PARENT_REFUSED,
    SCOPE,
    TERMS,
    TOO_MANY,
    Answer,
    Driver,
    Told,
    asking,
    assistant,
    continuing,
    refused,
    user,
)
from tests.harness.shared import QWEN, needs_shared
from tests.qwen import frames
from tests.stage_laws import cuts, single_bytes

GOOD = Answer(frames.PLAIN)
HALF = frames.stream(frames.created(), frames.delta("Hel"))
CAPTURES = sorted(QWEN.glob("*.sse"))
FAILURES = {
    "no connection": NO_CONNECTION,
    "cut before a word": Answer(frames.stream(frames.created()), ending="lost"),
    "ended before a word": Answer(frames.stream(frames.created())),
    "empty": EMPTY,
    "not the protocol": Answer(b"data: {oops\n\n"),
    "unknown encoding": Answer(frames.PLAIN, headers=(*EVENT_STREAM, ("content-encoding", "lzma"))),
    "not what the encoding says": Answer(frames.PLAIN, headers=(*EVENT_STREAM, ("content-encoding", "gzip"))),
    "internal error": refused("internal_error", "Something went wrong."),
    "busy": CHAT_BUSY,
    "too many": TOO_MANY,
    "parent": PARENT_REFUSED,
    "gone": CHAT_GONE,
    "error as first frame": Answer(frames.stream({"error": {"code": "internal_error", "details": "no"}})),
}
"""Failures that are worth another attempt."""


def play(*answers: Answer, stream: bool = True, include_usage: bool = False) -> Told:
    return Driver(asking(stream=stream, include_usage=include_usage)).play(*answers)


def judged(told: Told, *, stream: bool, include_usage: bool = False) -> list[str]:
    """The broken promises of an answer, whatever kind it is."""
    if not told.over:
        return ["the answer has no end"]
    if told.status != 200:
        return check_error(told.status, told.headers, told.body)
    found = check_head(told.status, told.headers, stream=stream)
    if not stream:
        return found + check_body(told.json)
    failed = any("error" in chunk for chunk in told.chunks)
    return found + check_stream(told.body, include_usage=include_usage, expect_error=failed)


# -- a good answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "plain of 2025", "usage", "think", "thinking summary", "pictures"])
def test_a_streamed_and_a_whole_answer_say_the_same(name: str) -> None:
    """Text and reasoning of one upstream answer do not depend on whether the client streams."""
    answer = Answer(frames.STREAMS[name])
    streamed, whole = play(answer), play(answer, stream=False)
    assert streamed.said == whole.said
    assert streamed.said[0]
    assert not judged(streamed, stream=True)
    assert not judged(whole, stream=False)


@needs_shared
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_recorded_answer_becomes_a_legal_one(capture: Path, stream: bool) -> None:
    """Every recorded stream of Qwen's ends as an answer that keeps OpenAI's promises, or is asked again."""
    driver = Driver(asking(stream=stream))
    driver.ask()
    if not driver.attempt(Answer(capture.read_bytes())):
        assert not judged(driver.told, stream=stream)


def test_words_leave_as_they_come() -> None:
    """A streaming client is told each delta in the very call that brought it."""
    driver = Driver(asking())
    driver.ask()
    assert not driver.exchange.responded(200, EVENT_STREAM)
    assert not driver.exchange.feed(frames.stream(frames.created()))
    first = driver.exchange.feed(frames.data(frames.delta("Hel")))
    second = driver.exchange.feed(frames.data(frames.delta("lo")))
    assert [type(effect) for effect in first] == [Begin, Data]
    assert [type(effect) for effect in second] == [Data]
    assert isinstance(second[0], Data)
    assert b'"lo"' in second[0].chunk


def test_a_whole_answer_is_shown_only_when_it_is_whole() -> None:
    """A client that does not stream sees nothing before the end, and then status, length and body at once."""
    driver = Driver(asking(stream=False))
    driver.ask()
    driver.exchange.responded(200, EVENT_STREAM)
    assert not any(driver.exchange.feed(piece) for piece in single_bytes(frames.PLAIN))
    driver.told.take(driver.exchange.finished())
    assert driver.told.order == ["Commit", "Begin", "Data", "End"]
    assert driver.told.headers["content-length"] == str(len(driver.told.body))
    assert driver.told.said == ("Hello", "")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_an_answer_names_request_and_conversation(stream: bool) -> None:
    """The head carries the request's id and where the conversation went, in an answer and in a refusal."""
    for answer in (GOOD, NO_QUOTA):
        told = play(answer, stream=stream)
        assert told.headers["x-request-id"] == "req_1"
        assert told.headers["x-qwen-bridge-conversation"] == "new"


@given(places=st.lists(st.integers(0, len(frames.STREAMS["usage"])), max_size=6), stream=st.booleans())
def test_any_cut_gives_the_same_answer(places: list[int], stream: bool) -> None:
    """How the network cuts Qwen's bytes changes no byte of the answer, nor what is remembered."""
    body = frames.STREAMS["usage"]
    whole = play(Answer(body), stream=stream, include_usage=True)
    cut = play(Answer(cuts(body, *places)), stream=stream, include_usage=True)
    assert (cut.body, cut.commits, cut.status, cut.headers) == (whole.body, whole.commits, whole.status, whole.headers)


# -- what is remembered -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("parent_from", ["response_id", "parent_id"])
def test_the_answer_is_remembered_before_its_last_bytes(
    stream: bool, parent_from: Literal["response_id", "parent_id"]
) -> None:
    """The history with the answer gets its anchor before `[DONE]`, a finish_reason or the document leave."""
    manner = replace(MANNER, parent_from=parent_from)
    driver = Driver(asking(user("Hi"), stream=stream), manner=manner)
    told = driver.play(GOOD)
    (commit,) = told.commits
    assert commit.key == extend(chain(SCOPE, [user("Hi")])[-1], assistant("Hello"))
    node = frames.ANSWER if parent_from == "response_id" else frames.USER
    assert (commit.anchor.chat_id, commit.anchor.parent_id, commit.anchor.depth) == ("new-1", node, 2)
    before = told.order[: told.order.index("Commit")]
    shown = b"".join(effect_bytes(GOOD, stream=stream)[: before.count("Data")])
    assert b"[DONE]" not in shown
    assert b'"stop"' not in shown
    assert told.order[told.order.index("Commit") :] == (
        ["Commit", "Data", "End"] if stream else ["Commit", "Begin", "Data", "End"]
    )


def effect_bytes(answer: Answer, *, stream: bool) -> list[bytes]:
    """The pieces of the body as they were told."""
    driver = Driver(asking(user("Hi"), stream=stream))
    driver.ask()
    effects = [
        *driver.exchange.responded(200, EVENT_STREAM),
        *driver.exchange.feed(answer.pieces[0]),
        *driver.exchange.finished(),
    ]
    return [effect.chunk for effect in effects if isinstance(effect, Data)]


def test_the_next_turn_continues_where_the_answer_was_put() -> None:
    """The history that a client sends next finds the anchor of the answer before."""
    (commit,) = Driver(asking(user("Hi"))).play(GOOD).commits
    after = Driver(asking(user("Hi"), assistant("Hello"), user("And?")))
    after.play(GOOD, found={commit.key: [commit.anchor]})
    assert after.question.lookups == [commit.key, *chain(SCOPE, [user("Hi")])]
    assert after.asked[0]["chat_id"] == "new-1"
    assert after.asked[0]["parent_id"] == frames.ANSWER
    assert after.asked[0]["messages"][0]["content"] == "And?"


@pytest.mark.parametrize("answer", [Answer(frames.STREAMS["cut"]), Answer(frames.STREAMS["error frame"]), NO_QUOTA])
def test_a_failed_answer_is_not_remembered(answer: Answer) -> None:
    """What broke, or was refused, becomes no anchor."""
    assert not play(answer).commits


def test_an_answer_without_an_id_is_told_and_not_remembered() -> None:
    """An answer that Qwen never opened has no node to continue from."""
    told = play(Answer(frames.stream(frames.delta("Hi", response_id=None), frames.finished(response_id=None))))
    assert told.said[0] == "Hi"
    assert not told.commits


# -- before the first word ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_before_the_first_word_is_invisible(failure: Answer, stream: bool) -> None:
    """The client gets byte for byte what it would have got without the failure."""
    told, clean = play(failure, GOOD, stream=stream), play(GOOD, stream=stream)
    assert len(told.waits) == 1
    assert (told.status, told.body) == (clean.status, clean.body)
    assert not judged(told, stream=stream)


@pytest.mark.parametrize(
    ("failure", "waits"),
    [
        (NO_CONNECTION, [0.25, 0.5, 1.0]),
        (Answer(frames.stream(frames.created(), frames.delta("", "think")), ending="lost"), [0.5, 1.0]),
        (TOO_MANY, [2.0, 4.0, 8.0]),
        (CHAT_BUSY, [1.0, 2.0, 0.0]),
        (EMPTY, [0.5]),
        (refused("internal_error", "Something went wrong."), [1.0]),
        (Answer(b"data: {oops\n\n"), [0.5]),
        (PARENT_REFUSED, [0.0]),
        (CHAT_GONE, [0.0]),
        (NO_QUOTA, []),
        (refused("unauthorized", "", 401), []),
        (refused("data_inspection_failed", ""), []),
        (Answer(b"<!doctype html>aliyun_waf_aa", headers=(("content-type", "text/html"),)), []),
    ],
)
def test_each_fault_is_tried_as_often_as_its_row_says(failure: Answer, waits: list[float]) -> None:
    """A fault that does not pass is retried, with growing waits, as the table allows; then the client is told."""
    told = play(*[failure] * (len(waits) + 1))
    assert told.waits == waits
    assert told.status >= 400
    assert not judged(told, stream=True)


def test_another_kind_of_fault_counts_from_one() -> None:
    """The waits grow while one fault repeats itself, and start anew with another."""
    told = play(NO_CONNECTION, NO_CONNECTION, EMPTY, NO_CONNECTION, GOOD)
    assert told.waits == [0.25, 0.5, 0.5, 0.25]


def test_an_empty_answer_is_asked_once_more_and_then_told() -> None:
    """Nothing twice is a 502 that says so."""
    for empty in (EMPTY, Answer(frames.STREAMS["opened and ended"]), Answer(frames.STREAMS["only keep-alives"])):
        told = play(empty, empty, stream=False)
        assert (told.status, told.error["code"], len(told.waits)) == (502, "qwen_empty_answer", 1)


def test_thoughts_without_an_answer_are_an_empty_answer() -> None:
    """Reasoning alone is no answer: a whole one is asked for again, a stream that showed it ends in an error."""
    thought = Answer(frames.stream(frames.created(), frames.delta("Hm.", "think"), frames.finished("think")))
    assert play(thought, GOOD, stream=False).said == ("Hello", "")
    told = play(thought)
    assert told.error["code"] == "qwen_empty_answer"
    assert not judged(told, stream=True)


def test_a_failure_before_any_answer_is_an_attempt_too() -> None:
    """What goes wrong while the question is being put is judged by the same table."""
    driver = Driver(asking())
    assert driver.exchange.failed(QwenUnreachable("no")) == [Again(0.25)]
    driver.told.take(driver.exchange.failed(MissingCredentials("sign in")))
    assert (driver.told.status, driver.told.error["code"]) == (401, "missing_qwen_credentials")
    assert driver.told.headers["x-qwen-bridge-conversation"] == "undecided"


def test_the_client_is_told_how_long_the_session_will_rest() -> None:
    """Where Qwen names no time and the session is to rest, `retry-after` says for how long; Qwen's own time stands."""
    for error, seconds in ((ChallengeRequired("No."), "900"), (QuotaExceeded("No.", retry_after=3600.0), "3600")):
        driver = Driver(asking())
        driver.exchange.rests = lambda _: 900.0
        driver.told.take(driver.exchange.failed(error))
        assert driver.told.headers["retry-after"] == seconds
        assert driver.told.headers["x-should-retry"] == "false"


def test_nobody_is_silent_while_the_client_reads_nothing() -> None:
    """Neither Qwen's silence nor ours is counted while what was told lies unread; the whole time still is."""
    driver = Driver(asking())
    driver.told.take([*driver.exchange.responded(200, EVENT_STREAM), *driver.exchange.feed(HALF)])
    for now in range(1, 60):
        assert driver.exchange.unread(now % 10) == ()
        assert driver.exchange.tick(float(now)) == ()
    assert driver.exchange.unread(1.0) == ()
    driver.told.take(driver.exchange.tick(1.0 + TERMS.total))
    assert driver.told.error["code"] == "qwen_timeout"


@pytest.mark.parametrize("how", ["unread", "stalled"])
def test_a_client_that_reads_nothing_is_ended_and_qwen_stopped(how: str) -> None:
    """Its stream ends with an error of its own, and the answer that Qwen is writing is nobody's."""
    driver = Driver(asking())
    driver.exchange.sent()
    driver.told.take([*driver.exchange.responded(200, EVENT_STREAM), *driver.exchange.feed(HALF)])
    told = driver.exchange.unread(TERMS.unread) if how == "unread" else driver.exchange.stalled()
    driver.told.take(told)
    assert driver.told.error["code"] == driver.exchange.outcome == "client_stalled"
    assert driver.exchange.unheard is not None
    assert driver.exchange.unread(TERMS.unread) == ()


def test_the_attempts_are_counted_over_all_faults() -> None:
    """Whatever the faults, there are no more attempts than the policy allows."""
    answers = [NO_CONNECTION, EMPTY] * 10
    driver = Driver(asking(), terms=replace(TERMS, policy=RecoveryPolicy(attempts=4)))
    assert len(driver.play(*answers[:4]).waits) == 3


def test_the_waits_together_stay_within_patience() -> None:
    """A wait that would exceed the sum is not begun."""
    driver = Driver(asking(), terms=replace(TERMS, policy=RecoveryPolicy(attempts=20, patience=5.0)))
    told = driver.play(TOO_MANY, TOO_MANY)
    assert told.waits == [2.0]
    assert told.status == 429


def test_the_jitter_of_the_terms_reaches_the_waits() -> None:
    """The number that spreads many clients' waits is drawn per failure."""
    drawn = iter([0.0, 1.0])
    driver = Driver(asking(), terms=replace(TERMS, jitter=lambda: next(drawn)))
    assert driver.play(NO_CONNECTION, NO_CONNECTION, GOOD).waits == [0.25, 0.625]


# -- a node that Qwen refuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("refusal", "whole_chat"), [(PARENT_REFUSED, False), (CHAT_GONE, True)])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_refused_node_is_forgotten_and_everything_said_again(refusal: Answer, whole_chat: bool, stream: bool) -> None:
    """The whole original history goes to a new chat, once, and nobody continues the dead node again."""
    driver = Driver(asking(*HISTORY, stream=stream))
    found = continuing(driver)
    told = driver.play(refusal, GOOD, found=found)
    assert told.order[:2] == ["Forget", "Again"]
    assert told.forgotten == [Forget(next(iter(found.values()))[0], whole_chat)]
    assert told.waits == [0.0]
    tail, everything = (body["messages"][0]["content"] for body in driver.asked)
    assert tail == "Two?"
    assert all(words in everything for words in ("Be kind.", "One?", "One.", "Two?"))
    assert [body["chat_id"] for body in driver.asked] == ["old-chat", "new-1"]
    assert [body["parent_id"] for body in driver.asked] == ["old-node", None]
    assert told.commits[0].anchor.chat_id == "new-1"
    assert told.headers["x-qwen-bridge-conversation"].startswith("reset reason=")


def test_a_second_refusal_is_told() -> None:
    """The way into a new chat is taken once; a chat that is refused as well ends the request."""
    driver = Driver(asking(*HISTORY))
    told = driver.play(PARENT_REFUSED, CHAT_GONE, found=continuing(driver))
    assert (told.status, told.error["code"]) == (502, "qwen_chat_gone")
    assert len(told.forgotten) == 1


def test_a_refused_node_is_forgotten_even_without_another_attempt() -> None:
    """Where the policy has no attempt left the client is told, and its next request does not run into the same node."""
    driver = Driver(asking(*HISTORY), terms=replace(TERMS, policy=RecoveryPolicy(attempts=1)))
    told = driver.play(PARENT_REFUSED, found=continuing(driver))
    assert told.order == ["Forget", "Begin", "Data", "End"]
    assert (told.status, told.error["code"]) == (502, "qwen_parent_refused")


def test_a_busy_chat_is_left_but_not_forgotten() -> None:
    """Another stream holds the chat: after two waits a new one is opened, and the old node stays good."""
    driver = Driver(asking(*HISTORY))
    told = driver.play(CHAT_BUSY, CHAT_BUSY, CHAT_BUSY, GOOD, found=continuing(driver))
    assert told.waits == [1.0, 2.0, 0.0]
    assert not told.forgotten
    assert [body["chat_id"] for body in driver.asked] == ["old-chat"] * 3 + ["new-1"]


def test_a_retry_asks_the_same_from_the_same_node() -> None:
    """A lost question is put again as a sibling: same chat, same parent, same words, other message id."""
    driver = Driver(asking(*HISTORY))
    driver.play(NO_CONNECTION, GOOD, found=continuing(driver))
    first, second = driver.asked
    ids = [message.pop(key) for body in (first, second) for message in body["messages"] for key in ("fid",)]
    for body in (first, second):
        body["messages"][0].pop("childrenIds")
    assert first == second
    assert ids[0] != ids[1]


# -- after the first word -----------------------------------------------------------------------------------------


def begun_gzip(data: bytes) -> bytes:
    """What a compressing proxy has sent on when the connection behind it breaks."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


LATE = {
    "lost": Answer(HALF, ending="lost"),
    "ended early": Answer(HALF),
    "error frame": Answer(frames.STREAMS["error frame"]),
    "error delta": Answer(frames.STREAMS["error delta"]),
    "not json": Answer(frames.STREAMS["not json"]),
    "truncated gzip": Answer(begun_gzip(HALF), headers=(*EVENT_STREAM, ("content-encoding", "gzip"))),
    "reasoning, then lost": Answer(frames.stream(frames.created(), frames.delta("Hm", "think")), ending="lost"),
    "error after the end": Answer(frames.PLAIN + frames.stream({"error": {"code": "internal_error"}})),
}


def test_a_connection_lost_behind_the_end_costs_nothing() -> None:
    """Qwen said that it was finished: what broke was only the goodbye."""
    told = play(Answer(frames.PLAIN, ending="lost"))
    assert told.body == play(GOOD).body
    assert told.commits


@pytest.mark.parametrize("late", LATE.values(), ids=LATE.keys())
def test_a_failure_after_the_first_word_is_an_error_event(late: Answer) -> None:
    """There is no second attempt: an error event is the last thing, without finish_reason and without `[DONE]`."""
    told = play(late)
    assert told.status == 200
    assert not told.waits
    assert not told.commits
    assert told.order[-2:] == ["Data", "End"]
    assert told.chunks[-1].keys() == {"error"}
    assert not check_stream(told.body, include_usage=False, expect_error=True)


def test_what_was_said_before_a_late_failure_is_shown() -> None:
    """No word that came before the failure is lost, though it came in the same bytes."""
    assert play(Answer(frames.STREAMS["error frame"])).said[0] == "Hel"


@pytest.mark.parametrize("late", LATE.values(), ids=LATE.keys())
def test_a_client_that_does_not_stream_never_sees_half_an_answer(late: Answer) -> None:
    """The same failures are retried, because nothing was shown."""
    told = play(late, GOOD, stream=False)
    assert told.said == ("Hello", "")
    assert not judged(told, stream=False)


# -- time ---------------------------------------------------------------------------------------------------------


def ticking(exchange: Exchange, *times: float) -> list[Effect]:
    return [effect for now in times for effect in exchange.tick(now)]


def test_a_waiting_stream_is_kept_alive_by_comments() -> None:
    """After each silence of `keepalive` seconds a streaming client gets a comment, the head before the first."""
    driver = Driver(asking())
    driver.ask()
    assert not ticking(driver.exchange, 100.0, 114.9)
    first, second = driver.exchange.tick(115.0), driver.exchange.tick(116.0)
    assert [type(effect) for effect in first] == [Begin, Data]
    assert first[1] == Data(KEEP_ALIVE)
    assert not second
    assert ticking(driver.exchange, 131.0) == [Data(KEEP_ALIVE)]


def test_a_client_that_does_not_stream_is_sent_no_comment() -> None:
    """A document cannot begin with a comment: the client waits in silence."""
    driver = Driver(asking(stream=False))
    assert not ticking(driver.exchange, *range(0, 110, 5))


def test_words_are_signs_of_life_too() -> None:
    """A comment is sent only after a silence, not beside words."""
    driver = Driver(asking())
    driver.ask()
    driver.exchange.tick(0.0)
    driver.exchange.responded(200, EVENT_STREAM)
    driver.exchange.feed(HALF)
    assert not ticking(driver.exchange, 15.0, 29.0)
    assert ticking(driver.exchange, 30.0) == [Data(KEEP_ALIVE)]


def test_a_comment_leaves_the_way_to_another_attempt_open() -> None:
    """The client has seen a sign of life and no word: a fault is still retried, out of its sight."""
    driver = Driver(asking())
    driver.told.take(ticking(driver.exchange, 0.0, 20.0))
    told = driver.play(EMPTY, GOOD)
    assert told.waits == [0.5]
    assert told.said[0] == "Hello"
    assert told.body.startswith(KEEP_ALIVE)
    assert not judged(told, stream=True)


def test_after_a_comment_giving_up_is_an_error_event() -> None:
    """The status line has left with the comment, so the refusal comes as an event."""
    driver = Driver(asking())
    driver.told.take(ticking(driver.exchange, 0.0, 20.0))
    told = driver.play(NO_QUOTA)
    assert told.status == 200
    assert told.error["code"] == "qwen_quota_exceeded"
    assert not judged(told, stream=True)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_qwen_that_does_not_begin_is_given_up(stream: bool) -> None:
    """Without a status for `first_byte` seconds the client gets a timeout."""
    driver = Driver(asking(stream=stream))
    driver.ask()
    driver.told.take(ticking(driver.exchange, *range(0, 120, 10)))
    assert not driver.told.over
    driver.told.take(driver.exchange.tick(120.0))
    assert driver.told.error["code"] == "qwen_timeout"
    assert driver.told.status == (200 if stream else 504)  # comments have gone out meanwhile


@pytest.mark.parametrize("begun", [b"", frames.stream(frames.created()), HALF])
def test_a_qwen_that_falls_silent_is_given_up(begun: bytes) -> None:
    """Once it has answered, `idle` seconds without a byte are too many, and each byte begins them anew."""
    driver = Driver(asking())
    driver.ask()
    driver.told.take(driver.exchange.responded(200, EVENT_STREAM))
    driver.told.take(driver.exchange.feed(begun))
    driver.told.take(ticking(driver.exchange, 0.0, 59.0))
    driver.told.take(driver.exchange.feed(b": a byte\n"))
    driver.told.take(ticking(driver.exchange, 61.0, 120.0))
    assert not driver.told.over
    driver.told.take(driver.exchange.tick(121.0))
    assert driver.told.error["code"] == "qwen_timeout"
    assert not judged(driver.told, stream=True)


def test_the_pause_before_an_attempt_is_not_qwens_silence() -> None:
    """Qwen gets its `first_byte` seconds after the wait that the policy ordered, not within it."""
    terms = replace(TERMS, policy=RecoveryPolicy(patience=500.0), first_byte=30.0, keepalive=1000.0)
    driver = Driver(asking(), terms=terms)
    driver.ask()
    driver.exchange.responded(429, (*JSON, ("retry-after", "100")))
    assert driver.exchange.finished() == [Again(100.0)]
    assert not ticking(driver.exchange, 0.0, 99.0, 129.0)
    assert ticking(driver.exchange, 130.0)


def test_waiting_in_our_own_queue_is_not_qwens_silence() -> None:
    """While the attempt is held here, the time that Qwen has to answer does not run."""
    driver = Driver(asking(stream=False))
    for now in range(0, 1000, 50):
        driver.exchange.held()
        assert not driver.exchange.tick(float(now))
    assert not driver.exchange.tick(1069.0)
    assert driver.exchange.tick(1070.0)


# -- tokens -------------------------------------------------------------------------------------------------------


def usage_of(told: Told) -> dict[str, int]:
    usage = told.chunks[-1]["usage"]
    return {"prompt": usage["prompt_tokens"], "completion": usage["completion_tokens"]}


def test_qwens_count_of_tokens_is_passed_on() -> None:
    """Where Qwen counts, nothing is estimated."""
    told = play(Answer(frames.STREAMS["usage"]), include_usage=True)
    assert usage_of(told) == {"prompt": 542, "completion": 9}


def test_tokens_are_estimated_when_qwen_counts_none() -> None:
    """A client that condenses by these numbers gets some: a quarter of the bytes asked and the characters answered."""
    driver = Driver(asking(include_usage=True))
    told = driver.play(Answer(frames.stream(frames.created(), frames.delta("x" * 400), frames.finished())))
    assert usage_of(told) == {"prompt": driver.question.request_bytes // 4 + 1, "completion": 101}
    assert driver.question.request_bytes > 400
    whole = play(GOOD, stream=False)
    assert whole.json["usage"]["completion_tokens"] == 2


def test_tokens_of_an_attempt_that_failed_do_not_count() -> None:
    """The numbers are those of the answer that was shown."""
    counted = Answer(frames.stream({**frames.delta("", "think"), "usage": frames.usage(9, 9)}), ending="lost")
    assert usage_of(play(counted, GOOD, include_usage=True))["completion"] == 2


# -- the end ------------------------------------------------------------------------------------------------------


AFTERWARDS: dict[str, Callable[[Exchange], Sequence[Effect]]] = {
    "responded": lambda exchange: exchange.responded(200, EVENT_STREAM),
    "feed": lambda exchange: exchange.feed(frames.PLAIN),
    "finished": lambda exchange: exchange.finished(),
    "lost": lambda exchange: exchange.lost(),
    "failed": lambda exchange: exchange.failed(QwenUnreachable("no")),
    "tick": lambda exchange: exchange.tick(1e9),
    "refuse": lambda exchange: exchange.refuse(InternalError("no")),
}


def ended_well(exchange: Exchange) -> None:
    exchange.question.decide({})
    exchange.responded(200, EVENT_STREAM)
    exchange.feed(frames.PLAIN)
    assert exchange.finished()[-1] == End()


def ended_late(exchange: Exchange) -> None:
    exchange.responded(200, EVENT_STREAM)
    exchange.feed(HALF)
    assert exchange.lost()[-1] == End()


def refused_early(exchange: Exchange) -> None:
    assert exchange.refuse(InternalError("no"))[-1] == End()


def left_early(exchange: Exchange) -> None:
    exchange.left()


def left_in_the_middle(exchange: Exchange) -> None:
    exchange.responded(200, EVENT_STREAM)
    exchange.feed(HALF)
    exchange.left()


@pytest.mark.parametrize("end", [ended_well, ended_late, refused_early, left_early, left_in_the_middle])
@pytest.mark.parametrize("afterwards", AFTERWARDS.values(), ids=AFTERWARDS.keys())
def test_nothing_comes_after_the_end(
    end: Callable[[Exchange], None], afterwards: Callable[[Exchange], Sequence[Effect]]
) -> None:
    """Once the answer is complete, refused, or wanted by nobody, every call returns nothing."""
    exchange = Driver(asking()).exchange
    end(exchange)
    assert exchange.over
    assert list(afterwards(exchange)) == []
    assert list(afterwards(exchange)) == []


def test_an_answer_whose_client_left_is_not_remembered() -> None:
    """What Qwen says after the client has gone becomes no anchor: the client cannot have seen it."""
    driver = Driver(asking())
    driver.ask()
    left_in_the_middle(driver.exchange)
    assert not driver.exchange.feed(frames.stream(frames.finished()))
    assert not driver.exchange.finished()


def test_an_answer_that_qwen_may_still_be_writing_is_known() -> None:
    """Whoever lets go of an exchange learns which answer to stop, and that there is none to stop behind its end."""
    driver = Driver(asking())
    driver.ask()
    assert driver.exchange.unheard is None, "it was never asked"
    driver.exchange.sent()
    assert driver.exchange.unheard == Stop("new-1", ""), "whatever is written there"
    driver.exchange.responded(200, EVENT_STREAM)
    driver.exchange.feed(HALF)
    driver.exchange.left()
    assert driver.exchange.unheard == Stop("new-1", frames.ANSWER)
    done = Driver(asking())
    done.play(GOOD)
    assert done.exchange.unheard is None


@pytest.mark.parametrize("then", ["left", "unreachable"])
def test_an_answer_that_was_lost_before_it_opened_is_stopped_too(then: str) -> None:
    """Qwen has the question and may be writing, whether the client leaves in the back-off or Qwen cannot be reached
    any more.
    """
    driver = Driver(asking(), replace(TERMS, policy=RecoveryPolicy(attempts=2)))
    driver.ask()
    driver.exchange.sent()
    assert driver.attempt(Answer(status=None, ending="lost"))
    if then == "left":
        driver.exchange.left()
    else:
        driver.ask()
        assert driver.exchange.failed(QwenUnreachable("Nobody is there."))[-1] == End()
    assert driver.exchange.unheard == Stop("new-1", "")


@pytest.mark.parametrize("answer", [NO_QUOTA, EMPTY, refused("Unauthorized", "Token has expired", 401)])
def test_what_qwen_refused_need_not_be_stopped(answer: Answer) -> None:
    """It has said that it writes nothing."""
    driver = Driver(asking(), replace(TERMS, policy=RecoveryPolicy(attempts=1)))
    driver.exchange.sent()
    driver.play(answer)
    assert driver.exchange.unheard is None


def test_a_broken_answer_is_stopped_before_the_next_attempt() -> None:
    """Qwen may be writing it to its end, and would call the chat busy."""
    opened = Answer(frames.stream(frames.created()), ending="lost")
    told = play(opened, GOOD)
    assert told.order[:2] == ["Stop", "Again"]
    assert told.stopped == [Stop("new-1", frames.ANSWER)]
    assert told.said[0]


def test_a_busy_chat_is_freed_before_the_next_attempt() -> None:
    """Whatever is written there is ended, before each wait; the new chat has nothing to stop."""
    driver = Driver(asking(*HISTORY))
    told = driver.play(CHAT_BUSY, CHAT_BUSY, CHAT_BUSY, GOOD, found=continuing(driver))
    assert told.stopped == [Stop("old-chat", "")] * 2
    assert told.waits == [1.0, 2.0, 0.0]
    assert driver.asked[-1]["chat_id"] == "new-1"


@pytest.mark.parametrize("shown", [False, True], ids=["nothing shown", "words shown"])
def test_a_request_ends_after_the_total_time(shown: bool) -> None:
    """However busy Qwen and the bridge are with it: 504, or an error event, and no further attempt."""
    driver = Driver(asking(), replace(TERMS, total=100.0, keepalive=1000.0))
    driver.ask()
    assert not ticking(driver.exchange, 10.0, 60.0, 109.9)
    driver.told.take(driver.exchange.responded(200, EVENT_STREAM))
    if shown:
        driver.told.take(driver.exchange.feed(HALF))
    driver.told.take(driver.exchange.tick(110.0))
    assert not judged(driver.told, stream=True)
    assert driver.told.error["code"] == "qwen_timeout"
    assert "100 seconds" in driver.told.error["message"]
    assert driver.told.status == (200 if shown else 504)


@pytest.mark.parametrize("shown", ["nothing", "head", "words"])
def test_a_refusal_takes_the_form_that_is_still_possible(shown: str) -> None:
    """Before the head it is an HTTP error, behind it an error event; both are legal, and both are the end."""
    driver = Driver(asking())
    driver.ask()
    if shown == "head":
        driver.told.take(ticking(driver.exchange, 0.0, 15.0))
    if shown == "words":
        driver.told.take(driver.exchange.responded(200, EVENT_STREAM))
        driver.told.take(driver.exchange.feed(HALF))
    driver.told.take(driver.exchange.refuse(InternalError("A bug.")))
    assert driver.told.status == (500 if shown == "nothing" else 200)
    assert driver.told.error["code"] == "bridge_internal_error"
    assert not judged(driver.told, stream=True)


# -- anything at all ----------------------------------------------------------------------------------------------

some_frames = st.sampled_from(
    [
        frames.data(frames.created()),
        frames.data(frames.delta("word ")),
        frames.data(frames.delta("thought", "think")),
        frames.data(frames.finished()),
        frames.data(frames.finished("think")),
        frames.data(frames.keep_alive()),
        b"data: [DONE]\n\n",
        b'data: {"error": {"code": "RateLimited", "details": "no"}}\n\n',
        b'{"success": false, "data": {"code": "Bad_Request", "details": "parent_id x not exist"}}',
        b'{"success": false, "data": {"code": "ParallelLimited"}}',
        b"<html>",
    ]
)
bodies = st.lists(some_frames | st.binary(max_size=40), max_size=8).map(b"".join)
types = st.sampled_from(["text/event-stream", "Text/Event-Stream; charset=utf-8", "application/json", "text/html", ""])
encodings = st.sampled_from(["", "identity", "gzip", "br", "zstd", "deflate", "gzip, br", "lzma"])
some_headers = st.builds(
    lambda kind, encoding, more: (("content-type", kind), ("content-encoding", encoding), *more),
    types,
    encodings | st.just(""),
    st.lists(
        st.sampled_from(
            [("retry-after", "3"), ("retry-after", "x"), ("x-actual-status-code", "404"), ("location", "/")]
        ),
        max_size=2,
    ),
)
answers = st.builds(
    lambda body, places, status, headers, ending: Answer(cuts(body, *places), status, headers, ending),
    bodies,
    st.lists(st.integers(0, 400), max_size=4),
    st.none() | st.sampled_from([200, 200, 200, 204, 302, 401, 403, 404, 429, 500, 504]) | st.integers(200, 599),
    some_headers,
    st.sampled_from(["finished", "lost"]),
)


@given(attempts=st.lists(answers, min_size=1, max_size=7), stream=st.booleans(), comment=st.booleans())
def test_whatever_qwen_sends_the_client_gets_a_legal_answer(
    attempts: list[Answer], stream: bool, comment: bool
) -> None:
    """Random bytes under random heads, cut anywhere, end as a legal answer or a legal error, never as an exception."""
    driver = Driver(asking(stream=stream, include_usage=True))
    driver.ask()
    if comment:
        driver.told.take(ticking(driver.exchange, 0.0, 20.0))
    for answer in [*attempts, NO_QUOTA]:  # what comes behind the drawn ones fails for good
        if driver.told.over:
            break
        if driver.attempt(answer):
            driver.ask()
    assert not judged(driver.told, stream=stream, include_usage=True)
    assert sum(driver.told.waits) <= TERMS.policy.patience
    assert len(driver.told.waits) < TERMS.policy.attempts


@given(body=bodies, places=st.lists(st.integers(0, 400), max_size=6), headers=some_headers, stream=st.booleans())
def test_any_cut_of_anything_gives_the_same(
    body: bytes, places: list[int], headers: tuple[tuple[str, str], ...], stream: bool
) -> None:
    """The outcome of an attempt does not depend on how its bytes were cut, whatever they are."""
    outcomes = []
    for pieces in ([body], cuts(body, *places)):
        driver = Driver(asking(stream=stream))
        driver.ask()
        driver.attempt(Answer(pieces, 200, headers))
        told = driver.told
        outcomes.append((told.status, told.body, told.waits, told.over, told.commits))
    assert outcomes[0] == outcomes[1]
