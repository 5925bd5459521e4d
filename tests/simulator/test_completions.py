from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.simulator.completions import Outcome, complete
from qwen_bridge.simulator.delivery import Ending
from qwen_bridge.simulator.generation import Generation
from qwen_bridge.simulator.requests import Reply
from qwen_bridge.simulator.strikes import Break
from qwen_bridge.simulator.tree import Chat
from qwen_bridge.simulator.world import World
from tests.harness.qwen_browser import COMPLETIONS, FEATURES, completion, frames, ids_of, request, text_of, world
from tests.harness.shared import QWEN, needs_shared


def service(**settings: Any) -> World:
    here = world(**settings)
    for chat_id in ("c", "d", "e"):
        here.chats.add(Chat(id=chat_id, account="simulated-user", model="qwen3-max", created_at=0))
    return here


def send(here: World, body: dict[str, Any]) -> Outcome:
    return complete(here, request("POST", f"{COMPLETIONS}?chat_id={body['chat_id']}", body))


def start(here: World, text: str, parent_id: str | None = None, chat_id: str = "c", **message: Any) -> Generation:
    outcome = send(here, completion(chat_id, text, parent_id, **message))
    assert isinstance(outcome, Generation)
    return outcome


def say(here: World, text: str, parent_id: str | None = None, **message: Any) -> bytes:
    """The whole body of an answer."""
    return b"".join(frame.data for frame in start(here, text, parent_id, **message).take())


def refused(here: World, body: dict[str, Any]) -> dict[str, Any]:
    """The data of a refusal."""
    outcome = send(here, body)
    assert isinstance(outcome, Reply)
    data: dict[str, Any] = json.loads(outcome.body)["data"]
    return data


def test_an_answer_hangs_under_its_question() -> None:
    """Both nodes are the server's own; the frames announce them, the tree keeps them."""
    here = service()
    user_id, response_id = ids_of(say(here, "hello"))
    chat = here.chats.get("c")
    assert chat is not None
    assert [(n.id, n.role, n.parent_id) for n in chat.path(response_id)] == [
        (user_id, "user", None),
        (response_id, "assistant", user_id),
    ]
    assert chat.current_id == response_id


def test_the_context_is_the_path_and_nothing_else() -> None:
    """Over branches each turn is given exactly what lies between the root and its parent."""
    here = service()
    _, first = ids_of(say(here, "one"))
    _, second = ids_of(say(here, "two", first))
    say(here, "two, edited", first)
    say(here, "three", second)
    say(here, "anew")
    turns = here.ledger.turns
    told = [[entry["content"] for entry in turn.context] for turn in turns]
    one, two = turns[0].answer, turns[1].answer
    assert told == [[], ["one", one], ["one", one], ["one", one, "two", two], []]
    assert [entry["role"] for entry in turns[3].context] == ["user", "assistant"] * 2
    assert [turn.parent_id for turn in turns] == [None, first, first, second, None]


def test_a_turn_is_written_as_it_came() -> None:
    """The ledger has the bytes of the body, the message, and the text the tree keeps."""
    here = service()
    body = completion("c", "say 巴黎")
    outcome = send(here, body)
    assert isinstance(outcome, Generation)
    assert here.ledger.turns[0].answer == ""
    streamed = b"".join(frame.data for frame in outcome.take())
    turn = here.ledger.turns[0]
    assert turn.request_bytes == len(json.dumps(body).encode())
    assert (turn.message, turn.files, turn.aborted) == ("say 巴黎", [], False)
    assert turn.answer == text_of(streamed)
    assert turn.response_id == ids_of(streamed)[1]


def test_a_number_is_repeated_only_along_the_answers() -> None:
    """Chaining on the answer keeps the model's words; chaining on the question loses them."""
    here = service()
    user_id, response_id = ids_of(say(here, "invent a number"))
    number = here.ledger.turns[0].answer[-7:]
    assert text_of(say(here, "repeat the number", response_id)) == f"The number was {number}"
    assert text_of(say(here, "repeat the number", user_id)) == "I have not said a number."


