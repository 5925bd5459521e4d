"""What clients do to their histories, and in which context each of their questions is then answered.

The first eighteen rows are those of reliability.md §C3, the others were met in the field by projects of this kind.
Every turn is checked by the ledger; the words beside it say how it was served.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.conversation.anchors import AnchorBook
from qwen_bridge.conversation.keys import Scope
from qwen_bridge.messages import Message
from tests.conversation.histories import assistant, minted, minted_id, tool, user
from tests.conversation.ledger import HOME, Ledger, grown

U1, U2, U3, U4 = (user(f"question {n}") for n in range(1, 5))
A1, A2, A3, A4 = (assistant(f"answer {n}") for n in range(1, 5))
CALL = assistant("", minted(1, '{"path": "a", "n": 1}'))
ECHOED_CALL = assistant("", minted(1, '{"n":1,"path":"a"}'))
RESULT = tool(minted_id(1), "text of a")
CUT_NOTE = "\n\n[Response interrupted by user feedback]"


@dataclass(frozen=True)
class Turn:
    history: list[Message]
    answer: Message | None
    served: str
    system: str = "Help."
    scope: Scope = HOME
    avoid: Collection[str] = ()


SCENARIOS: dict[str, list[Turn]] = {
    "plain growth": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2, A2, U3], A3, "hit depth=4/5 in 0"),
    ],
    "tool loop with null content": [
        Turn([U1], CALL, "new in 0"),
        Turn([U1, CALL, RESULT], A1, "hit depth=2/3 in 0"),
        Turn([U1, CALL, RESULT, A1, U2], A2, "hit depth=4/5 in 0"),
    ],
    "client writes tool arguments anew": [
        Turn([U1], CALL, "new in 0"),
        Turn([U1, ECHOED_CALL, RESULT], A1, "hit depth=2/3 in 0"),
    ],
    "last turn regenerated": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2], A3, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2, A3, U3], A4, "hit depth=4/5 in 0"),
    ],
    "regenerated, then on from the first answer": [
        Turn([U1], A1, "new in 0"),
        Turn([U1], A2, "new in 1"),
        Turn([U1, A1, U2], A3, "hit depth=2/3 in 0"),
        Turn([U1, A2, U2], A4, "hit depth=2/3 in 1"),
    ],
    "earlier question edited": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([U1, A1, U3], A3, "hit depth=2/3 in 0"),
        Turn([U4, A1, U2, A2, U3], A4, "miss reason=unknown_history in 1"),
    ],
    "earlier answer edited": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2, A3, U3], A4, "hit depth=2/5 edited@2 in 0"),
        Turn([U1, A3, U2, A2, U3], A4, "miss reason=unknown_history in 1"),
    ],
    "two chats with one opener, in turns": [
        Turn([U1], A1, "new in 0"),
        Turn([U1], A1, "new in 1"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([U1, A1, U3], A3, "hit depth=2/3 in 1"),
        Turn([U1, A1, U2, A2, U4], A4, "hit depth=4/5 in 0"),
        Turn([U1, A1, U3, A3, U4], A4, "hit depth=4/5 in 1"),
    ],
    "identical short answer in two chats": [
        Turn([U1], A1, "new in 0"),
        Turn([U2], A1, "new in 1"),
        Turn([U1, A1, U3], A1, "hit depth=2/3 in 0"),
        Turn([U2, A1, U3], A1, "hit depth=2/3 in 1"),
    ],
    "compaction: a summary replaces turns": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([user("Summary of all that."), U3], A3, "new in 1"),
    ],
    "compaction that keeps the last answer": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([user("Summary of all that."), A2, U3], A3, "miss reason=unknown_history in 1"),
        Turn([user("Summary of all that."), A2, U3, A3, U4], A4, "hit depth=4/5 in 1"),
    ],
    "system prompt with a clock": [
        Turn([U1], A1, "new in 0", system="It is 10:00."),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0, told anew", system="It is 10:01."),
        Turn([U1, A1, U2, A2, U3], A3, "hit depth=4/5 in 0", system="It is 10:01."),
    ],
    "broken answer dropped by the client": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], None, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2, U3], A3, "hit depth=2/4 in 0"),
    ],
    "broken answer kept in part": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], None, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2, assistant("answ" + CUT_NOTE), U3], A3, "hit depth=2/5 edited@2 in 0"),
    ],
    "several new messages at once": [
        Turn([U1], CALL, "new in 0"),
        Turn([U1, CALL, RESULT, U2, U3], A1, "hit depth=2/5 in 0"),
    ],
    "parts in one turn, a string in the next": [
        Turn([user("a", "b")], A1, "new in 0"),
        Turn([user("a\nb"), A1, U2], A2, "hit depth=2/3 in 0"),
    ],
    "answers that differ in case and punctuation only": [
        Turn([U1], assistant("x.Y = 1;"), "new in 0"),
        Turn([U1, assistant("x.y = 1"), U2], A2, "miss reason=unknown_history in 1"),
    ],
    "sub-agents under one system prompt": [
        Turn([U1], CALL, "new in 0"),
        Turn([U2], A2, "new in 1"),
        Turn([U3], A3, "new in 2"),
        Turn([U2, A2, U4], A4, "hit depth=2/3 in 1"),
        Turn([U1, CALL, RESULT], A1, "hit depth=2/3 in 0"),
    ],
    "retry of the same request": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], None, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2, A2, U3], A3, "hit depth=4/5 in 0"),
    ],
    "resume that rewrites the last question": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([U1, A1, user("question 2", "[TASK RESUMPTION]")], A3, "hit depth=2/3 in 0"),
    ],
    "sliding window with a marker": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn(
            [U1, user("[Sliding window truncation: 2 messages hidden to reduce context]"), A2, U3],
            A3,
            "miss reason=unknown_history in 1",
        ),
    ],
    "condensed to one message": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([user("## Conversation Summary")], A3, "new in 1"),
        Turn([user("## Conversation Summary"), A3, U3], A4, "hit depth=2/3 in 1"),
    ],
    "condensing asks inside the history, under another system prompt": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, user("Summarize.")], A2, "hit depth=2/3 in 0, told anew", system="You summarize."),
        Turn([U1, A1, U2], A3, "hit depth=2/3 in 0", system="Help."),
    ],
    "old file reads replaced by notes": [
        Turn([U1], CALL, "new in 0"),
        Turn([U1, CALL, RESULT], A1, "hit depth=2/3 in 0"),
        Turn(
            [U1, CALL, tool(minted_id(1), "[[NOTE] This file read has been removed]"), A1, U2],
            A2,
            "hit depth=2/5 edited@2 in 0",
        ),
    ],
    "model switched in mid-conversation": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "miss reason=unknown_history in 1", scope=replace(HOME, model="qwen3-coder")),
        Turn([U1, A1, U2, A2, U3], A3, "hit depth=2/5 edited@2 in 0"),
    ],
    "two accounts": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "miss reason=unknown_history in 1", scope=replace(HOME, account="other")),
    ],
    "two clients": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "miss reason=unknown_history in 1", scope=replace(HOME, client="other")),
    ],
    "a chat that may not be used": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, A1, U2], A2, "hit depth=2/3 in 0"),
        Turn([U1, A1, U2], A3, "miss reason=avoided in 1", avoid={"0"}),
        Turn([U1, A1, U2, A4, U3], A4, "miss reason=edited@2 in 2", avoid={"0"}),
    ],
    "an answer echoed with other space around it": [
        Turn([U1], A1, "new in 0"),
        Turn([U1, assistant("\nanswer 1 \n"), U2], A2, "hit depth=2/3 in 0"),
    ],
}


@pytest.mark.parametrize("turns", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_scenario(turns: list[Turn]) -> None:
    """Each question is answered in the context of the client's own history, and in the chat one would expect."""
    ledger = Ledger()
    served = [
        ledger.turn(turn.history, turn.answer, system=turn.system, scope=turn.scope, avoid=turn.avoid) for turn in turns
    ]
    assert served == [turn.served for turn in turns]


