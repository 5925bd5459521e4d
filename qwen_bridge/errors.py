"""Every way a turn can fail, as one tree; each leaf says what the client is told.

::

    BridgeError
    ├── RequestError                 the client's request cannot be served as it is
    │   ├── InvalidRequest           400  invalid_request         (param names the field)
    │   │   ├── UnsupportedParameter 400  unsupported_parameter
    │   │   └── EmptyArray           400  empty_array
    │   ├── UnknownRoute             404  unknown_url
    │   ├── MethodNotAllowed         405  method_not_allowed
    │   ├── UnknownModel             404  model_not_found
    │   ├── ForeignSite              403  cross_site_refused      (a web page asks; no such request is served)
    │   ├── ForeignHost              403  host_refused            (called by a name that may be a stranger's)
    │   ├── NotLocal                 403  not_local               (the status, asked for from another machine)
    │   ├── RequestTooLarge          413  request_too_large
    │   └── ContextTooLong           400  context_length_exceeded
    ├── AccessError                  this client may not use the bridge, or not now
    │   ├── InvalidClientKey         401  invalid_api_key
    │   ├── NetworkRefused           403  network_refused         (from another machine, and nobody allowed that)
    │   ├── HeadersTooLarge          431  headers_too_large
    │   ├── RateLimited              429  rate_limit_exceeded     (the bridge's own limit for one client)
    │   ├── ClientStalled            408  client_stalled          (it does not read its answer)
    │   └── ShuttingDown             503  bridge_shutting_down
    ├── CredentialError              the bridge may not speak to Qwen for this client
    │   ├── MissingCredentials       401  missing_qwen_credentials
    │   ├── ExpiredCredentials       401  expired_qwen_credentials
    │   └── AccountPending           403  qwen_account_pending
    ├── QwenError                    Qwen answered, and the answer was no
    │   ├── ChallengeRequired        403  qwen_challenge           (WAF page or captcha)
    │   ├── QuotaExceeded            429  qwen_quota_exceeded
    │   ├── TokensExhausted      429  qwen_token_limit         (Qwen's allowance per minute)
    │   ├── TooManyStreams           429  qwen_parallel_limit
    │   ├── QueueFull                429  queue_full               (the bridge's own queue; Qwen was not asked)
    │   ├── QueueTimeout             429  queue_timeout            (the same, after a long wait)
    │   ├── ChatBusy                 409  qwen_chat_busy
    │   ├── ParentRefused            502  qwen_parent_refused      (recovered: new chat)
    │   ├── ChatGone                 502  qwen_chat_gone           (recovered: new chat)
    │   ├── ContentRejected          400  content_filter
    │   ├── EmptyAnswer              502  qwen_empty_answer
    │   ├── ToolsIntercepted         502  qwen_tools_intercepted   (the site took the model's calls for its own, twice)
    │   └── QwenRefused              502  qwen_refused             (anything else, with Qwen's words)
    ├── WireError                    the connection to Qwen failed
    │   ├── QwenUnreachable          502  qwen_unreachable         (before any request byte was read)
    │   ├── ConnectionLost           502  qwen_connection_lost     (after the request, before a status)
    │   ├── AnswerCutOff             502  qwen_answer_cut_off      (the stream broke before its end)
    │   ├── AnswerUnreadable         502  qwen_answer_unreadable   (bytes that are not the protocol)
    │   └── QwenTimeout              504  qwen_timeout
    └── InternalError                500  bridge_internal_error    (a bug; nothing was forwarded)

An error is a value as much as an exception: between calls it is raised, inside a stream it travels in
`ResponseFailed`, at the border it becomes OpenAI's envelope (`BridgeError.envelope`). `message` is for a person and
says what to do; it never holds a secret, a prompt, or a raw page of Qwen's.

The shape of the envelope is OpenAI's `ErrorResponse`, whose four keys are all required (openai-openapi); the header
`x-should-retry` is read by openai-python and openai-node before their own rules.
"""

from __future__ import annotations

from qwen_bridge.envelope import BridgeError as BridgeError  # for everybody who names an error


