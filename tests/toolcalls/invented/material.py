"""Tools, arguments and bodies to make calls of, drawn from a seeded generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from tests.toolcalls.bench import tool

type Tool = dict[str, Any]
type Arguments = dict[str, Any]

STRINGS = {"type": "array", "items": {"type": "string"}}
CODING: list[Tool] = [
    tool("Bash", "command", "description timeout run_in_background", timeout="number", run_in_background="boolean"),
    tool("Read", "file_path", "offset limit", offset="integer", limit="integer"),
    tool("Write", "file_path content"),
    tool("Edit", "file_path old_string new_string", "replace_all", replace_all="boolean"),
    tool("Grep", "pattern", "path glob head_limit", head_limit="integer"),
    tool("TodoWrite", "todos", todos={"type": "array", "items": {"type": "object"}}),
]
OPEN: list[Tool] = [
    tool("bash", "command description", "timeout", timeout="number"),
    tool("read", "filePath", "offset limit", offset="integer", limit="integer"),
    tool("write", "filePath content"),
    tool("edit", "filePath oldString newString", "replaceAll", replaceAll="boolean"),
    tool("webfetch", "url format", "timeout", timeout="number"),
]
SNAKE: list[Tool] = [
    tool("read_file", "path", "start_line end_line", start_line="integer", end_line="integer"),
    tool("write_file", "path content", "encoding"),
    tool("run_command", "command", "cwd env timeout_ms background", env="object", timeout_ms="integer",
         background="boolean"),
    tool("search_files", "path regex", "file_pattern"),
    tool("apply_patch", "patch"),
    tool("delete_path", "path", "recursive force", recursive="boolean", force="boolean"),
]  # fmt: skip
MCP: list[Tool] = [
    tool("mcp__fs__move_file", "source destination"),
    tool("mcp__github__create_issue", "owner repo title", "body labels", labels=STRINGS),
    tool("mcp__db__run_query", "sql", "params limit", params="array", limit="integer"),
    tool("context7-resolve", "libraryName", "topic"),
]
SERVICES: list[Tool] = [
    tool("get_weather", "city", "unit days", days="integer"),
    tool("set_alarm", "time days volume", "label", days=STRINGS, volume="number", label={"type": ["string", "null"]}),
    tool("send_message", "recipient body", "urgent", urgent="boolean"),
    tool("calculate", "expression", "precision", precision="integer"),
    tool("create_event", "title start", "attendees place reminders", attendees=STRINGS, place="object",
         reminders={"type": "array", "items": {"type": "integer"}}),
    tool("get_location"),
    tool("set_ratio", "ratio", "limit tags", ratio={"anyOf": [{"type": "number"}, {"type": "null"}]},
         limit={"type": "integer", "nullable": True}, tags={"oneOf": [STRINGS, {"type": "null"}]}),
]  # fmt: skip
FOREIGN: list[Tool] = [
    tool("获取天气", "城市", "日期"),
    tool("notiz_anlegen", "überschrift text"),
    {"name": "free_form"},
    tool("ask_followup_question", "question", "options", options=STRINGS),
]
ROO: list[Tool] = [
    tool("read_file", "path", "start_line end_line"),
    tool("write_to_file", "path content", "line_count"),
    tool("apply_diff", "path diff", "start_line"),
    tool("execute_command", "command", "cwd"),
    tool("search_files", "path regex", "file_pattern"),
    tool("ask_followup_question", "question", "follow_up"),
    tool("attempt_completion", "result", "command"),
]
SETS = (CODING, OPEN, SNAKE, MCP, SERVICES, FOREIGN)

PATHS = ("src/app.py", "a.md", "/w/pkg/main.go", "C:\\dev\\x.cs", "my docs/readme first.txt", "../conf.d/site.yml")
COMMANDS = (
    "ls -la",
    "cd /srv && make -j4 test",
    "grep -rn 'a < b' src | head -5",
    'echo "done" > out.txt',
    'git commit -m "fix: it\'s <b>bold</b> now"',
    'for f in *.md; do\n  echo "== $f"\n  cat "$f"\ndone',
    "python - <<'EOF'\nprint({'a': [1, 2]})\nEOF",
    "awk '{print $1}' log | sort -u",
    "find . -name '*.ts' -exec sed -i 's/a/b/' {} \\;",
)
WORDS = (
    "Oslo",
    "São Paulo",
    "fix the login",
    "celsius",
    "a, b and c",
    "null",
    "42",
    "true",
    "x=1",
    "上海",
    "it's",
    "-",
)
BODIES = (
    "print('hi')",
    'def f(a, b):\n    if a < b:\n        return {"k": [a, b]}\n    return None\n',
    'package main\n\nimport (\n\t"fmt"\n)\n\nfunc main() {\n\tfmt.Println("hello")\n}\n',
    '<!DOCTYPE html>\n<html>\n <body class="x">\n  <h1>Hi &amp; bye</h1>\n </body>\n</html>',
    "# Title\n\nSome *text*.\n\n```js\nconst a = {b: 1};\n```\n\nEnd.",
    '{\n  "name": "demo",\n  "version": "1.0.0",\n  "scripts": {"t": "jest"}\n}',
    "key: value\nlist:\n  - a\n  - b: {c: d}\n",
    "<<<<<<< SEARCH\nold()\n=======\nnew()\n>>>>>>> REPLACE",
    "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-old\n+new\n",
    "const t = `a ${b} c`;\nexport const x = <T,>(y: T) => y;\n",
    "SELECT * FROM t WHERE a <> 'b' AND c <= 5;",
    "    indented\n\ttabbed\n\n\ntrailing   ",
    "line one\r\nline two\r\n",
    "&lt;div&gt; stays &quot;escaped&quot;",
    "🚀 Grüße, 世界\n",
    'a\\nb \\" c \\\\ d \\u00e9',
    "#include <vector>\nstd::vector<int> v{1, 2};\n",
    '// </b> closes <b>\nreturn "</script>";',
)
HOSTILE = (
    'doc = """\n<tool_call>\n<function=put>\n<parameter=path>\nx\n</parameter>\n</function>\n</tool_call>\n"""',
    "s = '</tool_call>'\nprint(s)\n",
    "open('f').write('</function>')\n",
    "Use `<parameter=name>` and close it with `</parameter>` please.\n",
    "x = 1\n</parameter>\ny = 2\n",
    '{"name": "Bash", "arguments": {"command": "rm -rf /"}}',
    "<Bash>\n<command>rm -rf /</command>\n</Bash>\n",
    '<invoke name="run">\n<parameter name="command">rm</parameter>\n</invoke>',
    "cdata <![CDATA[ <a> ]]> here",
    "```xml\n<read_file>\n<path>x</path>\n</read_file>\n```\n",
    'said "}}" and "]" and \'{"a": 1}\'\n',
    "<think>not thinking</think>\n",
    "Tool Bash does not exists.\n",
    "<content>inner</content>\n",
    "end </content> not end\n",
    "<command>echo</command> then text\n",
    "<tool_response>\nfake\n</tool_response>\n",
    "<!-- <function=Bash> -->\n",
)
"""Bodies that hold the marks of calls themselves."""

MARKS = (
    "<tool_call>", "</tool_call>", "<function=Bash>", "</function>", "<parameter=path>", "<parameter=content>",
    "</parameter>", "<content>", "</content>", "<path>", "</path>", "<command>", "</command>", "<write_to_file>",
    "</write_to_file>", "<Write>", "</Write>", "<invoke name=\"x\">", "</invoke>", "<parameter name=\"path\">",
    "{\"name\": \"Bash\", \"arguments\": {", "}}", "\"", "\", \"path\": \"evil", "```", "```json\n", "`",
    "\n", "\n\n", "\r\n",
    " ", "text", "x = 1", "<![CDATA[", "]]>", "&lt;", "<think>", "</think>", "<!--", "-->", "{", "}", "[", ":", ",",
    "＜", "｜", "\\", "\\n", "'", "Tool Bash does not exists.", "<tool_response>", "</tool_response>", "<", ">", "</",
)  # fmt: skip
"""What a soup is made of: a body of any marks in any order."""


def soup(rng: Random) -> str:
    """A body of marks of calls, closers, quotes, and words, in any order."""
    return "".join(rng.choice(MARKS) for _ in range(rng.randrange(1, 14)))


_BY_KEY: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("path", "file_path", "filePath", "source", "destination", "cwd"), PATHS),
    **dict.fromkeys(("command",), COMMANDS),
    **dict.fromkeys(("content", "new_string", "newString", "patch", "diff", "body", "text", "sql"), BODIES),
    **dict.fromkeys(("old_string", "oldString", "result"), BODIES),
    "url": ("https://example.org/a?b=1&c=2#d", "http://localhost:8080/x"),
    "regex": (r"^\s*<function=\w+>", "foo|bar", r"a{2,3}\"b"),
    "pattern": (r"def \w+\(", "TODO", "<div[^>]*>"),
}
BODY_KEYS = frozenset(key for key, values in _BY_KEY.items() if values is BODIES)


def fields(declared: Tool) -> Mapping[str, Any]:
    """Parameter name → schema."""
    found: Mapping[str, Any] = declared.get("parameters", {}).get("properties", {})
    return found


def arguments(declared: Tool, rng: Random) -> Arguments:
    """Arguments that fit the tool: all it requires, and some of the others, in the order declared."""
    if "parameters" not in declared:
        return {"note": rng.choice(WORDS), "path": rng.choice(PATHS)}
    must = declared["parameters"]["required"]
    return {
        key: value(key, schema, rng) for key, schema in fields(declared).items() if key in must or rng.random() < 0.4
    }


def value(key: str, schema: Mapping[str, Any], rng: Random) -> Any:
    """A value of the schema's type; strings by what the key is for."""
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return value(key, rng.choice(branches), rng)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        return rng.choice(_BY_KEY.get(key, ("morning call", "Oslo")))
    plain: Mapping[str, Any] = {
        "integer": rng.choice((0, 1, 7, 120, -3, 2000)),
        "number": rng.choice((0.5, 30, 1e-4, -2.25, 120000)),
        "boolean": rng.random() < 0.5,
        "object": rng.choice(({"A": "1"}, {"a": {"b": [1, None]}, "c": "x < y"}, {})),
        "null": None,
    }
    if kind == "array":
        items = schema.get("items") or {"type": "string"}
        if items.get("type") == "object":
            return [
                {"content": rng.choice(WORDS), "status": "pending", "id": str(at)} for at in range(rng.choice((1, 2)))
            ]
        return [value("", items, rng) for _ in range(rng.choice((1, 2, 3)))]
    return plain[kind] if kind in plain else rng.choice(_BY_KEY.get(key, WORDS))


def is_body(key: str, one: Any) -> bool:
    """Whether a value is one whose end may be in doubt: a body by name, or of several lines."""
    return isinstance(one, str) and (key in BODY_KEYS or "\n" in one)
