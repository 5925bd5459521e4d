"""The body of `POST /v1/chat/completions` → `ChatRequest`.

Fields that cannot be honoured are refused only where going on would give the client something else than it asked for:
more than one choice (`n`), audio. Fields that merely tune the sampling are taken and left unread; the list stands in
`wire.openai_chat`.
"""

from __future__ import annotations

from qwen_bridge.errors import EmptyArray, InvalidRequest, UnsupportedParameter
from qwen_bridge.messages import ChatRequest
from qwen_bridge.surfaces.chat_completions import history, toolset
from qwen_bridge.surfaces.json_request import load_object, validate
from qwen_bridge.wire.openai_chat import WireChatRequest, WireThinking

_NO_EFFORT = frozenset({"none", "minimal"})
"""The two values of `reasoning_effort` that ask for an answer without thought."""


def parse(body: bytes) -> ChatRequest:
    """Read a request body.

    Raises `InvalidRequest`, or its children `EmptyArray` and `UnsupportedParameter`, and nothing else; `param` names
    the field like `messages[2].content[0].type`.
    """
    raw = load_object(body)
    if "messages" not in raw and "input" in raw:
        # Cursor posts the body of the Responses API here for newer models.
        raise InvalidRequest(
            "This is a body of the Responses API: `input` in place of `messages`. Send `messages`, or set the client's "
            'provider to "OpenAI Compatible" (Chat Completions).',
            param="messages",
        )
    wire = validate(WireChatRequest, raw)
    _refuse(wire)
    tools, choice = toolset.read(wire)
    return ChatRequest(
        model=wire.model,
        messages=history.read(wire.messages),
        stream=bool(wire.stream),
        include_usage=bool(wire.stream_options and wire.stream_options.include_usage),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=wire.parallel_tool_calls is not False,
        thinking=_thinking(wire),
    )


def _refuse(wire: WireChatRequest) -> None:
    if not wire.model.strip():
        raise InvalidRequest("`model` must not be empty; GET /v1/models lists the models.", param="model")
    if not wire.messages:
        raise EmptyArray("`messages` must hold at least one message; it is empty.", param="messages")
    if wire.n not in (None, 1):
        raise UnsupportedParameter("A Qwen web chat gives one answer: leave `n` out or set it to 1.", param="n")
    if wire.modalities and "audio" in wire.modalities:
        raise UnsupportedParameter("A Qwen web chat answers in text: leave `modalities` out.", param="modalities")


def _thinking(wire: WireChatRequest) -> bool | None:
    """Whether the model should think; None when the client leaves it open.

    Four ways of saying it are in use; the more direct word wins. Qwen's own switch (`enable_thinking`, plain as in
    DashScope or inside `chat_template_kwargs` as in vLLM), then `thinking`, then OpenAI's `reasoning_effort`. Effort
    has no degrees in a web chat: any but none and minimal means yes.
    """
    if wire.enable_thinking is not None:
        return wire.enable_thinking
    if wire.chat_template_kwargs is not None and wire.chat_template_kwargs.enable_thinking is not None:
        return wire.chat_template_kwargs.enable_thinking
    match wire.thinking:
        case bool() as said:
            return said
        case WireThinking(type="enabled"):
            return True
        case WireThinking(type="disabled"):
            return False
        case _:
            return None if wire.reasoning_effort is None else wire.reasoning_effort not in _NO_EFFORT
