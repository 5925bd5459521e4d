from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.toolcalls.cases import parse
from qwen_bridge.toolcalls.place import Code, Place
from tests.toolcalls.bench import TOOLS, bare, hermes, invoke, qwen_xml, tagged


def place(text: str) -> Place:
    found = Place()
    found.feed(text)
    return found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plain ", Code.PROSE),
        ("a `b", Code.SPAN),
        ("a `b` c", Code.PROSE),
        ("a ``b ` c", Code.SPAN),
        ("a `b\nc", Code.SPAN),
        ("a `b\n\nc", Code.PROSE),
        ("```py\nx", Code.FENCE),
        ("```py\nx\n```\ny", Code.PROSE),
        ("~~~\nx", Code.FENCE),
        ("````\n```\nx", Code.FENCE),
        ("> ```\n> x", Code.FENCE),
        ("- ```\nx", Code.FENCE),
        ("<!-- x", Code.COMMENT),
        ("<!-- x --> y", Code.PROSE),
        ("`<!-- x", Code.SPAN),
    ],
)
def test_the_sort_of_text_is_known(text: str, code: Code) -> None:
    """Spans, fences and comments are followed over lines."""
    assert place(text).code is code


INERT = [
    "> quoted ",
    "// comment ",
    "`x",
    "```\n",
    "| ",
    "| tool | ",
    "+",
    "-",
    "+  ",
    "-text ",
    "- ",
    "* ",
    "12. ",
    "3) ",
    "## ",
    "$ ",
    "2026-01-02 10:11:12 INFO got ",
    "[10:11:12] ",
    "10:11:12 ",
    "[ERROR] ",
    "DEBUG: ",
    "echo '",
    'he wrote "',
    "“",
    "「",
    '{"text": "see ',
    "cat > a <<'EOF'\n",
    "cat <<-END | sh\nx\n",
    "@@ -1,2 +1,3 @@\n  ",
    "@@ -1 +1 @@\n a\n+",
]


@pytest.mark.parametrize("text", INERT)
def test_a_marker_in_code_or_in_a_quotation_is_inert(text: str) -> None:
    """There nothing is a call."""
    assert place(text).inert


ALIVE = [
    "",
    "text ",
    "a > b ",
    "http://x ",
    "- item: ",
    "-> ",
    "-5 ",
    "--- ",
    "**Now** ",
    "ERROR: not found. I retry: ",
    "## Step 1: ",
    "At 12:00 I do ",
    'He said "yes". ',
    "the users' ",
    'a 5" disk: ',
    '{"a": "b"} ',
    "I use cat <<'EOF' to write it:\n\n",
    "std::cout << END;\n",
    "cat <<'EOF'\nx\nEOF\n",
    "@@ -1 +1 @@\n a\n+b\n",
    "> quoted\n",
    "- item\n",
    "| a |\n",
    "[10:11:12] x\n",
]


@pytest.mark.parametrize("text", ALIVE)
def test_a_marker_in_prose_is_not(text: str) -> None:
    """Only the start of the line, a mark directly before, or a document that is still open make a quotation."""
    assert not place(text).inert


def test_a_quoted_marker_takes_its_line_with_it() -> None:
    """And what a tag at the line's end opened, up to a blank line."""
    found = place("- ")
    found.quote()
    found.feed("<tool_call>")
    assert found.inert
    found.feed("\n")
    assert found.inert
    found.feed("<function=put>\n\n")
    assert not found.inert


def test_a_quoted_marker_in_a_code_span_takes_nothing_with_it() -> None:
    """The span ends by itself."""
    found = place("- `")
    found.quote()
    found.feed("<put>` is what I call: ")
    assert not found.inert


def lines(mark: str) -> str:
    """A context that writes `mark` before every line of what it quotes."""
    return f"So it was:\n\n{mark}{{}}\n\nThat was it."


