"""What looks like a call and is none: mentions, examples, quotations, invented results, thinking (toolcalls.md 3.4)."""

from __future__ import annotations

from random import Random

from tests.toolcalls.invented.forms import Written

MENTIONS: tuple[tuple[str, str], ...] = (
    ("fp.prose_mention", "You can use {name} for that, but I will not call it here."),
    ("fp.prose_mention", "The <{name}> tag is how some clients call it."),
    ("fp.prose_mention", "Write <function={name}> when you need it."),
    ("fp.prose_mention", "A block starts with <tool_call> and ends with </tool_call>, nothing more."),
    ("fp.prose_mention", "The schema uses <parameter={key}> for the target."),
    ("fp.inline_code", "Use `<{name}>` or `<function={name}>` there."),
    ("fp.inline_code", "It looks like `{one_line}` in the log."),
    ("fp.inline_code", "Double ticks work too: ``{one_line}`` is shown as text."),
    ("fp.fenced_example", "Here is an example:\n\n```\n{call}\n```\n"),
    ("fp.fenced_example", "For example, a call looks like this:\n\n```xml\n{call}\n```\n\nIt reads a file."),
    ("fp.fenced_example", "The format is:\n```json\n{call}\n```\nDo you want me to run it?"),
    ("fp.fenced_code", "```python\ntext = '''\n{call}\n'''\n```\n"),
    ("fp.fenced_code", "I would put this into the docs:\n\n```markdown\n# Calls\n\n{call}\n```\n\nShall I?"),
    ("fp.fenced_middle", "```\n{call}\n```\n\nThat block is from the log, not from me."),
    ("fp.quoted", "You wrote:\n\n> {quoted}\n\nWhat did you mean?"),
    ("fp.comment", "<!-- {call} -->\nNothing to do."),
    ("fp.comment", "Nothing to do. <!--\n{call}\n-->"),
    ("fp.link", "See [the docs](https://example.org/<{name}>) and <https://example.org/{name}>."),
    ("fp.result", "<tool_response>\n{call}\n</tool_response>\n\nThe file is there."),
    ("fp.result", "It printed:\n\n<output>\n{call}\n</output>\n"),
    ("fp.result", "<result>\n{call}\n</result>"),
    ("fp.json_prose", 'The user typed: {{"name": "{name}"}} but that is quoted.'),
    ("fp.json_prose", 'The config holds {{"name": "demo", "arguments": ["-v"]}} and works.'),
    ("fp.json_prose", '{{"name": "demo", "version": 2, "tools": ["{name}"]}}'),
    ("fp.json_prose", '```json\n{{"name": "demo", "scripts": {{"a": "b"}}}}\n```'),
    ("fp.json_prose", '[{{"name": "Ann"}}, {{"name": "Bob"}}]'),
    ("fp.json_prose", '{{"type": "function", "note": "no call"}}'),
    ("fp.lookalike", "The <tool_callback> and <tool_calling> and <{name}_x> marks are others."),
    ("fp.lookalike", "<function of two variables>\nis not a call, nor is <functional=1>."),
    ("fp.lookalike", "Press <Enter>, then <Ctrl+C>; a <T> b, x<y>z, List<{name}x>."),
    ("fp.lookalike", "<tools_of_trade>\n<path>x</path>\n</tools_of_trade>"),
    ("fp.html", '<div>\n<path d="M0 0"/>\n<content>hi</content>\n</div>'),
    ("fp.think", "<think>\nI could write\n{call}\nbut no.\n</think>\n\nNothing to do."),
    ("fp.shell", "$ {name} --help\nusage: {name} [path]"),
    ("fp.plain_line", "{name}\necho hi"),
    ("fp.table", "| Tool | Form |\n|---|---|\n| {name} | `<function={name}>` |\n"),
    ("fp.list", "1. `<{name}>`: opens it\n2. `</{name}>`: closes it\n"),
    ("fp.platform", "Tool {name} does not exists."),
    ("fp.like_this", "A call is written like this: {one_line}"),
    ("fp.plan", "I will call {name} next, with {key} set, and then report."),
)


def mention(call: Written, rng: Random) -> tuple[str, str]:
    """The group and a text that mentions the call without making one."""
    group, template = rng.choice(MENTIONS)
    one_line = " ".join(call.text.split("\n")) if "`" not in call.text else f"<{call.name}>"
    whole = call.text if "```" not in call.text and "-->" not in call.text else f"<function={call.name}>"
    key = next(iter(call.arguments), "path")
    quoted = "\n> ".join(whole.split("\n"))
    return group, template.format(name=call.name, key=key, call=whole, one_line=one_line, quoted=quoted)