def test_a_system_message_opens_and_says_nothing() -> None:
    """The stream of a message with the role system is one frame."""
    here = service()
    assert len(frames(say(here, "be kind", role="system"))) == 1
    assert here.ledger.turns[0].answer == ""


def test_a_chat_has_one_stream_at_a_time() -> None:
    """Until its answer is over a chat refuses, whether the client is there or not."""
    here = service()
    running = start(here, "count to 50")
    running.take(3)
    running.abandon()
    assert refused(here, completion("c", "hi"))["details"] == "The chat is in progress!"
    running.take()
    assert say(here, "hi")
    turn = here.ledger.turns[0]
    assert turn.aborted
    assert turn.answer.endswith("50")


def test_a_stopped_answer_keeps_its_words() -> None:
    """After a stop the tree and the ledger have what was said so far, and the chat is free."""
    here = service()
    running = start(here, "count to 50")
    running.take(4)
    running.stop()
    turn = here.ledger.turns[0]
    chat = here.chats.get("c")
    assert chat is not None
    assert turn.aborted
    assert turn.answer == chat.nodes[turn.response_id].text == "1 2 3 4 5 6 "
    assert chat.nodes[turn.response_id].stopped
    assert say(here, "hi")


def test_an_account_has_two_streams_at_a_time() -> None:
    """The third is limited; a bench may lift the limit."""
    here = service()
    start(here, "a", chat_id="c")
    start(here, "b", chat_id="d")
    assert refused(here, completion("e", "c"))["code"] == "ParallelLimited"
    free = service(max_streams=None)
    assert all(start(free, "x", chat_id=chat_id) for chat_id in ("c", "d", "e"))


def test_a_refusal_is_written_down() -> None:
    """The ledger says which rule refused what."""
    here = service()
    body = completion("c", "hi", "nobody")
    refused(here, body)
    (line,) = here.ledger.refused
    assert (line.path, line.reason, line.message) == (COMPLETIONS, "parent_not_exist", "hi")
    assert (line.request_bytes, line.chat_id, line.parent_id) == (len(json.dumps(body)), "c", "nobody")
    assert not here.ledger.turns


def test_a_script_takes_the_models_place() -> None:
    """Text, reasoning, chunk and phases are the script's; what it leaves open is the model's."""
    here = service()
    here.queue([{"text": "abcdef", "reasoning": "why", "chunk": 5, "reasoning_phase": "think"}, {"chunk": 1000}])
    body = say(here, "invent a number")
    assert text_of(body) == "abcdef"
    assert text_of(body, "think") == "why"
    assert text_of(say(here, "invent a number")).startswith("The number is ")
    assert here.ledger.turns[0].answer == "abcdef"


def test_a_refused_request_takes_no_answer_from_the_script() -> None:
    """The prepared answer waits for a request that passes the rules."""
    here = service()
    here.queue([{"text": "mine"}])
    refused(here, completion("c", "hi", "nobody"))
    assert text_of(say(here, "hi")) == "mine"


@pytest.mark.parametrize(("settings", "entry", "pace"), [(5, {}, 5), (5, {"pace": None}, None), (None, {"pace": 9}, 9)])
def test_the_scripts_pace_goes_before_the_settings(settings: float, entry: dict[str, Any], pace: float) -> None:
    """The default pace holds where the script does not speak of it."""
    here = service(pace=settings)
    here.queue([entry])
    assert start(here, "hi").delivery.pace == pace


def test_raw_bytes_are_streamed_verbatim() -> None:
    """A raw body is sent as it is, cut as told, and a client can chain on the ids in it."""
    here = service()
    raw = b'data: {"response.created":{"chat_id": "x", "parent_id": "U1", "response_id":"A1"}} \n\nrest'
    here.queue([{"raw": raw.decode(), "cut": "byte", "text": "said"}])
    pieces = start(here, "hi").take()
    assert b"".join(piece.data for piece in pieces) == raw
    assert len(pieces) == len(raw)
    say(here, "go on", "A1")
    assert [entry["content"] for entry in here.ledger.turns[1].context] == ["hi", "said"]


