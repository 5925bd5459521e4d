"""The tools of XML clients that declare none: what Roo and Cline describe in their system prompts (clients.md A1).

Their requests have no `tools`; the names and parameters below are the union over the versions that speak XML. Only
tools that the client's prompt really describes are taken, so that a tag of an absent tool stays text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from qwen_bridge.messages import ToolSpec

KNOWN: Mapping[str, str] = {
    "read_file": "path start_line end_line args",
    "write_to_file": "path* content* line_count",
    "apply_diff": "path diff start_line end_line args",
    "replace_in_file": "path* diff*",
    "insert_content": "path* line content operations",
    "search_and_replace": "path* search replace start_line end_line use_regex ignore_case operations",
    "search_replace": "file_path* old_string* new_string*",
    "apply_patch": "patch*",
    "execute_command": "command* cwd requires_approval timeout",
    "search_files": "path* regex* file_pattern",
    "list_files": "path* recursive",
    "list_code_definition_names": "path*",
    "codebase_search": "query* path",
    "browser_action": "action* url coordinate text size",
    "use_mcp_tool": "server_name* tool_name* arguments",
    "access_mcp_resource": "server_name* uri*",
    "ask_followup_question": "question* follow_up options",
    "attempt_completion": "result* command task_progress",
    "switch_mode": "mode_slug* reason",
    "new_task": "mode message todos context",
    "update_todo_list": "todos*",
    "fetch_instructions": "task*",
    "run_slash_command": "command* args",
    "generate_image": "prompt* path image",
    "plan_mode_respond": "response* needs_more_exploration task_progress",
    "load_mcp_documentation": "",
    "web_fetch": "url*",
    "condense": "context*",
    "summarize_task": "context*",
    "report_bug": "title* what_happened steps_to_reproduce api_request_output additional_context",
    "new_rule": "path* content*",
}
"""Tool → its parameters; a star marks one that must be given."""


def described_tools(prompt: str) -> list[ToolSpec]:
    """The known tools that a system prompt describes: those whose exact tag it shows."""
    shown = set(re.findall(r"<([a-z_]{3,40})>", prompt))
    return [_spec(name, parameters) for name, parameters in KNOWN.items() if name in shown]


def _spec(name: str, parameters: str) -> ToolSpec:
    keys = parameters.split()
    properties = {key.rstrip("*"): {"type": "string"} for key in keys}
    required = [key.rstrip("*") for key in keys if key.endswith("*")]
    return ToolSpec(name, "", {"type": "object", "properties": properties, "required": required})
