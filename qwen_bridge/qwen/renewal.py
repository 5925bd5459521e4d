"""How a session that Qwen no longer takes is renewed, in words: one that a person copied, and one that is learned from
the browser.

The verdicts on Qwen's refusals are worded for the first, as most things are that are said before it is known who reads
them; what is told by a bridge that learns is put into the other words at its border.
"""

from __future__ import annotations

_RENEWALS = (
    (
        "Open https://chat.qwen.ai in the browser that the cookies come from, pass the check, give the bridge the new "
        "cookies if they changed, and wait 15 to 30 minutes. Do not retry: each retry prolongs it.",
        "Open https://chat.qwen.ai in the browser that uses the bridge as its proxy, pass the check, and send a "
        "message there: once Qwen answers it, the bridge goes on by itself. Do not retry before: each retry "
        "prolongs it.",
    ),
    (
        "sign in at https://chat.qwen.ai and give the bridge the new cookies.",
        "sign in at https://chat.qwen.ai in the browser that uses the bridge as its proxy, and send a message there.",
    ),
    (
        "Sign in at https://chat.qwen.ai and give the bridge the new cookies (QWEN_COOKIES or QWEN_TOKEN); retrying "
        "with the old ones is of no use.",
        "Open https://chat.qwen.ai in the browser that uses the bridge as its proxy, sign in again, and send a message "
        "there; until then retrying is of no use.",
    ),
)
"""How a session is renewed: by a person's hand, and by the traffic of a browser that the bridge learns from."""

CHECK, SIGN_IN, NEW_SESSION = (by_hand for by_hand, _ in _RENEWALS)


def for_learning(message: str) -> str:
    """A message as it is told by a bridge that learns its session from the browser."""
    for by_hand, by_browser in _RENEWALS:
        message = message.replace(by_hand, by_browser)
    return message
