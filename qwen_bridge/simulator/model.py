"""The model behind the simulator: a pure function of the path, the message and a seed.

It follows a few orders written in plain English, wherever they stand in the message; where there are several the
last one counts, because a rendered transcript has the present question at its end:

=====================================================  =========================================================
order                                                  answer
=====================================================  =========================================================
invent a number                                        `The number is NNNNNN.`, six digits made from the seed
repeat the number · what number did you …              `The number was NNNNNN.` or `I have not said a number.`
what did I say · recall what the user said             the user's earlier words, quoted
remember: X                                            a promise
what should you remember                               every X the user said
call tool NAME with {json} [in DIALECT]                the call in that dialect, `hermes` when none is named
count to N                                             `1 2 3 … N`
say nothing                                            an empty answer
think about X                                          an answer with reasoning
(a `<tool_response>` after the last order)             what the tool said, quoted
anything else                                          the length, beginning and end of the question
=====================================================  =========================================================

"repeat the number" is the test of the conversation's thread: it looks at what *it* said on the path. Only where it
has said nothing of the kind it looks into the users' texts, where a rendered transcript may repeat its words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from qwen_bridge.simulator.dialects import DIALECTS, write_call
from qwen_bridge.simulator.plan import Plan

_QUOTE_LIMIT = 2000
_COUNT_LIMIT = 20_000
_SAID_NUMBER = re.compile(r"The number (?:is|was) (\d{6})\.")
_FACT = re.compile(r"remember:[ \t]*(\S[^\n]*)", re.IGNORECASE)
_IN_DIALECT = re.compile(rf"\s*in\s+({'|'.join(DIALECTS)})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """One node of the path as the model sees it: who spoke, and the text with that of the attached files."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class _Question:
    context: Sequence[Said]
    message: str
    seed: str
    match: re.Match[str]

    @property
    def before(self) -> str:
        """What stands in the message before the order."""
        return self.message[: self.match.start()].strip()

    def user_texts(self) -> list[str]:
        return [said.text for said in self.context if said.role == "user"]


def answer(context: Sequence[Said], message: str, seed: str, *, thinking: bool = False) -> Plan:
    """What the model says to `message` after `context` (root first); `seed` is the id of the answer.

    With `thinking` there is reasoning also where the message does not ask for it.
    """
    plan = _follow(context, message, seed)
    if thinking and not plan.reasoning:
        plan = replace(plan, reasoning=_reasoning(_shorten(message, 40)))
    return plan


def number_of(seed: str) -> str:
    """The six digits that belong to the answer with the id `seed`."""
    digest = blake2b(seed.encode("utf-8", "replace"), digest_size=8).digest()
    return str(100_000 + int.from_bytes(digest) % 900_000)


def _follow(context: Sequence[Said], message: str, seed: str) -> Plan:
    found: tuple[int, re.Match[str], Callable[[_Question], Plan]] | None = None
    for pattern, obey in _ORDERS:
        last = max(pattern.finditer(message), key=re.Match[str].start, default=None)
        if last is not None and (found is None or last.start() > found[0]):
            found = (last.start(), last, obey)
    if found is None:
        return Plan(text=_echo(message))
    return found[2](_Question(context, message, seed, found[1]))


def _invent(question: _Question) -> Plan:
    return Plan(text=f"The number is {number_of(question.seed)}.")


def _repeat(question: _Question) -> Plan:
    own = [said.text for said in question.context if said.role == "assistant"]
    for texts in (own, [*question.user_texts(), question.message]):
        for text in reversed(texts):
            numbers = _SAID_NUMBER.findall(text)
            if numbers:
                return Plan(text=f"The number was {numbers[-1]}.")
    return Plan(text="I have not said a number.")


def _recall(question: _Question) -> Plan:
    texts = [*question.user_texts(), question.before]
    quotes = [f'"{_shorten(text, 200)}"' for text in texts if text.strip()]
    if not quotes:
        return Plan(text="You have not said anything before.")
    return Plan(text=_shorten("You said: " + " and then ".join(quotes), _QUOTE_LIMIT))


def _promise(question: _Question) -> Plan:
    return Plan(text=f"I will remember: {_shorten(question.match.group(1).strip(), 200)}")


def _facts(question: _Question) -> Plan:
    texts = [*question.user_texts(), question.before]
    facts = dict.fromkeys(fact.strip() for text in texts for fact in _FACT.findall(text))
    if not facts:
        return Plan(text="You have not told me to remember anything.")
    return Plan(text=_shorten("You told me to remember: " + "; ".join(facts), _QUOTE_LIMIT))


def _call(question: _Question) -> Plan:
    arguments, rest = _arguments(question.message, question.match)
    named = _IN_DIALECT.match(question.message, rest)
    dialect = named.group(1).lower() if named else "hermes"
    name = question.match.group(1)
    return Plan(text=write_call(dialect, name, arguments), dialect=dialect, called=(name, arguments))


def _arguments(message: str, match: re.Match[str]) -> tuple[dict[str, Any], int]:
    """The JSON object after `with`, and where it ends; `{}` when there is none or it cannot be read."""
    opening = match.end()
    if match.group(2) is None:
        return {}, opening
    try:
        value, end = json.JSONDecoder().raw_decode(message, opening)
    except ValueError:
        return {}, opening
    return (value if isinstance(value, dict) else {}), end


def _count(question: _Question) -> Plan:
    last = min(int(question.match.group(1)[:6]), _COUNT_LIMIT)
    return Plan(text=" ".join(map(str, range(1, last + 1))))


def _nothing(question: _Question) -> Plan:
    return Plan()


def _think(question: _Question) -> Plan:
    subject = _shorten(question.match.group(1).strip() or "nothing", 60)
    return Plan(reasoning=_reasoning(subject), text=f"I have thought about {subject}.")


def _tool_result(question: _Question) -> Plan:
    result = question.message[question.match.end() :].partition("</tool_response>")[0]
    return Plan(text=f"The tool said: {_shorten(result.strip(), 300)}")


def _reasoning(subject: str) -> str:
    return f"The question is about {subject}.\n\nIt has two sides, and both are short."


def _echo(message: str) -> str:
    words = " ".join(message.split())
    if not words:
        return "You sent an empty message. What can I do for you?"
    said = f'Your message has {len(message)} characters and begins with "{_shorten(words, 40)}"'
    if len(words) > 40:
        said += f' and ends with "{words[-40:]}"'
    return said + ". What else can I do for you?"


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


_ORDERS: tuple[tuple[re.Pattern[str], Callable[[_Question], Plan]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), obey)
    for pattern, obey in (
        (r"invent a (?:random )?(?:6-digit |six-digit )?number", _invent),
        (r"repeat the number|wh(?:at|ich) number did you", _repeat),
        (r"what did i say|recall what the user said", _recall),
        (r"what should you remember", _facts),
        (_FACT.pattern, _promise),
        (r"call tool ([^\s{]+)(\s+with\s+(?=\{))?", _call),
        (r"count to (\d+)", _count),
        (r"say nothing", _nothing),
        (r"think about ([^\n]*)", _think),
        (r"<tool_response>", _tool_result),
    )
)
