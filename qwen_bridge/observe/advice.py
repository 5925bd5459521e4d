"""What each error means to a person: one sentence for the status page and for `docs/faults.md`.

The sentence that a client reads is written where the error is raised, and may quote the client or Qwen. These quote
nobody, so they may be shown to whoever looks at the bridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ADVICE: Final[Mapping[str, str]] = {
    "invalid_request": "The request is not what the API takes; `param` names the field.",
    "unsupported_parameter": "OpenAI knows this value, a web chat cannot do it; `param` names the field.",
    "empty_array": "A list that needs an entry is empty.",
    "unknown_url": "The path is not served; the message says what is.",
    "method_not_allowed": "The path is served, with another method.",
    "model_not_found": "Qwen has no model of this name. `GET /v1/models` lists them; `model_aliases` adds names.",
    "cross_site_refused": "A web page called the bridge. `web_origins` names the pages that may; see security.",
    "host_refused": "The bridge was called by a name that may be a stranger's. Use its address, or set `hosts`.",
    "not_local": "The status is shown on the bridge's own machine only, unless `status_page` is open.",
    "request_too_large": "The request, or Qwen's idea of it, is too large. Send less at once.",
    "context_length_exceeded": "The message is too large for Qwen, and no file was taken. Shorten the history.",
    "invalid_api_key": "The client's API key is none of `client_keys`. Nothing was asked of Qwen.",
    "network_refused": "The request came from another machine. Set `client_keys` to serve other machines.",
    "headers_too_large": "The request's headers are longer than `header_limit`.",
    "rate_limit_exceeded": "The client asks more often than `client_rate` allows.",
    "client_stalled": "The client took nothing of its answer for `client_timeout` seconds, and Qwen was told to stop.",
    "bridge_shutting_down": "The bridge is about to end. It is there again once it was started anew.",
    "missing_qwen_credentials": "The bridge has no complete session. Run `qwen-bridge browser`, sign in at Qwen and "
    "send a message there, or set the session by hand.",
    "expired_qwen_credentials": "The session is over. Sign in at Qwen again, in the browser that the bridge learns "
    "from, or give it the new values.",
    "qwen_account_pending": "The Qwen account has not been confirmed yet.",
    "qwen_challenge": "Qwen's firewall wants to see a person. Pass its check in the browser, send a "
    "message there, do not hurry.",
    "qwen_quota_exceeded": "The account has used up what it may have. Wait, or use another account.",
    "qwen_token_limit": "Qwen has no tokens left for a moment. Wait a minute, or use another model.",
    "qwen_parallel_limit": "Too much at once on one account. Send fewer requests side by side.",
    "queue_full": "Too many requests wait for this account (`queue_limit`). Qwen was not asked.",
    "queue_timeout": "The request waited for its turn longer than `queue_timeout`. Qwen was not asked.",
    "qwen_chat_busy": "An earlier answer of this chat is still being written.",
    "qwen_parent_refused": "Qwen does not know the message that this turn follows, and a new chat failed as well.",
    "qwen_chat_gone": "Qwen no longer has the chat, and a new one failed as well.",
    "content_filter": "Qwen's inspection rejected the request or the answer.",
    "qwen_empty_answer": "Qwen sent an answer without a word. It may be too long a message, or a moment's trouble.",
    "qwen_tools_intercepted": "Qwen's site took the model's tool calls for its own, in both forms that the bridge "
    "teaches. Use another Qwen model.",
    "qwen_refused": "Qwen refused for another reason; its words are in the message.",
    "qwen_unreachable": "No connection to Qwen could be made. Look at the network, and at `upstream`.",
    "qwen_connection_lost": "The connection ended before Qwen answered.",
    "qwen_answer_cut_off": "The connection ended in the middle of the answer.",
    "qwen_answer_unreadable": "What came is not Qwen's protocol. If it stays so, the site has changed.",
    "qwen_timeout": "Qwen took longer than `first_byte_timeout`, `idle_timeout` or `total_timeout` allow.",
    "bridge_internal_error": "A bug in the bridge. Nothing was forwarded. Please report it with the log.",
}
"""Error code → what it means to the reader."""
