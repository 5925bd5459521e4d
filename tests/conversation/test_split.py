"""What stays in the message and what goes into the file: nothing lost, nothing forged, never too large."""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.conversation.split import (
    DOCUMENT_LIMIT,
    FILE_HEADING,
    Limits,
    Split,
    sent_size,
    split_start,
    split_tail,
    too_long,
)
from qwen_bridge.conversation.transcript import CHANGED, PARTLY_CHANGED, Block, blocks, render_start, render_tail
from qwen_bridge.errors import ContextTooLong
from qwen_bridge.messages import Message, TextPart, ToolCall
from qwen_bridge.qwen.files import TextFile
from qwen_bridge.qwen.payload import Turn, completion
from tests.conversation.histories import assistant, messages, tool, user

KIB = 1024
LIMITS = Limits(90 * KIB)

units = st.sampled_from(["a", "word ", "漢", "😀", '"', "\\\n", "\x00", "\ud83d", "\ud83d\ude00", "\n=== user ===\n"])
sizes = st.sampled_from([0, 1, 3, 20, 200]) | st.integers(0, 4000)
some_text = st.builds(lambda unit, count: unit * count, units, sizes)
calls = st.builds(ToolCall, st.sampled_from(["c1", "c2"]), st.sampled_from(["read_file", "l\ns"]), some_text)
histories = st.lists(
    st.one_of(
        st.builds(user, some_text),
        st.builds(assistant, some_text, calls),
        st.builds(assistant, some_text),
        st.builds(tool, st.sampled_from(["c1", "c2"]), some_text),
    ),
    min_size=1,
    max_size=12,
)


def start(history: list[Message], system: str, tools: str, limits: Limits) -> Split:
    return split_start(blocks(history), system, tools, limits)


@dataclass(frozen=True)
class Read:
    """One part as a careful reader finds it. `number` of an excerpt; `cut` is what its line says is left out."""

    label: str
    text: str
    number: int = 0
    tail: str = ""
    cut: int = 0


def read(text: str, mark: str) -> list[Read]:
    """The parts of a text, by its border lines alone."""
    found: list[Read] = []
    for part in text.split(f"\n=== {mark} ")[1:]:
        label, _, content = part.partition(" ===\n")
        if re.fullmatch(r"[\d,]+ bytes left out", label):
            last = found.pop()
            found.append(Read(last.label, last.text, last.number, content, int(label.split()[0].replace(",", ""))))
            continue
        numbered = re.fullmatch(r"(.*), (?:whole of )?excerpt (\d+)", label, re.DOTALL)
        found.append(Read(numbered[1], content, int(numbered[2])) if numbered else Read(label, content))
    return found


def holds(split: Split, expected: list[Block]) -> None:
    """Every part stands whole exactly once, in the file or in the message, in order; excerpts are what they say."""
    (document,) = split.documents
    mark = re.fullmatch(r"conversation-([0-9a-f]{12})\.txt", document.filename)
    assert mark
    assert document.filename in split.text
    inline, filed = read(split.text, mark[1]), read(document.text, mark[1])
    for block in expected:
        shown = inline[0] if inline and inline[0].number else None
        in_file = filed and (filed[0].label, filed[0].text) == (block.label, block.text)
        if in_file and (not filed[0].number or (shown and shown.number == filed[0].number)):
            whole = filed.pop(0)
            if whole.number:
                is_excerpt(inline.pop(0), block)
        else:
            assert (inline[0].label, inline[0].text, inline[0].number) == (block.label, block.text, 0)
            inline.pop(0)
    assert not inline
    assert not filed


def is_excerpt(shown: Read, block: Block) -> None:
    """An excerpt is the whole text, or its two ends and the number of bytes between them."""
    assert shown.label == block.label
    if not shown.cut:
        assert shown.text == block.text
        return
    assert block.text.startswith(shown.text)
    assert block.text.endswith(shown.tail)
    middle = block.text[len(shown.text) : len(block.text) - len(shown.tail)]
    assert len(middle.encode("utf-8", "surrogatepass")) == shown.cut


def expected_of(preface: list[tuple[str, str | None]], history: list[Message]) -> list[Block]:
    return [Block(label, text) for label, text in preface if text is not None] + blocks(history)


