"""The sentences that the bridge itself says about tool calls: to the client, and to the model."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_bridge.toolcalls.policy import Reason


def not_run(name: str, reason: Reason) -> str:
    """One plain sentence for the reader of the answer, in round brackets, without any markup that a client runs."""
    which = f"The call to {name}" if name else "A tool call"
    return f"({which} {reason.value} and was not run.)"


def withheld_before(names: Sequence[str]) -> str:
    """What the next message tells the model about calls of its last answer that did not run."""
    which = ", ".join(name for name in names if name) or "a tool"
    return f"Note: your last call to {which} was incomplete or unclear and was NOT run. Nothing was changed by it."


def ask_again(names: Sequence[str]) -> str:
    """The one repetition that the bridge asks for; it never asks to go on in the middle of a call."""
    which = next((f" to {name}" for name in reversed(names) if name), "")
    return (
        f"Your last tool call{which} arrived incomplete and was not run. Repeat it now as one complete call, in "
        "exactly the form described before, with every tag or brace closed. If its content is long, do it in "
        "smaller steps. Write nothing after the call."
    )


def ask_for_call(name: str | None) -> str:
    """The one repetition where the client requires a call and none came."""
    which = f"the tool {name}" if name else "one of the tools"
    return f"You did not call a tool. Answer only with a call to {which}, in exactly the form described before."
