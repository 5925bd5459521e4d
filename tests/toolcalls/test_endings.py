from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.endings import escaped_end, watch_for
from tests.toolcalls.bench import bare

BODY = 'x = {"a": [1]}\n</p> </parameter> < /b>\n'


def ends(opener: str, text: str, size: int) -> list[int]:
    """The places where the call may be over, as offsets into the whole text."""
    watch = watch_for(opener)
    return [at + end for at in range(0, len(text), size) for end in watch.ends(text[at : at + size])]


@pytest.mark.parametrize(
    ("opener", "text", "closer"),
    [
        ("<tool_call>", f"<tool_call>{BODY}</function>\n</tool_call>", "</tool_call>"),
        ("<function=x>", f"<function=x>{BODY}</function>", "</function>"),
        ("<put>", f"<put>{BODY}< / put >", "< / put >"),
        ("<｜DSML｜invoke", f'<｜DSML｜invoke name="x">{BODY}</｜DSML｜invoke>', "</｜DSML｜invoke>"),
        ("{", f"{bare('put', {'path': BODY})}\n", "\n"),
        ("&lt;put&gt;", "&lt;put&gt;a < b&lt;/put&gt;", "&lt;/put&gt;"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_call_may_be_over_at_its_closer_alone(opener: str, text: str, closer: str, size: int) -> None:
    """Under any cut, and not at the closers of other things."""
    assert ends(opener, text, size) == [len(text)]
    assert text.endswith(closer)


def test_brackets_in_strings_close_nothing() -> None:
    """An escaped quote ends no string."""
    text = '{"a": "} \\" }", "b": [{}]}'
    assert ends("{", text + " x", 1) == [len(text) + 2]


def test_the_last_escaped_closer_ends_the_call() -> None:
    """What stands behind it is text again."""
    assert escaped_end("&lt;a&gt;x&lt;/a&gt; and") == len("&lt;a&gt;x&lt;/a&gt;")
    assert escaped_end("none") == 4
