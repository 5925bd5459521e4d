"""What was learnt about the site and its models while the bridge runs: which way does not work, and with which.

In memory only and bounded: after a restart one request finds it out again, at the price of one repetition. A refusal
may have been a passing one, so what was refused rests and is then tried again; each further refusal makes the rest
longer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from qwen_bridge.ports import Clock
from qwen_bridge.toolcalls.teach import Form, FormSetting, form_for, other_form

MOST_MODELS: Final = 64
"""Models remembered; Qwen has some thirty."""

REST: Final = 60.0
"""Seconds for which something is not tried after its first refusal."""

LONGER: Final = 4
"""How many times longer each further rest is."""

LONGEST_REST: Final = 6 * 3600.0
"""Seconds beyond which no rest grows: what never works costs four attempts a day."""


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    refusals: int


class Habits:
    """Model → the forms that the site took for calls of its own tools, and whether it takes tools on its own channel;
    and whether the site goes on from a question. Without a `clock` a rest has no end.
    """

    __slots__ = ("_clock", "_intercepted", "_questions", "_text_only")

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._intercepted: OrderedDict[str, set[Form]] = OrderedDict()
        self._text_only: OrderedDict[str, _Rest] = OrderedDict()
        self._questions: _Rest | None = None

    def form(self, model: str, setting: FormSetting) -> Form:
        """The form to teach; with the setting `auto`, not the one that was intercepted before, unless both were."""
        form = form_for(model, setting)
        if setting != "auto" or form not in self._of(model) or other_form(form) in self._of(model):
            return form
        return other_form(form)

    def intercepted(self, model: str, form: Form) -> None:
        """The site answered a call in this form with "Tool X does not exists."."""
        self._intercepted.setdefault(model, set()).add(form)
        self._intercepted.move_to_end(model)
        if len(self._intercepted) > MOST_MODELS:
            self._intercepted.popitem(last=False)

    def takes_local_tools(self, model: str) -> bool:
        """Whether tools may be declared on the site's own channel."""
        return not self._rests(self._text_only.get(model))

    def refused_local_tools(self, model: str) -> None:
        """The site refused tools on its channel, or the model called one in its text all the same."""
        self._text_only[model] = self._rest(self._text_only.get(model))
        self._text_only.move_to_end(model)
        if len(self._text_only) > MOST_MODELS:
            self._text_only.popitem(last=False)

    def took_local_tools(self, model: str) -> None:
        """The model called a tool on the site's channel: what was refused before was a passing matter."""
        self._text_only.pop(model, None)

    def takes_questions(self) -> bool:
        """Whether the site is thought to go on from a question that has an answer already."""
        return not self._rests(self._questions)

    def refused_question(self) -> None:
        """The site called such a node unknown."""
        self._questions = self._rest(self._questions)

    def took_question(self) -> None:
        """It went on from one."""
        self._questions = None

    def _rests(self, rest: _Rest | None) -> bool:
        return rest is not None and (self._clock is None or self._clock.monotonic() < rest.until)

    def _rest(self, before: _Rest | None) -> _Rest:
        refusals = before.refusals + 1 if before is not None else 1
        now = self._clock.monotonic() if self._clock is not None else 0.0
        return _Rest(now + min(REST * LONGER ** min(refusals - 1, 10), LONGEST_REST), refusals)

    def _of(self, model: str) -> set[Form]:
        return self._intercepted.get(model, set())
