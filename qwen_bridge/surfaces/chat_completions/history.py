"""The `messages` of a request → `Message`s.

What is made equal, because clients write the same thing in several ways: `developer` is `system`; a string and one
text part; `null`, `""` and no content; an image's URL as a string and in an object; the legacy `function_call` with
its `function` answer and a tool call with its `tool` answer.

What is left out: the reasoning an assistant message carries (`reasoning_content` beside the content, `thinking` parts
in it). Some clients echo it, some drop it (Roo Code, continue), and Qwen keeps its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from qwen_bridge.errors import InvalidRequest, UnsupportedParameter
from qwen_bridge.messages import FilePart, ImagePart, Message, Part, TextPart, ToolCall
from qwen_bridge.surfaces.json_request import dump
from qwen_bridge.wire.openai_chat import WireCalledFunction, WireMessage, WirePart, WireToolCall

_REASONING = frozenset({"thinking", "redacted_thinking", "reasoning"})
"""Parts in which litellm and others echo reasoning."""

_IMAGE_SCHEMES = ("https://", "http://", "data:")


def read(wire: Sequence[WireMessage]) -> tuple[Message, ...]:
    """Read all messages in order. Raises `InvalidRequest` or `UnsupportedParameter` with the path of the field."""
    return tuple(_message(message, f"messages[{index}]") for index, message in enumerate(wire))


def _message(wire: WireMessage, at: str) -> Message:
    match wire.role:
        case "system" | "developer":
            return Message("system", _required_parts(wire, at), wire.name)
        case "user":
            return Message("user", _required_parts(wire, at), wire.name)
        case "assistant":
            return _assistant(wire, at)
        case "tool":
            if not wire.tool_call_id:
                param = f"{at}.tool_call_id"
                raise InvalidRequest(f"A tool message needs the id of the call it answers in `{param}`.", param=param)
            return Message("tool", _parts(wire, at), wire.name, tool_call_id=wire.tool_call_id)
        case "function":
            if not wire.name:
                param = f"{at}.name"
                raise InvalidRequest(f"A function message needs the name of the function in `{param}`.", param=param)
            return Message("tool", _parts(wire, at), wire.name, tool_call_id=_legacy_id(wire.name))
        case _:
            param = f"{at}.role"
            raise InvalidRequest(f"`{param}` must be system, developer, user, assistant or tool.", param=param)


def _assistant(wire: WireMessage, at: str) -> Message:
    parts = _parts(wire, at)
    if wire.refusal:
        # What the assistant said in place of an answer; to the next turn it is what the assistant said.
        parts = (*parts, TextPart(wire.refusal))
    calls = tuple(_call(call, f"{at}.tool_calls[{index}]") for index, call in enumerate(wire.tool_calls or ()))
    if wire.function_call is not None:
        name = wire.function_call.name
        calls = (*calls, ToolCall(_legacy_id(name), name, _arguments(wire.function_call, f"{at}.function_call")))
    return Message("assistant", parts, wire.name, calls)


def _call(wire: WireToolCall, at: str) -> ToolCall:
    if not wire.id:
        raise InvalidRequest(
            f"`{at}.id` is required: it ties the call to the tool message that answers it.", param=f"{at}.id"
        )
    kind = wire.type or "function"
    if kind == "function" and wire.function is not None:
        return ToolCall(wire.id, wire.function.name, _arguments(wire.function, f"{at}.function"))
    if kind == "custom" and wire.custom is not None:
        # Only another provider can have made it; the conversation may go on all the same.
        return ToolCall(wire.id, wire.custom.name, dump({"input": wire.custom.input}, f"{at}.custom"))
    if kind in ("function", "custom"):
        raise InvalidRequest(f"The field `{at}.{kind}` is required and is missing.", param=f"{at}.{kind}")
    raise InvalidRequest(f"`{at}.type` must be function.", param=f"{at}.type")


def _arguments(wire: WireCalledFunction, at: str) -> str:
    """The arguments as JSON text; none at all is an empty object, as a function without parameters is called."""
    match wire.arguments:
        case None:
            return "{}"
        case str() as text:
            return text
        case value:
            return dump(value, f"{at}.arguments")


def _legacy_id(name: str) -> str:
    """The id that ties a legacy call to its answer. The API of 2023 had one call a turn and paired them by name."""
    return f"function_{name}"


def _required_parts(wire: WireMessage, at: str) -> tuple[Part, ...]:
    if wire.content is None:
        param = f"{at}.content"
        raise InvalidRequest(f"`{param}` must be a string or an array of parts; it is null or missing.", param=param)
    return _parts(wire, at)


def _parts(wire: WireMessage, at: str) -> tuple[Part, ...]:
    """The content as parts. Empty texts are left out: they say nothing, and clients differ on whether to send them."""
    match wire.content:
        case None | "":
            return ()
        case str() as text:
            return (TextPart(text),)
        case parts:
            read_parts = (_part(part, f"{at}.content[{index}]") for index, part in enumerate(parts))
            return tuple(part for part in read_parts if part is not None)


def _part(wire: WirePart, at: str) -> Part | None:
    match wire.type:
        case "text":
            return _text(wire.text, f"{at}.text")
        case "refusal":
            return _text(wire.refusal, f"{at}.refusal")
        case "image_url":
            return _image(wire, at)
        case "file":
            return _file(wire, at)
        case kind if kind in _REASONING:
            return None
        case "input_audio":
            raise UnsupportedParameter(
                "Audio cannot be sent to Qwen by this bridge. Send the text only.", param=f"{at}.type"
            )
        case _:
            raise InvalidRequest(f"`{at}.type` must be text, image_url or file.", param=f"{at}.type")


def _text(text: str | None, param: str) -> TextPart | None:
    if text is None:
        raise InvalidRequest(f"`{param}` must be a string; it is null or missing.", param=param)
    return TextPart(text) if text else None


def _image(wire: WirePart, at: str) -> ImagePart:
    param = f"{at}.image_url"
    if wire.image_url is None:
        raise InvalidRequest(f"The field `{param}` is required and is missing.", param=param)
    if isinstance(wire.image_url, str):
        url = wire.image_url
    else:
        url, param = wire.image_url.url, f"{param}.url"
    if not url[:8].lower().startswith(_IMAGE_SCHEMES):
        raise InvalidRequest(f"`{param}` must be an https or data URL.", param=param)
    return ImagePart(url)


def _file(wire: WirePart, at: str) -> FilePart:
    param = f"{at}.file"
    if wire.file is None or not (wire.file.file_data or wire.file.file_id):
        raise InvalidRequest(f"`{param}` must hold `file_data` or `file_id`.", param=param)
    return FilePart(wire.file.filename or wire.file.file_id or "file", wire.file.file_data or "")