QUOTING = [
    *(lines(mark) for mark in ("> ", ">", "> > ", "+", "-", "// ")),
    "@@ -1,9 +1,9 @@\n {}\n+new\n",
    "| form | tool |\n|---|---|\n| {} | put |\n",
    "| put | {} |",
    "- {}\n- other",
    "1. {}\n2. other",
    "2026-01-02 10:11:12 INFO model said {}\n",
    "[10:11:12] {}\n",
    "DEBUG: {}\n",
    "cat > a <<'EOF'\n{}\nEOF\n",
    "Run:\n\n$ bash <<END\n{}\nEND\nand see.",
    "The model wrote '{}' and stopped.",
    'It answers "{}".',
    "$ echo '{}'\n",
    "# {}\n",
]
REAL = [
    "{}",
    "I do it: {}",
    "- one\n- two\n\n{}",
    "- one\n- two\n{}",
    "1. Read it:\n{}",
    "> quoted\n\n{}",
    "> quoted\n{}",
    "| a | b |\n{}",
    "2026-01-02 10:11:12 INFO x\n{}",
    "cat > a <<'EOF'\nx\nEOF\n{}",
    "@@ -1,2 +1,2 @@\n a\n+b\n{}",
    '"quoted" {}',
    "It's done: {}",
    "I'll use cat <<'EOF' to write it:\n\n{}",
    "# Heading\n{}",
    "ERROR: gone. Again: {}",
    "-> {}",
]
FORMS = [qwen_xml, tagged, invoke, hermes, bare]
CUTS = ["whole", "chars", *(f"random:{seed}" for seed in range(6))]


def called(context: str, call: str, cut: str) -> list[str]:
    """The calls of an answer that holds `call` where the context has a gap; a mark stands before every line of it."""
    mark = context.partition("{}")[0].rpartition("\n")[2]
    every = context.startswith("So it was") or mark == " "
    written = context.replace("{}", call.replace("\n", f"\n{mark}") if every else call)
    case = {"id": "x", "raw": written, "tools": TOOLS, "client": "openai_tools", "end": "stop"}
    return [one["name"] for one in parse(case, cut)["calls"]]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("context", QUOTING)
def test_a_call_that_is_quoted_is_not_run(context: str, form: Callable[..., str]) -> None:
    """On one line and on several, however the answer is cut."""
    call = form("put", {"path": "a.py", "content": "x"})
    for text in (call, call.replace("\n", "")):
        assert [called(context, text, cut) for cut in CUTS] == [[]] * len(CUTS)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("context", REAL)
def test_a_call_of_the_model_behind_a_quotation_is_run(context: str, form: Callable[..., str]) -> None:
    """On a line of its own, or behind words; JSON alone counts on a line of its own only."""
    if form is bare and not context.endswith(("\n{}",)) and context != "{}":
        return
    call = form("put", {"path": "a.py", "content": "x"})
    assert [called(context, call, cut) for cut in CUTS] == [["put"]] * len(CUTS)


@pytest.mark.parametrize("text", ["For example: ", "The format is:\n\n", "such as ", "例如："])
def test_words_introduce_an_example(text: str) -> None:
    """They count on the same line, and on the line before if that ends with a colon."""
    assert place(text).introduced


@pytest.mark.parametrize("text", ["", "I read it.\n", "An example follows. Now: ", "The format is known.\n"])
def test_other_words_do_not(text: str) -> None:
    """An earlier sentence introduces nothing."""
    assert not place(text).introduced


def test_an_example_lasts_until_a_blank_line() -> None:
    """Behind it calls count again."""
    found = place("")
    found.example = True
    found.feed("x\ny")
    assert found.inert
    found.feed("\n\n")
    assert not found.inert


PIECES = st.sampled_from(
    [
        "a",
        " ",
        "\n",
        "`",
        "``",
        "```",
        "~~~",
        "<!--",
        "-->",
        "> ",
        "example:",
        "| ",
        "- ",
        '"',
        "'",
        "EOF",
        "cat <<EOF",
        "@@ -1 +1 @@",
        "<put>",
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_cutting_between_marks_changes_nothing(pieces: list[str]) -> None:
    """The state after many pieces is the state after all of them at once, where no run of backticks is cut."""
    if any(first[-1:] == second[:1] == "`" for first, second in pairwise(pieces)):
        return
    cut = Place()
    for piece in pieces:
        cut.feed(piece)
    whole = place("".join(pieces))
    assert (cut.code, cut.inert, cut.introduced, cut.at_line_start) == (
        whole.code,
        whole.inert,
        whole.introduced,
        whole.at_line_start,
    )
