"""What was learnt about the models while the bridge runs: which way of teaching tools does not work with which.

In memory only and bounded: after a restart one request finds it out again, at the price of one repetition.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from qwen_bridge.toolcalls.teach import Form, FormSetting, form_for, other_form

MOST_MODELS: Final = 64
"""Models remembered; Qwen has some thirty."""


class Habits:
    """Model → the forms that the site took for calls of its own tools; and the models that know no other channel."""

    __slots__ = ("_intercepted", "_text_only")

    def __init__(self) -> None:
        self._intercepted: OrderedDict[str, set[Form]] = OrderedDict()
        self._text_only: OrderedDict[str, None] = OrderedDict()

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
        return model not in self._text_only

    def refused_local_tools(self, model: str) -> None:
        """The site refused tools on its channel, or the model called one in its text all the same."""
        self._text_only[model] = None
        self._text_only.move_to_end(model)
        if len(self._text_only) > MOST_MODELS:
            self._text_only.popitem(last=False)

    def _of(self, model: str) -> set[Form]:
        return self._intercepted.get(model, set())