@needs_shared
@pytest.mark.parametrize("name", sorted(path.name for path in QWEN.glob("*.sse")))
def test_every_capture_can_be_played(name: str) -> None:
    """A recorded stream comes out byte for byte, at random cuts."""
    here = service()
    raw = (QWEN / name).read_bytes()
    here.queue([{"raw": raw.decode(), "cut": "random:1"}])
    assert say(here, "hi") == raw


def test_thinking_is_shown_in_the_form_the_request_asks_for() -> None:
    """`thinking_format: summary` gives summaries, without it there are increments."""
    here = service()
    thinking = FEATURES | {"thinking_enabled": True}
    assert text_of(say(here, "hi", feature_config=thinking), "think")
    summary = say(here, "hi", feature_config=thinking | {"thinking_format": "summary"})
    assert b'"phase": "thinking_summary"' in summary
    assert b'"phase": "think"' not in summary


def test_platform_tools_take_calls_away() -> None:
    """With the platform's own tools on, a call in the text becomes its sentence about unknown tools."""
    here = service()
    call = 'call tool read_file with {"path": "a"}'
    assert "<tool_call>" in text_of(say(here, call))
    switched = say(here, call, feature_config=FEATURES | {"function_calling": True})
    assert text_of(switched) == "Tool read_file does not exists."


def test_a_search_that_is_allowed_happens() -> None:
    """`auto_search: true` lets the platform search in a plain chat."""
    assert b'"phase": "web_search"' in say(service(), "hi", feature_config=FEATURES | {"auto_search": True})


def test_age_a_answers_whole_where_asked() -> None:
    """`stream: false` gave one JSON in 2025 (capture 02); the service of today is not asked that way."""
    here = service(age="A")
    outcome = send(here, completion("c", "count to 3") | {"stream": False})
    assert isinstance(outcome, Reply)
    data = json.loads(outcome.body)["data"]
    assert list(data) == ["chat_id", "parent_id", "message_id", "messages", "choices"]
    assert data["choices"][0]["message"] == {"role": "assistant", "content": "1 2 3"}
    assert not here.running


def test_faults_of_gateways_strike_before_the_rules() -> None:
    """A gateway's page or a broken wire comes whatever the request is, and leaves no turn."""
    here = service()
    here.queue([{"fault": "http_502"}, {"fault": "reset_before_headers"}])
    bad = completion("c", "hi", "nobody")
    page = send(here, bad)
    assert isinstance(page, Reply)
    assert page.status == 502
    assert send(here, bad) == Break(Ending.RESET)
    assert [line.reason for line in here.ledger.refused] == ["http_502", "reset_before_headers"]
    assert not here.ledger.turns


def test_the_second_candidate_is_a_sibling() -> None:
    """Of two candidates the first is the chat's current answer; both hang under the question."""
    here = service()
    here.queue([{"fault": "dual_candidates"}])
    user_id, response_id = ids_of(say(here, "hi"))
    chat = here.chats.get("c")
    assert chat is not None
    assert chat.current_id == response_id
    assert len(chat.nodes[user_id].children) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
BODY = completion("c", "x")
FIELDS = [*(("", key) for key in BODY), *(("messages", key) for key in BODY["messages"][0])]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_no_body_breaks_the_service(changes: dict[tuple[str, str], Any]) -> None:
    """Whatever stands in whichever field, there is an answer or a refusal, and a line in the ledger."""
    here = service()
    body = completion("c", "hi")
    for (place, key), value in sorted(changes.items(), key=lambda change: change[0], reverse=True):
        (body["messages"][0] if place else body)[key] = value
    complete(here, request("POST", f"{COMPLETIONS}?chat_id=c", body))
    assert len(here.ledger.turns) + len(here.ledger.refused) == 1
    json.dumps(here.ledger.to_json())


def test_a_body_nested_too_deep_is_refused() -> None:
    """JSON that no parser can follow is something wrong with the request."""
    here = service()
    complete(here, request("POST", f"{COMPLETIONS}?chat_id=c", b"[" * 100_000))
    assert here.ledger.refused[0].reason == "something_wrong"