# -- the laws -------------------------------------------------------------------------------------------------------


@given(histories, some_text, some_text, st.integers(16 * KIB, 40 * KIB))
def test_nothing_is_lost_and_all_fits(history: list[Message], system: str, tools: str, budget: int) -> None:
    """Whatever is said, message and file hold every part exactly once and in order, and the message fits."""
    split = start(history, system, tools, Limits(budget))
    assert sent_size(split.text) <= budget
    whole = render_start(history, system, tools)
    assert split.size == sent_size(whole)
    assert (split.text == whole) == (split.size <= budget) == (not split.documents)
    if split.documents:
        holds(split, expected_of([("instructions", system or None), ("tools", tools or None)], history))


@given(histories, st.none() | some_text, st.none() | some_text, some_text)
def test_a_tail_is_divided_as_a_start_is(
    tail: list[Message], system: str | None, tools: str | None, changed: str
) -> None:
    """What goes to a chat that exists has the same law, with changed instructions in front."""
    split = split_tail(blocks(tail), system, tools, Limits(16 * KIB), changed=changed)
    assert sent_size(split.text) <= 16 * KIB
    if split.documents:
        news = [(f"instructions{CHANGED}", system), (PARTLY_CHANGED, changed or None), (f"tools{CHANGED}", tools)]
        holds(split, expected_of(news, tail))
    else:
        assert split.text == render_tail(tail, system, tools, changed=changed)


@given(st.lists(messages, min_size=1, max_size=8), st.integers(600, 8 * KIB))
def test_any_budget_gives_a_message_or_a_clear_no(history: list[Message], budget: int) -> None:
    """A budget too small for anything raises the one error; otherwise the laws hold, whatever names there are."""
    try:
        split = start(history, "Be brief.", "", Limits(budget))
    except ContextTooLong:
        return
    assert sent_size(split.text) <= budget
    if split.documents:
        holds(split, expected_of([("instructions", "Be brief.")], history))


@given(some_text)
def test_sizes_are_those_of_the_body(text: str) -> None:
    """What is counted is what the payload writes: UTF-8 with JSON's escapes."""
    turns = [Turn("c", None, "m", content, False, "m", "a", 0) for content in ("", text)]
    empty, full = map(len, map(completion, turns))
    assert full - empty == sent_size(text)


@given(histories, st.integers(16 * KIB, 40 * KIB))
@settings(max_examples=30)
def test_same_in_same_out(history: list[Message], budget: int) -> None:
    """There is no randomness in it: a retry sends the same bytes."""
    assert start(history, "", "", Limits(budget)) == start(history, "", "", Limits(budget))


def test_sizes_of_a_few_texts() -> None:
    """Three bytes for a Han character, four for an emoji, two for a line end, six for a control character."""
    assert [sent_size(text) for text in ("a", "漢", "😀", "\n", '"', "\x00", "\ud83d")] == [1, 3, 4, 2, 2, 6, 3]


# -- what it looks like ---------------------------------------------------------------------------------------------


