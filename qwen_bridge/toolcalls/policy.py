"""What may run, as a table (knowledge/toolcalls.md 3).

A reading has flaws of structure; each flaw has a row; the row says what follows for a harmless and for a destructive
tool, after a natural stop and after a cut. The worst row counts. A cut is the reported end `length` or a broken
connection; structure comes first, because providers report a natural stop on cut answers too (qwen-code PR #2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from qwen_bridge.toolcalls.catalogue import HARMLESS
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.reading import Call

MAX_CALL = 1024 * 1024
"""Characters of one call; Roo's own limit for a message."""


class Verdict(Enum):
    """What becomes of a call."""

    RELEASED = "released"
    WITHHELD = "withheld"


class Reason(Enum):
    """Why a call was withheld; the value completes the sentence "The call to X … and was not run."."""

    CUT_OFF = "was cut off"
    UNCLEAR = "could be read in more than one way"
    UNREADABLE = "could not be read"
    UNKNOWN_TOOL = "names a tool that is not available"
    UNKNOWN_KEY = "gives a parameter that the tool does not have"
    NO_NAME = "names no tool"
    TOO_LONG = "was too long"
    INEXPRESSIBLE = "cannot be passed on to this client unchanged"
    INTERCEPTED = "was intercepted by the site"
    NOT_ALLOWED = "was not asked for"
    FORBIDDEN = "was not allowed in this answer"

    @property
    def cut(self) -> bool:
        """Whether the call is incomplete, and not one that was refused: its model stopped too early."""
        return self in (Reason.CUT_OFF, Reason.TOO_LONG)


class Ending(Enum):
    """What came behind a call."""

    FOLLOWED = "more text"
    STOP = "a natural stop"
    CUT = "a cut"


@dataclass(frozen=True, slots=True)
class Row:
    """Whether a call with this flaw may run: harmless or destructive tool, natural stop or cut."""

    harmless_stop: bool
    harmless_cut: bool
    destructive_stop: bool
    destructive_cut: bool
    reason: Reason

    def allows(self, *, harmless: bool, ending: Ending) -> bool:
        """Text that followed proves that the answer was not cut there: it counts as a natural stop."""
        cut = ending is Ending.CUT
        if harmless:
            return self.harmless_cut if cut else self.harmless_stop
        return self.destructive_cut if cut else self.destructive_stop


#                                    harmless       destructive
#                                  stop   cut      stop   cut
TABLE: Mapping[Flaw, Row] = {
    Flaw.CLOSER_MISSING: Row(True, True, True, False, Reason.CUT_OFF),
    Flaw.WRAPPER_OPEN: Row(True, True, True, False, Reason.CUT_OFF),
    Flaw.BODY_LAST: Row(True, True, False, False, Reason.CUT_OFF),
    Flaw.MORE_POSSIBLE: Row(True, True, False, False, Reason.CUT_OFF),
    Flaw.VALUE_UNCLOSED: Row(True, True, True, False, Reason.UNCLEAR),
    Flaw.VALUE_OPEN: Row(False, False, False, False, Reason.CUT_OFF),
    Flaw.HEAD_OPEN: Row(False, False, False, False, Reason.CUT_OFF),
    Flaw.CLOSER_DOUBLED: Row(True, True, False, False, Reason.UNCLEAR),
    Flaw.AMBIGUOUS: Row(False, False, False, False, Reason.UNCLEAR),
    Flaw.REPEATED: Row(True, True, False, False, Reason.UNCLEAR),
    Flaw.TWO_VALUES: Row(True, True, False, False, Reason.UNCLEAR),
    Flaw.NULL_OR_TEXT: Row(True, True, False, False, Reason.UNCLEAR),
    Flaw.KEY_UNKNOWN: Row(True, True, False, False, Reason.UNKNOWN_KEY),
    Flaw.KEY_MISSPELT: Row(False, False, False, False, Reason.UNKNOWN_KEY),
    Flaw.JUNK: Row(False, False, False, False, Reason.UNREADABLE),
    Flaw.MALFORMED: Row(False, False, False, False, Reason.UNREADABLE),
    Flaw.NAMELESS: Row(False, False, False, False, Reason.NO_NAME),
    Flaw.UNDECLARED: Row(False, False, False, False, Reason.UNKNOWN_TOOL),
    Flaw.INCOMPLETE: Row(True, True, True, True, Reason.CUT_OFF),
}
"""`INCOMPLETE` alone runs: the client refuses a missing argument in better words than the bridge has.

`MORE_POSSIBLE` is stricter than the notes, which complete a call whose values are all closed. Cut between two of its
parameters, `<function=Bash><parameter=command>…</parameter>` looks just so, and would run without those that followed.
No beginning of a destructive call may run; the bridge asks for it once more where nothing was shown.

Three rows hold rule 6 of the notes' 3.1 (two readings are none) against what their 3.3 would pass on, and are stricter
than it: of a parameter given twice the last value ran, the word `null` became nothing, an unknown key went on to the
client. A tool that ignores an unknown `dry_run` runs without the restriction that the model meant; refused, the model
is told which key it was, and writes the call anew. `KEY_MISSPELT` stops harmless tools as well: an `optons` beside a
declared `options` that is not given is one of two arguments, and the tool would run without what the model meant.
"""

