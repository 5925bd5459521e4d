from __future__ import annotations

import pytest

from qwen_bridge.simulator.delivery import Delivery
from qwen_bridge.simulator.frames import Frame
from qwen_bridge.simulator.generation import Generation, State
from qwen_bridge.simulator.script import Entry, ScriptError
from qwen_bridge.simulator.tree import Chat
from tests.harness.qwen_browser import world


def generation() -> Generation:
    return Generation(Delivery(frames=(Frame(b"1"), Frame(b"2"))), "a")


def test_the_script_is_taken_in_order() -> None:
    """Entries are taken first in, first out; without a script an empty entry leaves all to the model."""
    here = world()
    assert here.queue([{"text": "1"}, {"text": "2"}]) == 2
    assert here.peek() == here.take_entry() == Entry(text="1")
    assert here.take_entry().text == "2"
    assert here.peek() is None
    assert here.take_entry() == Entry()


def test_entries_wait_for_their_own_requests() -> None:
    """What is meant for a new chat does not stand before what is meant for an answer."""
    here = world()
    assert here.queue([{"on": "chats/new", "fault": "http_429"}, {"text": "1"}]) == 2
    assert here.take_entry().text == "1"
    assert here.take_entry("chats/new").fault == "http_429"
    assert here.peek("chats/new") is None


def test_the_script_is_bounded() -> None:
    """A client that never stops queueing is refused."""
    with pytest.raises(ScriptError):
        world().queue([{}] * 100_001)


def test_a_chat_is_busy_while_its_answer_runs() -> None:
    """Streams are counted for their account; one that is over is not held."""
    here, running, over = world(), generation(), generation()
    over.take()
    here.run("c1", "me", running)
    here.run("c2", "me", over)
    assert (here.busy("c1"), here.busy("c2")) == (True, False)
    assert (here.streams_of("me"), here.streams_of("you")) == (1, 0)
    here.stop(["c1", "c3"])
    assert running.state is State.STOPPED


def test_a_reset_forgets_everything_but_the_count_of_ids() -> None:
    """After a reset nothing is left, and no id comes again: a client may remember the old ones."""
    here, running = world(), generation()
    chat_id = here.ids.uuid()
    here.chats.add(Chat(id=chat_id, account="me", model="m", created_at=0))
    here.queue([{}])
    here.run(chat_id, "me", running)
    here.reset()
    assert running.state is State.STOPPED
    assert here.chats.get(chat_id) is None
    assert here.peek() is None
    assert not here.running
    assert here.ids.uuid() != chat_id
