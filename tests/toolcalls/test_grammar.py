# ruff: noqa: E501 - a row is one text as a model writes it; cut in two it could not be read
"""Every way of writing a call that the taxonomy names (knowledge/toolcalls.md 2), with values of our own."""

from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.grammar import read_call
from tests.toolcalls.bench import Answer, Calls, bare, calls, catalogue, hermes, invoke, qwen_xml, tagged

RUN = ("shell", {"command": "ls -la"})
PUT = ("put", {"path": "a.py", "content": "x = 1\ny = 2"})
PING: tuple[str, dict[str, object]] = ("ping", {})
BODY = "<parameter=command>\nls -la\n</parameter>\n</function>"
JSON = bare(*RUN)
ARGS = '{"command": "ls -la"}'

ONE_CALL = {
    # heads
    "head: blank for =": f"<function shell>\n{BODY}",
    "head: function_name tag": "<tool_call>\n<function_name>shell</function_name>\n<parameter=command>ls -la</parameter>\n</tool_call>",
    "head: invoke_name": '<invoke_name>shell</invoke_name>\n<parameter name="command">ls -la</parameter>\n</invoke>',
    "head: name on the next line": f"<tool_call>\n<function=\nshell>\n{BODY}\n</tool_call>",
    "head: name below function": f"<tool_call>\n<function>\nshell\n{BODY}\n</tool_call>",
    "head: name alone in the wrapper": "<tool_call>\nshell\n<parameter=command>\nls -la\n</parameter>\n</tool_call>",
    "head: bracket on the next line": f"<tool_call>\n<function=shell\n>\n{BODY}\n</tool_call>",
    "head: name tag": "<tool_call>\n<name>\nshell\n</name>\n<parameter=command>\nls -la\n</parameter>\n</tool_call>",
    "head: name tag in function": "<function>\n<name>shell</name>\n<parameter=command>ls -la</parameter>\n</function>",
    "head: bracket lost": f"<function=shell\n{BODY}",
    "head: opening bracket lost": f"function=shell>\n{BODY}",
    "head: quotes": f'<function="shell">\n{BODY}',
    "head: half a quote": f'<function="shell>\n{BODY}',
    "head: name attribute": f'<function name="shell">\n{BODY}',
    "head: other attributes": '<function id="7" name="shell">\n<parameter name="command">ls -la</parameter>\n</function>',
    "head: tool_call=": f"<tool_call=shell>\n{BODY}\n</tool_call>",
    "head: function closed at once": "<tool_call>\n<function>shell</function>\n<parameter=command>ls -la</parameter>\n</tool_call>",
    "head: call=": "<tool_call><call=shell><parameter=command>ls -la</parameter></call></tool_call>",
    "head: tool name=": '<tool name="shell"><command>ls -la</command></tool>',
    "head: wrapper attribute": f'<tool_call name="shell">{ARGS}</tool_call>',
    "head: signature in the tag": '<function=shell(command="ls -la")>\n</function>',
    "head: signature in the wrapper": '<tool_call>\nshell(command="ls -la")\n</tool_call>',
    "head: bold": f"**<function=shell>**\n{BODY}",
    "head: bold tool tag": "**<shell>**\n<command>ls -la</command>\n**</shell>**",
    "head: doubled": f"<function=shell>\n<function=shell>\n{BODY}",
    "head: parameter for function": f"<parameter=shell>\n{BODY}",
    "head: blanks in every tag": "< tool_call >\n< function = shell >\n< parameter = command >\nls -la\n</ parameter >\n"
    "</ function >\n</ tool_call >",
    "head: case": f"<function=Shell>\n{BODY}",
    "head: prefix": '<tool_call>{"name": "functions.shell", "arguments": {"command": "ls -la"}}</tool_call>',
    # wrappers
    "wrapper: none": qwen_xml(*RUN, wrapped=False),
    "wrapper: opener missing": f"{qwen_xml(*RUN, wrapped=False)}\n</tool_call>",
    "wrapper: tool_code": f"<tool_code>\n{JSON}\n</tool_code>",
    "wrapper: tools": f"<tools>\n{JSON}\n</tools>",
    "wrapper: function": f"<function>\n{JSON}\n</function>",
    "wrapper: doubled": f"<tool_call>\n<tool_call>\n{JSON}\n</tool_call>\n</tool_call>",
    "wrapper: fence inside": f"<tool_call>\n```json\n{JSON}\n```\n</tool_call>",
    "wrapper: CDATA inside": f"<tool_call>\n<![CDATA[\n{JSON}\n]]>\n</tool_call>",
    "wrapper: id": f'<tool_call id="1">\n{JSON}\n</tool_call>',
    # parameters
    "parameter: own tag in function": "<function=shell>\n<command>ls -la</command>\n</function>",
    "parameter: closed by its name": "<function=shell>\n<parameter=command>\nls -la\n</command>\n</function>",
    "parameter: closer mangled": "<function=shell>\n<parameter=command>\nls -la\n</parameter_name>\n</function>",
    "parameter: closer with slash behind": "<function=shell>\n<parameter=command>\nls -la\n</parameter/>\n</function>",
    "parameter: closer without bracket": "<function=shell>\n<parameter=command>\nls -la\n</parameter\n</function>",
    "parameter: closer without slash": "<function=shell>\n<parameter=command>\nls -la\n<parameter>\n</function>",
    "parameter: two closers in one": "<tool_call>\n<function=shell>\n<parameter=command>\nls -la\n</parameterfunction>\n"
    "</tool_call>",
    "parameter: not closed": "<function=shell>\n<parameter=command>ls -la\n</function>",
    "parameter: bracket lost": "<function=shell>\n<parameter=command\nls -la\n</parameter>\n</function>",
    "parameter: nameless": "<function=shell>\n<parameter>command</parameter>\nls -la\n</parameter>\n</function>",
    "parameter: nameless with value tag": "<function=shell>\n<parameter>\n<name>command</name>\n<value>ls -la</value>\n"
    "</parameter>\n</function>",
    "parameter: nameless assigned": "<function=shell>\n<parameter>command=ls -la</parameter>\n</function>",
    "parameter: fused": '<function=shell>\n<parameter=command="ls -la"></parameter>\n</function>',
    "parameter: fused without bracket": "<function=shell>\n<parameter=command ls -la</parameter>\n</function>",
    "parameter: fused without a blank": "<function=shell>\n<parameter=commandls -la</parameter>\n</function>",
    "parameter: arg_key": "<tool_call>shell\n<arg_key>command</arg_key>\n<arg_value>ls -la</arg_value>\n</tool_call>",
    "parameter: value attribute": '<function=shell>\n<parameter=command value="ls -la"/>\n</function>',
    "parameter: attribute of the head": '<shell command="ls -la"/>',
    "parameter: extra attribute": '<shell>\n<command type="string">ls -la</command>\n</shell>',
    "parameter: CDATA": "<shell><command><![CDATA[ls -la]]></command></shell>",
    "parameter: container": "<function=shell>\n<parameters>\n<command>ls -la</command>\n</parameters>\n</function>",
    # mixtures
    "mixed: brace and function": f'{{"function=shell>\n{BODY}',
    "mixed: JSON head, parameters": '<tool_call>\n{"name": "shell",\n<parameter=command>\nls -la\n</parameter>\n</function>\n</tool_call>',
    "mixed: JSON arguments in parameter": f"<function=shell>\n<parameter=arguments>\n{ARGS}\n</parameter>\n</function>",
    "mixed: JSON arguments in arguments": f"<function=shell>\n<arguments>\n{ARGS}\n</arguments>\n</function>",
    "mixed: name tag, JSON": f"<tool_call>\n<name>shell</name>\n{ARGS}\n</tool_call>",
    "mixed: name tag open, JSON": f'<name>shell, "arguments": {ARGS}}}',
    "mixed: JSON closed by tags": f"{JSON[:-1]}\n</parameter>\n</function>\n",
    "mixed: tool tag, JSON": f"<tool_call>\n<shell>{ARGS}</shell>\n</tool_call>",
    # closers
    "closer: think": f"<tool_call>{JSON}</think>",
    "closer: invocation": f"<tool_call>\n{JSON}\n</function_invocation>",
    "closer: torn": f"<function=shell>\n{BODY}tool>",
    "closer: missing": f"<tool_call>{JSON}",
    # JSON
    "json: bare": f"I will run it.\n\n{JSON}",
    "json: fence": f"Now:\n\n```json\n{JSON}\n```",
    "json: extra brace": f"<tool_call>\n{JSON}}}\n</tool_call>",
    "json: missing brace": f"<tool_call>\n{JSON[:-1]}\n</tool_call>",
    "json: opening brace missing": f"<tool_call>\n{JSON[1:]}\n</tool_call>",
    "json: arguments as text": '<tool_call>{"name": "shell", "arguments": "{\\"command\\": \\"ls -la\\"}"}</tool_call>',
    "json: double encoded": '<tool_call>"{\\"name\\": \\"shell\\", \\"arguments\\": {\\"command\\": \\"ls -la\\"}}"</tool_call>',
    "json: all quotes escaped": '<tool_call>{\\"name\\": \\"shell\\", \\"arguments\\": {\\"command\\": \\"ls -la\\"}}</tool_call>',
    "json: single quotes": "<tool_call>{'name': 'shell', 'arguments': {'command': 'ls -la'}}</tool_call>",
    "json: tool and args": '<tool_call>{"tool": "shell", "args": {"command": "ls -la"}}</tool_call>',
    "json: nested function": '<tool_call>{"function": {"name": "shell", "arguments": {"command": "ls -la"}}}</tool_call>',
    "json: envelope": f'{{"tool_calls": [{{"id": "1", "type": "function", "function": {JSON}}}]}}',
    "json: arguments first": '{"arguments": {"command": "ls -la"}, "name": "shell"}',
    "json: flat": '<tool_call>{"name": "shell", "command": "ls -la"}</tool_call>',
    "json: name as key": f'<tool_call>{{"shell": {ARGS}}}</tool_call>',
    # special tokens
    "special: pipe namespace": '<｜NS｜tool_calls>\n<｜NS｜invoke name="shell">\n<｜NS｜parameter name="command">ls -la'
    "</｜NS｜parameter>\n</｜NS｜invoke>\n</｜NS｜tool_calls>",
    "special: full-width": "＜function=shell＞\n＜parameter=command＞ls -la＜/parameter＞\n＜/function＞",
    "special: bars": f"<|tool_call|>{JSON}",
    "special: channels": f"<|channel|>commentary to=functions.shell <|constrain|>json<|message|>{ARGS}<|call|>",
    "special: entities": "&lt;shell&gt;\n&lt;command&gt;ls -la&lt;/command&gt;\n&lt;/shell&gt;",
    "invoke": invoke(*RUN),
    "tool tag": tagged(*RUN),
}


