"""The bytes by which one message is known: the message as the client will echo it, and nothing else.

Two messages with the same canonical bytes count as the same message, so each rule here is a promise that Qwen's context
is still the client's history. What is *not* compared, and who forced it (clients.md §0.4-0.6, §A4, recorded requests):

- the difference between a string and its text parts: `Message.text` joins them (Roo and qwen-code send parts, aider
  strings);
- white space around an assistant's text: aider stores answers with newlines added, agents trim them. Inner white space,
  case and punctuation count, and so does every blank of a user's or a tool's text. CRLF is not LF: no client was seen
  to change it;
- the two notes that Roo and Cline append to an answer they stopped reading: what stands before such a note is compared,
  so a whole answer is found again and a piece of one is not;
- name and arguments of a call whose id the bridge minted: Roo, Cline, opencode, qwen-code and others re-serialise
  arguments, Roo drops unknown keys, and the id names exactly one call. With a foreign id the name and the JSON value
  count and the id does not: such ids may be rewritten from turn to turn;
- the id on the result of a foreign call, for the same reason; its place in the history stands for it;
- reasoning and cache marks: they never reach `Message`.

Pictures and files count by a digest of what the client sent for them. Every field is length-prefixed: no content can be
read as another's boundary. Change a rule, and `CANONICAL_VERSION` must change: old keys are then never found again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final, assert_never

from qwen_bridge.messages import ChatRequest, FilePart, ImagePart, Message, TextPart, ToolCall, ToolSpec

CANONICAL_VERSION: Final = b"qwen-bridge/canonical/1"
"""Part of the root of every chain (`keys.root`) and of every instructions digest."""

HALF: Final = 32
"""Hex digits of each half of `instructions_digest`."""

MINTED_CALL_PREFIX: Final = "call_qb_"
"""How the id of every tool call begins that the bridge itself hands out."""

OUTER_SPACE: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What `trim()` in JavaScript or `strip()` in Python takes away: clients are written in both."""

INTERRUPTION_NOTES: Final = (
    "\n\n[Response interrupted by a tool use result."
    " Only one tool may be used at a time and should be placed at the end of the message.]",
    "\n\n[Response interrupted by user feedback]",
)
"""Roo Code to 3.41 and Cline 3.x, XML mode: appended to the assistant's text in the history."""


def canonical(message: Message) -> bytes:
    """The bytes of `message` that go into the chain; equal for two messages exactly when they count as the same.

    Linear in the size of the message; takes any content, lone surrogates and unparseable arguments included.
    """
    return pack(
        message.role.encode(),
        _optional(message.name),
        pack(*_content(message)),
        pack(*(_call(call) for call in message.tool_calls)),
        _optional(message.tool_call_id if is_minted(message.tool_call_id) else None),
    )


def is_minted(call_id: str | None) -> bool:
    """Whether the bridge handed out this tool-call id; clients echo such ids verbatim."""
    return call_id is not None and call_id.startswith(MINTED_CALL_PREFIX)


def instructions_digest(request: ChatRequest) -> str:
    """Hex digest of what a chat was told besides its turns: one half for the system text, one for the tools.

    The system text counts to the last blank. Tools count by name, description and JSON schema; their order does not,
    nor that of the keys in a schema: MCP servers report in the order they come up, and telling 40 KB of tools again
    because two changed places is what the digest is there to save.
    """
    tools = sorted(_tool(tool) for tool in request.tools)
    halves = (_utf8(request.instructions), pack(*tools))
    return "".join(hashlib.sha256(pack(CANONICAL_VERSION, half)).hexdigest()[:HALF] for half in halves)


def system_half(digest: str) -> str:
    """The half of an `instructions_digest` that stands for the system text."""
    return digest[:HALF]


def tools_half(digest: str) -> str:
    """The half of an `instructions_digest` that stands for the tools."""
    return digest[HALF:]


def pack(*fields: bytes) -> bytes:
    """The fields one behind the other, each with its length in front (`3:abc`): no two lists look the same."""
    return b"".join(b"%d:%b" % (len(field), field) for field in fields)


def _content(message: Message) -> list[bytes]:
    """Text and attachments in their order; neighbouring text parts are one text, an empty text is none."""
    pieces: list[bytes] = []
    run: list[str] = []

    def end_run() -> None:
        text = _text(message, "\n".join(run))
        run.clear()
        if text:
            pieces.append(b"text" + _utf8(text))

    for part in message.parts:
        match part:
            case TextPart(text):
                run.append(text)
            case ImagePart(url):
                end_run()
                pieces.append(b"image" + _digest(url))
            case FilePart(filename, data):
                end_run()
                pieces.append(b"file" + pack(_utf8(filename), _digest(data)))
            case _:
                assert_never(part)
    end_run()
    return pieces


def _text(message: Message, text: str) -> str:
    if message.role != "assistant":
        return text
    text = text.strip(OUTER_SPACE)
    for note in INTERRUPTION_NOTES:
        if text.endswith(note):
            return text.removesuffix(note).rstrip(OUTER_SPACE)
    return text


def _call(call: ToolCall) -> bytes:
    if is_minted(call.id):
        return b"minted" + _utf8(call.id)
    return b"foreign" + pack(_utf8(call.name), _arguments(call.arguments))


def _arguments(arguments: str) -> bytes:
    """JSON arguments as a value, whatever their spaces and the order of their keys; anything else as it stands."""
    try:
        value = json.loads(arguments)
        return b"json" + json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    except (ValueError, RecursionError):
        return b"raw" + _utf8(arguments)


def _tool(tool: ToolSpec) -> bytes:
    schema = json.dumps(tool.parameters, sort_keys=True, separators=(",", ":"), default=dict)
    return pack(_utf8(tool.name), _utf8(tool.description), schema.encode("ascii"))


def _optional(text: str | None) -> bytes:
    return b"" if text is None else b"=" + _utf8(text)


def _digest(text: str) -> bytes:
    return hashlib.sha256(_utf8(text)).digest()


def _utf8(text: str) -> bytes:
    # JSON may carry half a surrogate pair; a client that cut an emoji in two still has a history.
    return text.encode("utf-8", "surrogatepass")
