"""What was done to each call, for logs, counters and content views."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qwen_bridge.toolcalls.policy import Decision, Reason, Verdict

_NAMEABLE = re.compile(r"[\w.\-:/]{1,80}")
"""A name that may stand in a log; anything else could be somebody's words."""


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call: the tool's name ("" if it named none), the dialect, the repairs in order, and what became of it.

    `arguments` are the client's data: they never go to a log.
    """

    name: str
    dialect: str
    repairs: tuple[str, ...]
    decision: Decision
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def released(self) -> bool:
        return self.decision.verdict is Verdict.RELEASED

    def line(self) -> str:
        """One line for a log: `write_file qwen3_coder_xml withheld (was cut off) repairs=param.closer`."""
        name = self.name if _NAMEABLE.fullmatch(self.name) else "?"
        words = [name, self.dialect, self.decision.verdict.value]
        if self.decision.reason is not None:
            words.append(f"({self.decision.reason.value})")
        if self.repairs:
            words.append(f"repairs={','.join(self.repairs)}")
        return " ".join(words)


@dataclass(slots=True)
class Report:
    """All calls of one answer, and the tools that the site refused by itself ("Tool X does not exists.")."""

    calls: list[CallReport] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def released(self) -> Sequence[CallReport]:
        return [call for call in self.calls if call.released]

    @property
    def withheld(self) -> Sequence[CallReport]:
        return [call for call in self.calls if not call.released]

    @property
    def cut(self) -> bool:
        """Whether a call was cut off: then the answer ended with `length`, and no sooner.

        A call that was refused (an undeclared tool, two readings) is another matter: the answer is complete. Clients
        take `length` at its word: Cline shortens its history, qwen-code asks anew, openai-python's stream
        helper raises.
        """
        return any(call.decision.reason is not None and call.decision.reason.cut for call in self.withheld)

    @property
    def must_ask_again(self) -> Reason | None:
        """Why the answer is worth asking for once more, if nothing of it was shown; None if it is not."""
        if self.released:
            return None
        if self.withheld:
            return self.withheld[-1].decision.reason
        return Reason.INTERCEPTED if self.refused else None

    def lines(self) -> list[str]:
        """What a log says: a line per call, and per call that the site took for its own."""
        taken = (f"{name if _NAMEABLE.fullmatch(name) else '?'} intercepted" for name in self.refused)
        return [*(call.line() for call in self.calls), *taken]

    def counters(self) -> Counter[tuple[str, str]]:
        """(kind, value) → how often: kinds are `dialect`, `repair`, `verdict` and `reason`."""
        counted: Counter[tuple[str, str]] = Counter()
        for call in self.calls:
            counted["dialect", call.dialect] += 1
            counted["verdict", call.decision.verdict.value] += 1
            counted.update(("repair", repair) for repair in call.repairs)
            if call.decision.reason is not None:
                counted["reason", call.decision.reason.name.lower()] += 1
        counted["reason", "intercepted"] += len(self.refused)
        return +counted
