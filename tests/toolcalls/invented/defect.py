"""What a defect is: a name from the taxonomy, the dialects it happens to, and what the policy wants of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from qwen_bridge.toolcalls.catalogue import HARMLESS, fold
from tests.toolcalls.invented.forms import Written, raw
from tests.toolcalls.invented.material import is_body

type Want = Literal["call", "either", "none"]
"""The exact call; the exact call or none; none."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A call with a defect. `calls` is what it means where that is not the call it was made of."""

    written: Written
    want: Want = "call"
    text: str | None = None
    calls: tuple[tuple[str, dict[str, Any]], ...] | None = None

    @property
    def shown(self) -> str:
        return self.text if self.text is not None else self.written.text


@dataclass(frozen=True, slots=True)
class Defect:
    """`make` gives None where the call at hand cannot have this defect; `plain` says that others can be added."""

    name: str
    dialects: tuple[str, ...]
    make: Callable[[Written, Random], Broken | None]
    plain: bool = True


_HARMLESS = frozenset(fold(name) for name in HARMLESS)


def is_harmless(call: Written) -> bool:
    """Whether running half of it destroys nothing: the tool is on the policy's short list."""
    return fold(call.name) in _HARMLESS


def ends_in_body(call: Written) -> bool:
    """Whether the last value is a body, whose end may be in doubt."""
    last = list(call.arguments.items())[-1:]
    return any(is_body(key, one) for key, one in last)


def has_body(call: Written) -> bool:
    return any(is_body(key, one) for key, one in call.arguments.items())


def doubtful(call: Written) -> Want:
    """The call, unless its last value is a body."""
    return "either" if ends_in_body(call) else "call"


def swap(role: str, *templates: str, want: Want = "call") -> Callable[[Written, Random], Broken | None]:
    """Write the first token of a role in one of other ways; `{name}` stands for the tool, `{was}` for the token."""

    def make(call: Written, rng: Random) -> Broken | None:
        at = call.having(role)
        if not at:
            return None
        was = call.tokens[at[0]].text
        return Broken(call.with_token(at[0], rng.choice(templates).format(name=call.name, was=was)), want)

    return make


def one_of(role: str, rng: Random, call: Written) -> int | None:
    """The index of one token of a role."""
    found = call.having(role)
    return rng.choice(found) if found else None


def short_value(call: Written, rng: Random) -> int | None:
    """The index of the opener of a parameter whose value is one line of plain words."""
    fitting = [at for at in call.having("open") if is_short(call.arguments[call.tokens[at].key])]
    return rng.choice(fitting) if fitting else None


def is_short(one: Any) -> bool:
    text = raw(one)
    return isinstance(one, str) and "\n" not in text and not set(text) & set("<>\"'=/{[") and text.strip() == text != ""
