from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.toolcalls.bench import bare, calls, hermes, invoke, qwen_xml, tagged

HEAD = "<function=put>\n<parameter=path>"
QUOTED = "<put><path>b</path><content>x</content></put>"
TAIL = "</parameter>\n<parameter=content>\nx\n</parameter>\n</function>"


@pytest.mark.parametrize(
    "broken",
    [
        f"{HEAD}\na\n</>\n<parameter=content>\nx\n</parameter>\n</function>",
        f"{HEAD}\na\n<//parameter>\n<parameter=content>\nx\n</parameter>\n</function>",
        f"{HEAD}\na\n</\nparameter\n>\n<parameter=content>\nx\n</parameter>\n</function>",
        f"{HEAD}\na\n</>parameter\n<parameter=content>\nx\n</parameter>\n</function>",
        f"{HEAD}\na\n</paraneter>\n<parameter=content>\nx\n</parameter>\n</function>",
        f"{HEAD}\na\n<paraneter=content>\nx\n</parameter>\n</function>",
        f"{HEAD}\na\n<parameter==content>\nx\n</parameter>\n</function>",
        f"{HEAD}\na\n<parameter\n=content>\nx\n</parameter>\n</function>",
        f"{HEAD}>\na\n{TAIL}",
        f"<function=put>\n<parameter=path\n>\na\n{TAIL}",
        f'<function=put>\n<parameter name="path>"a{TAIL}',
        f"{HEAD}<![CDATA[a{TAIL}",
        f"{HEAD}![CDATA[a]]>{TAIL}",
        f'<function=put>\n<parameter name="path" string="true"a{TAIL}',
        f'<function=put>\n<parameter name="path\n"\n string="true">a{TAIL}',
        f'<function=put>\n<parameter name="path" \nstring\n="true">a{TAIL}',
        f'<function=put>\n<parameter=path type="\nstring\n">\na{TAIL}',
        f"{HEAD}\na\n</｜N｜>parameter\n<parameter=content>\nx\n</parameter>\n</function>",
        f"{HEAD}\na\n</｜N｜\nparameter\n>\n<parameter=content>\nx\n</parameter>\n</function>",
        "<function=put>\n<parameter>path\n</paraneter>\na\n</parameter>\n<parameter=content>x</parameter>\n</function>",
        f"{HEAD}\na\n</\nparam\n>\n<parameter=content>\nx\n</parameter>\n</function>",
        f'<invoke name="put">\n<parameter name="path">a\n<parameter name="content">{QUOTED}</parameter>\n</invoke>',
        "<put>\n<path>a<path/>\n<content>x</content>\n</put>",
        "<put>\n<path>a</>\n<content>x</content>\n</put>",
    ],
)
def test_a_value_that_swallowed_a_broken_tag_is_not_run(broken: str) -> None:
    """What should have ended a value, or begun the next, stands in it: nobody can tell."""
    assert calls(broken) in ([], [("put", {"path": "a", "content": QUOTED if QUOTED in broken else "x"})])


@pytest.mark.parametrize(
    "body",
    [
        "return (\n  <>\n    <p>x</p>\n  </>\n)",
        "<>a</>",
        "> quoted\n> more",
        "</div>\n<p>",
        "text </contents> and <parameters>",
        '<meta name="path">',
        "a <![CDATA[b]]> c",
        "x[0]]",
        "it is the parameter path that counts < here",
    ],
)
def test_a_body_that_only_looks_alike_is_one(body: str) -> None:
    """Markup of other sorts, quotations and words about parameters are data."""
    text = f"<function=put>\n<parameter=path>\na\n</parameter>\n<parameter=content>\n{body}\n</parameter>\n</function>"
    assert calls(text) == [("put", {"path": "a", "content": body})]


@pytest.mark.parametrize("quoted", [qwen_xml, invoke, hermes, bare], ids=lambda form: form.__name__)
def test_a_call_of_another_form_in_a_body_is_a_part_of_it(quoted: Callable[..., str]) -> None:
    """Its parameters have the names of ours that are still to come: their openers are whole, and none of ours."""
    given = {"content": f"see\n{quoted('put', {'path': 'b', 'content': 'y'})}\nthere", "path": "a"}
    assert calls(tagged("put", given)) == [("put", given)]


@pytest.mark.parametrize(
    "body",
    [
        ",",
        ":",
        ">",
        "<",
        "</",
        "</>",
        ">a",
        "> a",
        '"',
        "/",
        "\n>",
        ">\nx",
        '"\n>',
        "parameter>",
        "/content>",
        "a ]]>",
        "]]>",
    ],
)
def test_marks_alone_in_a_well_formed_call_are_a_value(body: str) -> None:
    """Where the tags around a value are whole, its first and last marks are its own."""
    assert calls(qwen_xml("put", {"path": "a", "content": body})) == [("put", {"path": "a", "content": body})]