@pytest.mark.parametrize("name", ONE_CALL)
def test_each_way_of_writing_one_call_is_read(name: str) -> None:
    """Whatever the head, the wrapper, the parameters and the closers look like, the call is the same."""
    answer = Answer(ONE_CALL[name])
    assert answer.calls == [RUN], (answer.text, answer.withheld)


SEVERAL = {
    "one wrapper, JSON": (f"<tool_call>\n{JSON}\n{JSON}\n</tool_call>", [RUN, RUN]),
    "one wrapper, functions": (
        f"<tool_call>\n<function=shell>\n{BODY}\n<function=shell>\n{BODY}\n</tool_call>",
        [RUN, RUN],
    ),
    "array": (f"<tool_call>[{JSON}, {JSON}]</tool_call>", [RUN, RUN]),
    "no separator": (hermes(*RUN) + qwen_xml(*PUT), [RUN, PUT]),
    "wrapper of wrappers": (f"<tool_calls>\n{hermes(*RUN)}\n{hermes(*PUT)}\n</tool_calls>", [RUN, PUT]),
    "two dialects": (f"First {hermes(*RUN)} then\n{tagged(*PUT)}", [RUN, PUT]),
    "wrapper opener lost between": (f"{qwen_xml(*RUN, wrapped=False)}\n<tool_call>\n{qwen_xml(*PUT)}", [RUN, PUT]),
    "name tags": (
        "<tool_name>shell</tool_name>\n<parameter=command>ls -la</parameter>\n<tool_name>ping</tool_name>\n{}",
        [RUN, PING],
    ),
    "empty wrapper before": (f"<tool_call></tool_call>\n{hermes(*RUN)}", [RUN]),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_calls_are_read_in_order(name: str) -> None:
    """All calls of an answer come out, in the order in which they were written."""
    text, expected = SEVERAL[name]
    assert calls(text) == expected


NO_ARGUMENTS = [
    "<function=ping>\n</function>",
    "<function=ping/>",
    '<tool_call>{"name": "ping"}</tool_call>',
    '<tool_call>{"name": "ping", "arguments": null}</tool_call>',
    '<tool_call>{"name": "ping", "arguments": ""}</tool_call>',
    "<ping/>",
    "<ping>\n</ping>",
    '<invoke name="ping"/>',
]


@pytest.mark.parametrize("text", NO_ARGUMENTS)
def test_a_call_without_arguments_is_a_call(text: str) -> None:
    """A tool that needs nothing may be called with nothing."""
    assert calls(text) == [PING]


NO_CALL: dict[str, str] = {
    "prose with tags": "You can use <shell> or <tool_call> for that.",
    "code span": f"Write `{hermes(*RUN)}` to run it.",
    "example in a fence": f"An example of the format:\n\n```json\n{JSON}\n```",
    "fence that is not last": f"```json\n{JSON}\n```\nThat is how it would look.",
    "fence in a language": f"```python\n{JSON}\n```",
    "quotation": "\n".join(f"> {line}" for line in hermes(*RUN).splitlines()),
    "comment": f"<!-- {hermes(*RUN)} -->",
    "announced example": f"The syntax looks like this: {hermes(*RUN)}",
    "JSON in a sentence": f"I used {JSON} before.",
    "JSON with words behind it": f"{JSON} is what I would send.",
    "JSON without arguments": '{"name": "shell"}',
    "name that is no string": '{"name": 5, "arguments": {}}',
    "undeclared": '<tool_call>{"name": "rm_all", "arguments": {}}</tool_call>',
    "similar name": '<tool_call>{"name": "shel", "arguments": {"command": "ls"}}</tool_call>',
    "no name, destructive": '<tool_call>{"arguments": {"command": "ls"}}</tool_call>',
    "empty wrapper": "<tool_call></tool_call>\nfine",
    "look-alike": "See <tool_callback> and <tool_calling> in the docs.",
    "plain line": "shell ls -la",
    "result block": f"<tool_response>\n{hermes(*RUN)}\n</tool_response>",
    "call in a sentence of another": "the parameter <parameter=command> is the one to set",
    "no arguments where some are needed": "<shell></shell>",
}


@pytest.mark.parametrize("name", NO_CALL)
def test_what_only_talks_about_tools_is_no_call(name: str) -> None:
    """Mentions, examples, quotations, unknown and unnamed tools call nothing."""
    assert calls(NO_CALL[name]) == []


UNCLEAR: dict[str, str] = {
    "decoy key in an unescaped body": '<tool_call>{"name": "put", "arguments": {"content": "a = {"x": 1, "path": "b"}", '
    '"path": "a"}}</tool_call>',
    "quote at the edge": '<tool_call>{"name": "shell", "arguments": {"command": "echo "hi""}}</tool_call>',
    "body given twice": "<put>\n<path>a</path>\n<content>one</content>\n<content>two</content>\n</put>",
    "text between parameters": "<function=put>\n<parameter=path>a</parameter>\nand now\n<parameter=content>b</parameter>\n</function>",
    "a parameter's opener lost": "<function=shell>\n<parameter=command>\nls\n</parameter>\n/tmp\n</parameter>\n</function>",
    "unknown keys instead of required ones": "<function=shell>\n<parameter=cmd_line>ls</parameter>\n</function>",
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_two_readings_are_none(name: str) -> None:
    """Where a call could mean two things it is withheld, and nothing of it is shown."""
    answer = Answer(UNCLEAR[name])
    assert answer.calls == []
    assert len(answer.withheld) == 1
    assert "<" not in answer.text


BODIES: Calls = [
    ("put", {"path": "t.py", "content": 'X = """\n</parameter>\n<parameter=new>\nv\n</parameter>\n"""'}),
    ("put", {"path": "t.md", "content": f"Example:\n{qwen_xml('put', {'path': 'x', 'content': 'y'})}\nEnd."}),
    (
        "put",
        {
            "path": "t.py",
            "content": 'tags = [\n  "<tool_call>",\n  "<parameter=q>",\n  "</parameter>",\n  "</function>",\n]',
        },
    ),
    ("put", {"path": "a.html", "content": "<html>\n <body>&amp; <b>x</b></body>\n</html>"}),
    ("shell", {"command": "grep -n '<function=' *.py && echo \"a > b\""}),
]


@pytest.mark.parametrize("call", BODIES)
def test_a_body_may_hold_tags_of_calls(call: tuple[str, dict[str, object]]) -> None:
    """Only the close tag that a real boundary follows ends a value."""
    assert calls(qwen_xml(*call)) == [call]


def test_a_reading_says_where_it_ends() -> None:
    """The end of a call is behind its last closer; what follows is left."""
    text = qwen_xml(*RUN) + " and more"
    reading = read_call(text, catalogue())
    assert reading is not None
    assert text[reading.end :] == " and more"
    assert reading.whole
    assert not reading.last


def test_a_reading_names_its_flaws() -> None:
    """What is missing is reported, not mended in silence."""
    reading = read_call("<tool_call>\n<function=shell>\n<parameter=command>\nls", catalogue())
    assert reading is not None
    assert reading.calls[0].flaws == {Flaw.VALUE_OPEN}


@pytest.mark.parametrize(
    "text",
    [
        "<function=put>\n<parameter:path>a</parameter>\n<parameter:content>x</parameter:content>\n</function>",
        '<invoke name="put">\n<parameter key="path">a</parameter>\n<parameter key="content">x</parameter>\n</invoke>',
        '<use_tool name="put">\n<parameter name="path">a</parameter>\n<content>x</content>\n</use_tool>',
        '<call_tool name="put">\n<path>a</path>\n<content>x</content>\n</call_tool>',
    ],
)
def test_drift_of_openers_and_heads_is_read(text: str) -> None:
    """A colon for the equals sign, `key` for `name`, another word before a declared name."""
    assert calls(text) == [("put", {"path": "a", "content": "x"})]
    assert calls(text.replace("put", "pot")) == []


@pytest.mark.parametrize(
    "text",
    [
        '[TOOL_CALLS] [{"name": "put", "arguments": {"path": "a", "content": "b"}}]',
        '[TOOL_CALLS]put{"path": "a", "content": "b"}',
        '<｜tool▁call▁begin｜>put<｜tool▁sep｜>{"path": "a", "content": "b"}<｜tool▁call▁end｜>',
    ],
)
def test_tokens_of_other_families_stay_text(text: str) -> None:
    """Models that were not asked for them do not write them; whoever writes about them may."""
    assert calls(text) == []