class RequestError(BridgeError):
    """The client's request cannot be served as it is."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class InvalidRequest(RequestError):
    """A field is missing, of the wrong type, or asks for what a web chat cannot do."""


class UnsupportedParameter(InvalidRequest):
    """The field is known to OpenAI, and this value of it cannot be honoured here."""

    code = "unsupported_parameter"


class EmptyArray(InvalidRequest):
    """A list that needs at least one entry is empty; OpenAI has its own code for it."""

    code = "empty_array"


class UnknownRoute(RequestError):
    status = 404
    code = "unknown_url"


class MethodNotAllowed(RequestError):
    status = 405
    code = "method_not_allowed"


class UnknownModel(RequestError):
    status = 404
    code = "model_not_found"


class ForeignSite(RequestError):
    status = 403
    type = "permission_error"
    code = "cross_site_refused"


class ForeignHost(RequestError):
    status = 403
    type = "permission_error"
    code = "host_refused"


class NotLocal(RequestError):
    status = 403
    type = "permission_error"
    code = "not_local"


class RequestTooLarge(RequestError):
    status = 413
    code = "request_too_large"


class ContextTooLong(RequestError):
    code = "context_length_exceeded"


class AccessError(BridgeError):
    """This client may not use the bridge, or not now."""

    status = 403
    type = "permission_error"


class InvalidClientKey(AccessError):
    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class NetworkRefused(AccessError):
    code = "network_refused"


class HeadersTooLarge(AccessError):
    status = 431
    type = "invalid_request_error"
    code = "headers_too_large"


class RateLimited(AccessError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    should_retry = True


class ClientStalled(AccessError):
    status = 408
    type = "invalid_request_error"
    code = "client_stalled"


class ShuttingDown(AccessError):
    status = 503
    type = "server_error"
    code = "bridge_shutting_down"
    should_retry = True


class CredentialError(BridgeError):
    """The bridge may not speak to Qwen for this client."""

    status = 401
    type = "authentication_error"
    code = "qwen_credentials"


class MissingCredentials(CredentialError):
    code = "missing_qwen_credentials"


class ExpiredCredentials(CredentialError):
    code = "expired_qwen_credentials"


class AccountPending(CredentialError):
    status = 403
    type = "permission_error"
    code = "qwen_account_pending"


class QwenError(BridgeError):
    """Qwen answered, and the answer was no."""

    status = 502
    type = "upstream_error"
    code = "qwen_refused"


class ChallengeRequired(QwenError):
    status = 403
    type = "permission_error"
    code = "qwen_challenge"


class QuotaExceeded(QwenError):
    status = 429
    type = "insufficient_quota"
    code = "qwen_quota_exceeded"


class TokensExhausted(QwenError):
    """The allowance of tokens per minute, not that of the day: the account is asked on."""

    status = 429
    type = "rate_limit_error"
    code = "qwen_token_limit"


class TooManyStreams(QwenError):
    status = 429
    type = "rate_limit_error"
    code = "qwen_parallel_limit"


class QueueFull(QwenError):
    status = 429
    type = "rate_limit_error"
    code = "queue_full"
    should_retry = True


class QueueTimeout(QwenError):
    status = 429
    type = "rate_limit_error"
    code = "queue_timeout"
    should_retry = True


class ChatBusy(QwenError):
    status = 409
    type = "rate_limit_error"
    code = "qwen_chat_busy"


class ParentRefused(QwenError):
    code = "qwen_parent_refused"


class ChatGone(QwenError):
    code = "qwen_chat_gone"


class ContentRejected(QwenError):
    status = 400
    type = "invalid_request_error"
    code = "content_filter"


class EmptyAnswer(QwenError):
    code = "qwen_empty_answer"


class ToolsIntercepted(QwenError):
    code = "qwen_tools_intercepted"


class QwenRefused(QwenError):
    pass


class WireError(BridgeError):
    """The connection to Qwen failed."""

    status = 502
    type = "upstream_error"
    code = "qwen_connection_lost"


class QwenUnreachable(WireError):
    code = "qwen_unreachable"


class ConnectionLost(WireError):
    pass


class AnswerCutOff(WireError):
    code = "qwen_answer_cut_off"


class AnswerUnreadable(WireError):
    code = "qwen_answer_unreadable"


class QwenTimeout(WireError):
    status = 504
    code = "qwen_timeout"


class InternalError(BridgeError):
    """A bug in the bridge. The request was answered with an error and forwarded to nobody."""