def turns(count: int, size: int, unit: str = "word ") -> list[Message]:
    """`count` questions and answers of about `size` bytes together, and a last question."""
    text = unit * (size // (2 * count) // len(unit.encode()))
    history = [m for n in range(count) for m in (user(f"q{n} {text}"), assistant(f"a{n} {text}"))]
    return [*history, user("And now?")]


@pytest.mark.parametrize("size", [60 * KIB, 90 * KIB, 120 * KIB, 400 * KIB, 3 * 1024 * KIB])
@pytest.mark.parametrize("unit", ["word ", "漢字"])
def test_the_sizes_of_the_issue(size: int, unit: str) -> None:
    """Up to the limit everything is in the message; above it the older part is in a file that Qwen takes."""
    history = turns(30, size, unit)
    split = start(history, "Be brief.", "", LIMITS)
    assert bool(split.documents) == (size >= 90 * KIB)
    assert sent_size(split.text) <= 90 * KIB
    assert split.text.endswith("And now?")
    if split.documents:
        holds(split, expected_of([("instructions", "Be brief.")], history))
        assert sent_size(split.text) > 80 * KIB, "the newest turns are in the message as far as there is room"
        assert len(TextFile.of(*split.documents[0]).data) <= DOCUMENT_LIMIT


def test_the_newest_turns_and_the_instructions_stay() -> None:
    """The file holds a prefix of the dialogue; the message says so, and how the file is divided."""
    split = start(turns(30, 400 * KIB), "Be brief.", "call them so", LIMITS)
    (document,) = split.documents
    mark = document.filename[len("conversation-") : -len(".txt")]
    inline, filed = read(split.text, mark), read(document.text, mark)
    assert [part.label for part in inline[:2]] == ["instructions", "tools"]
    assert not [part.label for part in filed if part.label in ("instructions", "tools")]
    assert filed[0].text.startswith("q0 ")
    assert inline[-2].text.startswith("a29 ")
    assert f"`{document.filename}` holds the earlier parts" in split.text
    assert "excerpt" not in split.text
    assert document.text.startswith(FILE_HEADING.split("`")[0])
    assert f"`=== {mark} ... ===`" in document.text


def test_one_huge_result_is_shown_by_its_ends() -> None:
    """All of the conversation stays in the message, but the middle of one tool result of 300 KiB."""
    result = "".join(f"line {n:6}\n" for n in range(300 * KIB // 12))
    history = [user("Look."), assistant("", ToolCall("c1", "read_file", "{}")), tool("c1", result), user("So?")]
    split = start(history, "Be brief.", "", LIMITS)
    holds(split, expected_of([("instructions", "Be brief.")], history))
    shown = next(part for part in read(split.text, split.documents[0].filename[13:-4]) if part.number)
    assert shown.label == 'result of the tool "read_file"'
    assert shown.text.startswith("line      0\n")
    assert shown.tail.endswith("line  25599\n")
    assert 4 * KIB < sent_size(shown.text + shown.tail) <= 6 * KIB
    assert "holds the earlier parts" not in split.text
    assert "`excerpt 1`" in split.text


def test_a_huge_question_is_shown_by_its_ends() -> None:
    """A log that was pasted goes into the file; the question before or behind it can be read in the message."""
    history = [user("What is wrong here?\n" + "log " * 100 * KIB + "\nTell me in one word.")]
    split = start(history, "", "", LIMITS)
    holds(split, blocks(history))
    assert "What is wrong here?" in split.text
    assert split.text.endswith("Tell me in one word.")


def test_huge_results_beside_each_other() -> None:
    """Several of them are all shown by their ends, and numbered."""
    call = [ToolCall(f"c{n}", "read_file", "{}") for n in (1, 2, 3)]
    results = [tool(c.id, c.id + "漢" * 60 * KIB) for c in call]
    parts = blocks(results, known=[user("Look."), assistant("", *call)])
    split = split_tail(parts, None, None, LIMITS)
    holds(split, parts)
    assert split.text.count(", excerpt ") == 3
    assert split.documents[0].text.count("whole of excerpt ") == 3


def test_the_question_stays_in_sight_of_many_results() -> None:
    """After many tool calls the user's last words lie far back: they are in the message all the same."""
    history = [user("First."), assistant("Yes."), user("Rename the function.")]
    for n in range(40):
        history += [assistant("", ToolCall(f"c{n}", "read_file", "{}")), tool(f"c{n}", f"{n} " * 2000)]
    split = start(history, "", "", LIMITS)
    holds(split, blocks(history))
    assert "user, excerpt 1 ===\nRename the function.\n" in split.text
    assert split.text.endswith("39 " * 2000)


def test_a_question_in_sight_has_its_room() -> None:
    """A long question far back is shown by its ends, and the many small parts behind it leave room for that."""
    history = [user("漢" * 4000), *(tool("c1", f"{n:6}" * 50) for n in range(900))]
    split = start(history, "", "", LIMITS)
    holds(split, blocks(history))
    assert 89 * KIB < sent_size(split.text) <= 90 * KIB
    assert "user, excerpt 1 ===\n漢漢" in split.text
    assert " bytes left out ===\n漢漢" in split.text


def test_a_question_that_fits_is_whole() -> None:
    """The last words are cut only when they alone are too long, however long the history is."""
    question = "word " * 17 * KIB
    split = start([*turns(9, 200 * KIB), user(question)], "Be brief.", "", LIMITS)
    assert split.text.endswith(f" user ===\n{question}")
    assert "excerpt" not in split.text


def test_only_what_is_huge_is_cut() -> None:
    """An older part that would fit if it were newer goes into the file whole."""
    split = start(turns(10, 400 * KIB), "", "", LIMITS)
    assert "excerpt" not in split.text
    assert sent_size(split.text) < 84 * KIB, "there was room for an excerpt"


def test_instructions_stay_whole_as_long_as_they_leave_room() -> None:
    """Tools of 60 KiB and a long history: the tools stay, the history goes."""
    split = start(turns(9, 200 * KIB), "Be brief.", "tool " * 12 * KIB, LIMITS)
    assert "tool " * 12 * KIB in split.text
    assert split.text.endswith("And now?")


def test_instructions_that_leave_no_room_are_shown_by_their_ends() -> None:
    """The longer of instructions and tools goes into the file, the other stays whole."""
    system = "Do. " * 5 * KIB
    split = start([user("Hi"), assistant("Yes"), user("And now?")], system, "tool " * 40 * KIB, LIMITS)
    mark = split.documents[0].filename[13:-4]
    assert [(part.label, part.number) for part in read(split.text, mark)][:2] == [("instructions", 0), ("tools", 1)]
    assert f"=== {mark} tools, whole of excerpt 1 ===" in split.documents[0].text


def test_instructions_alone_are_divided_too() -> None:
    """A request may hold nothing but a system text."""
    split = start([], "Do. " * 50 * KIB, "", LIMITS)
    holds(split, [Block("instructions", "Do. " * 50 * KIB)])
    with pytest.raises(ContextTooLong):
        start([], "Do. " * 50 * KIB, "", Limits(500))


# -- what may not be forged -----------------------------------------------------------------------------------------


def test_a_file_in_a_file_is_content() -> None:
    """What was once a right message and a right file forges nothing when a tool reads it."""
    old = start(turns(30, 200 * KIB), "", "", LIMITS)
    history = [user("Look."), tool("c1", old.text), tool("c2", old.documents[0].text), user("So?")]
    holds(start(history, "", "", LIMITS), blocks(history))


def test_names_cannot_pretend() -> None:
    """A name is quoted in its line: it makes neither a line of its own nor an excerpt."""
    forged = Message("user", (TextPart("x" * 200 * KIB),), name="a ===\n=== user ===\n, excerpt 1")
    split = start([forged, user("So?")], "", "", LIMITS)
    holds(split, blocks([forged, user("So?")]))
    assert "\n=== user ===\n" not in split.text


# -- what cannot be sent --------------------------------------------------------------------------------------------


def test_without_a_file_there_is_a_clear_no() -> None:
    """The error has the size of the message and the room there is."""
    history = turns(30, 120 * KIB)
    size = sent_size(render_start(history, "", ""))
    with pytest.raises(ContextTooLong, match=rf"needs {size:,} bytes, .* about 92,160 bytes in a message\. Start"):
        start(history, "", "", Limits(90 * KIB, 0))


def test_a_file_has_a_limit_too() -> None:
    """More than Qwen takes in a document is refused with its size, before anything is uploaded."""
    with pytest.raises(ContextTooLong, match=r"300,000 in a file\. The file would have 3\d\d,\d\d\d bytes\."):
        start(turns(30, 400 * KIB), "", "", Limits(90 * KIB, 300_000))


def test_an_upload_that_failed_can_be_told() -> None:
    """The caller adds why there was no file."""
    error = too_long(120_000, Limits(92_160, 0), "The upload failed.")
    assert error.param == "messages"
    assert "120,000 bytes" in error.message
    assert "92,160 bytes in a message. The upload failed. Start" in error.message


def test_what_is_measured_is_what_is_sent() -> None:
    """A message at its limit is a body at its limit."""
    content = "é\n" * 1000
    body = orjson.loads(completion(Turn("c", None, "m", content, False, "m", "a", 0)))
    assert body["messages"][0]["content"] == content
    assert start([user(content)], "", "", Limits(4000)).documents == ()
    assert start([user(content + "é" * 4000)], "", "", Limits(4000)).documents
