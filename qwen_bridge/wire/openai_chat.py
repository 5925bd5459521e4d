"""The body of `POST /v1/chat/completions`, as OpenAI defines it and as clients send it.

Shapes only, after openai-openapi's `CreateChatCompletionRequest`. Unknown fields are dropped: every client has some of
its own. Messages and parts are flat, with every field optional but the one that names the kind: which fields a kind
needs is a question that deserves a good sentence, and `surfaces.chat_completions` asks it.

Values are strict: `"true"` is not `true`. Lists fail at their first bad entry, so a hostile body cannot make a million
error records.

Fields the bridge takes and leaves unread, because a web chat has no control for them: `temperature`, `top_p`,
`max_tokens`, `max_completion_tokens`, `stop`, `seed`, `frequency_penalty`, `presence_penalty`, `logit_bias`,
`logprobs`, `top_logprobs`, `response_format`, `prediction`, `verbosity`, `service_tier`, `store`, `metadata`, `user`,
`safety_identifier`, `prompt_cache_key`, `web_search_options`, and `strict` and `cache_control` inside others.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, FailFast, Tag

from qwen_bridge.wire.json_kind import json_kind

_BY_KIND = Discriminator(json_kind)


class _FirstOnly(FailFast):
    """Stop at the first bad element. Hashable, which `FailFast` of the pydantic that Python 3.12 is held to is not."""

    def __hash__(self) -> int:
        return hash(self.fail_fast)


_FIRST = _FirstOnly()


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class WireImageUrl(_Wire):
    """`{"url": "https://… | data:…", "detail": …}`."""

    url: str


class WireFile(_Wire):
    """The `file` of a file part: `file_data` is a `data:` URL or base64, `file_id` an upload's id."""

    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class WirePart(_Wire):
    """One entry of a content array. `image_url` is an object in the specification, a plain string in some clients."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: (
        Annotated[Annotated[str, Tag("a string")] | Annotated[WireImageUrl, Tag("an object")], _BY_KIND] | None
    ) = None
    file: WireFile | None = None


class WireCalledFunction(_Wire):
    """`arguments` is JSON text; an object is what clients send that forgot to serialise it."""

    name: str
    arguments: (
        Annotated[Annotated[str, Tag("a string")] | Annotated[dict[str, Any], Tag("an object")], _BY_KIND] | None
    ) = None


class WireCalledCustom(_Wire):
    """The call of a `custom` tool: free text in place of JSON."""

    name: str
    input: str = ""


class WireToolCall(_Wire):
    """An entry of `tool_calls`; a missing `type` means `function`."""

    id: str | None = None
    type: str | None = None
    function: WireCalledFunction | None = None
    custom: WireCalledCustom | None = None


class WireMessage(_Wire):
    """One entry of `messages`, of any role. `function_call` and the role `function` are OpenAI's API of 2023."""

    role: str
    content: (
        Annotated[
            Annotated[str, Tag("a string")] | Annotated[list[WirePart], _FIRST, Tag("an array")],
            _BY_KIND,
        ]
        | None
    ) = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[WireToolCall], _FIRST] | None = None
    tool_call_id: str | None = None
    function_call: WireCalledFunction | None = None


class WireFunction(_Wire):
    """The declaration of a function: the `function` of a tool, or an entry of the legacy `functions`."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class WireTool(_Wire):
    """An entry of `tools`; a missing `type` means `function`."""

    type: str | None = None
    function: WireFunction | None = None


class WireFunctionName(_Wire):
    """`{"name": …}`, as a choice of function."""

    name: str


class WireAllowedTool(_Wire):
    """A tool named in `allowed_tools`."""

    function: WireFunctionName


class WireAllowedTools(_Wire):
    """`{"mode": "auto" | "required", "tools": […]}`: a choice among some of the declared tools."""

    mode: str
    tools: Annotated[list[WireAllowedTool], _FIRST]


class WireToolChoice(_Wire):
    """The object form of `tool_choice`."""

    type: str
    function: WireFunctionName | None = None
    allowed_tools: WireAllowedTools | None = None


class WireStreamOptions(_Wire):
    """`stream_options`."""

    include_usage: bool | None = None


class WireThinking(_Wire):
    """`{"type": "enabled" | "disabled"}`, the form of Anthropic, DeepSeek and Zhipu."""

    type: str


class WireTemplateArguments(_Wire):
    """`chat_template_kwargs`, where vLLM and SGLang keep Qwen's own switch."""

    enable_thinking: bool | None = None


class WireChatRequest(_Wire):
    """The whole body."""

    model: str
    messages: Annotated[list[WireMessage], _FIRST]
    n: int | None = None
    stream: bool | None = None
    stream_options: WireStreamOptions | None = None
    tools: Annotated[list[WireTool], _FIRST] | None = None
    tool_choice: (
        Annotated[Annotated[str, Tag("a string")] | Annotated[WireToolChoice, Tag("an object")], _BY_KIND] | None
    ) = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[WireFunction], _FIRST] | None = None
    function_call: (
        Annotated[Annotated[str, Tag("a string")] | Annotated[WireFunctionName, Tag("an object")], _BY_KIND] | None
    ) = None
    modalities: list[str] | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: WireTemplateArguments | None = None
    thinking: (
        Annotated[Annotated[bool, Tag("true or false")] | Annotated[WireThinking, Tag("an object")], _BY_KIND] | None
    ) = None
    reasoning_effort: str | None = None