IN_VALUES = frozenset((Flaw.TWO_VALUES, Flaw.NULL_OR_TEXT, Flaw.KEY_UNKNOWN))
"""Flaws of values in a structure that is whole. XML clients read all of these by themselves, in one way that is known:
their parsers have no types, take the last of two values and leave out tags that they do not know.
"""

VISIBLY_CUT = frozenset((Flaw.CLOSER_MISSING, Flaw.INCOMPLETE))
"""A call that lacks its closer and a required argument was cut between two of them: no tool runs on that."""

TOGETHER: tuple[frozenset[Flaw], ...] = (
    VISIBLY_CUT,
    frozenset((Flaw.CLOSER_MISSING, Flaw.VALUE_UNCLOSED)),
    frozenset((Flaw.WRAPPER_OPEN, Flaw.VALUE_UNCLOSED)),
    frozenset((Flaw.WRAPPER_OPEN, Flaw.INCOMPLETE)),
    frozenset((Flaw.VALUE_UNCLOSED, Flaw.INCOMPLETE)),
)
"""Flaws that a destructive call may have one of, and not both: together they are the picture of a cut."""

CLOSABLE = frozenset(("attempt_completion", "ask_followup_question", "plan_mode_respond"))
"""Tools whose last free text may be closed by the bridge after a natural stop: it is read by a person."""

_ORDER = (
    Reason.UNKNOWN_TOOL, Reason.NO_NAME, Reason.UNCLEAR, Reason.UNREADABLE, Reason.CUT_OFF, Reason.UNKNOWN_KEY,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is None exactly when the call is released. `about` are the parameters that the reason speaks of."""

    verdict: Verdict
    reason: Reason | None = None
    about: tuple[str, ...] = ()


RELEASE = Decision(Verdict.RELEASED)


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """What the user may choose.

    `harmless`: names of tools that may run half; `aliases`: written name → declared name; `max_call`: characters of
    one call; `text_after_call`: whether an XML client gets the text behind its first call (it would answer it with a
    remark in the history, clients.md 0.6); `several_xml_calls`: false releases calls to XML clients only up to the
    first destructive one; `parallel`: false releases the first call only.
    """

    harmless: frozenset[str] = HARMLESS
    aliases: Mapping[str, str] = field(default_factory=dict)
    max_call: int = MAX_CALL
    text_after_call: bool = False
    several_xml_calls: bool = True
    parallel: bool = True
    forbidden: bool = False
    """The client wants words alone this once (`tool_choice: none`): every call is withheld."""


def decide(call: Call, ending: Ending, *, xml: bool = False) -> Decision:
    """Whether `call` may run, given what came behind it; `xml` says that the client reads XML in the text."""
    harmless = call.tool is not None and call.tool.harmless
    if ending is Ending.STOP and _closable(call):
        return RELEASE
    flaws = call.flaws - IN_VALUES if xml else call.flaws
    flaws = flaws - {Flaw.BODY_LAST, Flaw.MORE_POSSIBLE} if ending is Ending.FOLLOWED else flaws
    refused = [TABLE[flaw].reason for flaw in flaws if not TABLE[flaw].allows(harmless=harmless, ending=ending)]
    if flaws >= VISIBLY_CUT or (not harmless and any(pair <= flaws for pair in TOGETHER)):
        refused.append(Reason.CUT_OFF)
    if not refused:
        return RELEASE
    reason = min(refused, key=_ORDER.index)
    if Flaw.VALUE_OPEN in call.flaws:
        return Decision(Verdict.WITHHELD, Reason.CUT_OFF)
    about = call.tool.unknown(call.arguments) if call.tool is not None and reason is Reason.UNKNOWN_KEY else ()
    return Decision(Verdict.WITHHELD, reason, about)


def _closable(call: Call) -> bool:
    last = next(reversed(call.arguments.values()), "") if isinstance(call.arguments, dict) else ""
    return call.name in CLOSABLE and call.flaws == {Flaw.VALUE_OPEN} and isinstance(last, str) and bool(last.strip())
