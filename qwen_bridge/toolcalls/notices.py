"""The sentences that the bridge itself says about tool calls: to the client, and to the model.

What it tells the client stands in the answer's text, so it comes back in every later history; `without_not_run` takes
it out there, and what the model hears instead are words of the bridge and not words of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from qwen_bridge.toolcalls.policy import Reason

_KEY = r"[\w.\-]{1,40}"
_NOT_RUN = re.compile(
    r"(?:\A|(?<=\n))\((?:The call to (?P<name>[^\n]{1,80}?)|A tool call) (?:"
    + rf"(?P<reason>{'|'.join(re.escape(reason.value) for reason in Reason)})"
    + rf")(?: \((?P<about>{_KEY}(?:, {_KEY}){{0,3}})\))? and was not run\.\)(?=\s*(?:\n|\Z))"
)
"""`not_run`, on a line of its own as the client was told it."""


def not_run(name: str, reason: Reason, about: Sequence[str] = ()) -> str:
    """One plain sentence for the reader of the answer, in round brackets, without any markup that a client runs.

    `about` are parameters; at most four are named, and none that could be anything but a name.
    """
    which = f"The call to {name}" if name else "A tool call"
    keys = f" ({listed})" if (listed := _listed(about)) else ""
    return f"({which} {reason.value}{keys} and was not run.)"


def _listed(keys: Sequence[str]) -> str:
    return ", ".join([key for key in keys if re.fullmatch(_KEY, key)][:4])


class NotRun(NamedTuple):
    """A call of an earlier answer that did not run: its tool ("" where it named none), why, and which parameters."""

    name: str
    reason: Reason
    about: str = ""


def without_not_run(text: str) -> tuple[str, list[NotRun]]:
    """An answer of the history without such sentences, and what they said."""
    if "and was not run.)" not in text:
        return text, []
    told = [
        NotRun(found["name"] or "", Reason(found["reason"]), found["about"] or "") for found in _NOT_RUN.finditer(text)
    ]
    return (_NOT_RUN.sub("", text).strip(), told) if told else (text, [])


def withheld_before(calls: Sequence[NotRun]) -> str:
    """What the next message tells the model about calls of its last answer that did not run: one sentence a reason."""
    reasons: dict[str, list[str]] = {}
    for call in calls:
        why = call.reason.value + (f" ({call.about})" if call.about else "")
        reasons.setdefault(why, []).append(call.name)
    told = []
    for why, names in reasons.items():
        which = ", ".join(dict.fromkeys(name for name in names if name)) or "a tool"
        told.append(f"Your last call to {which} {why} and was NOT run.")
    return f"{' '.join(told)} Nothing was changed by it."


def ask_again(name: str, reason: Reason | None, about: Sequence[str] = (), *, above: bool = False) -> str:
    """The one repetition that the bridge asks for, with the reason; it never asks to go on in the middle of a call.

    `above`: the model sees the answer with the call, and its reader has seen the words before it.
    """
    which = f" to {name}" if name else ""
    keys = f" ({listed})" if (listed := _listed(about)) else ""
    why = f"{reason.value}{keys}" if reason is not None else "arrived incomplete"
    if above:
        before, again = "(Your last", "Go on behind the words in front of it, without repeating them"
        why = f"{which} {why}"
    else:
        before, again = "(You have answered this before, with a", "Answer again"
        why = f"{which} that {why}"
    wanted = _WANTED.get(reason, _WHOLE) if reason is not None else _WHOLE
    return f"{before} tool call{why} and was not run; nothing was changed by it. {again}: {wanted})"


_WHOLE = (
    "repeat the last tool call as one complete call, in exactly the form described before, with every tag or brace "
    "closed. If its content is long, do it in smaller steps. Write nothing after the call."
)

_WANTED = {
    Reason.UNKNOWN_TOOL: "use only the tools described before, by exactly their names, or answer without a tool.",
    Reason.UNKNOWN_KEY: (
        "give the parameters described before and no others; if the tool cannot do what you meant without others, do "
        "it in another way."
    ),
}
"""What is asked for where it is not the same call in full."""


def ask_for_call(name: str | None) -> str:
    """The one repetition where the client requires a call and none came."""
    which = f"the tool {name}" if name else "one of the tools"
    return (
        "(You have answered this before without calling a tool, and that answer was of no use. Answer only with a call "
        f"to {which}, in exactly the form described before.)"
    )


def ask_for_words() -> str:
    """The one repetition where the client forbids calls and one came."""
    return (
        "(You have answered this before with a tool call, which is not allowed in this reply; it was not run, and "
        "nothing was changed by it. Answer in words, from what you know by now, and call no tool.)"
    )


def ask_as_text() -> str:
    """The one repetition where the site took a call for one of its own tools, and there is no other form to teach."""
    return (
        "(You have answered this before, and your tool call was lost on its way. Write it as plain text, in exactly "
        "the tags described before, and nothing after it.)"
    )