ANSWERS = st.sampled_from([None, assistant("yes"), assistant("Yes"), assistant("no"), CALL])
DEEDS = st.sampled_from(["say", "say", "say", "edit", "cut", "fork", "retry", "forget", "gone"])


@given(st.lists(st.tuples(DEEDS, st.integers(0, 2), st.sampled_from("abc"), ANSWERS), max_size=40), st.integers(1, 12))
def test_no_sequence_of_deeds_leads_to_a_wrong_context(
    deeds: list[tuple[str, int, str, Message | None]], capacity: int
) -> None:
    """Clients that grow, edit, cut, fork, retry, fail and forget in any order are answered in their own context."""
    ledger = Ledger(AnchorBook(capacity))
    clients: list[list[Message]] = [[], [], []]
    for deed, number, text, answer in deeds:
        history = clients[number]
        match deed:
            case "edit" if history:
                history[len(history) // 2] = replace(history[len(history) // 2], parts=user(text).parts)
            case "cut":
                del history[len(history) // 2 :]
            case "fork":
                clients[(number + 1) % 3] = list(history)
            case "forget":
                ledger.book = AnchorBook(capacity)
            case "gone":
                ledger.book.drop_chat(str(ledger.chats - 1))
            case "retry" if history and history[-1].role == "user":
                ledger.turn(history, answer)
            case _:
                history.append(user(text))
                ledger.turn(history, answer)
                history.extend([answer] if answer else [])


def test_most_of_a_long_conversation_is_not_sent_again() -> None:
    """Twenty turns cost twenty messages, not four hundred."""
    ledger, history = Ledger(), [U1]
    for turn in range(20):
        answer = assistant(f"answer {turn}")
        ledger.turn(history, answer)
        history = grown(history, answer, f"question {turn}")
    assert (ledger.sent, ledger.chats) == (20, 1)
