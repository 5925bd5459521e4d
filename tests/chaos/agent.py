"""A client that lives through one conversation after another: grows, edits, forks, retries, hangs up, runs tools.

Every order it gives to the model carries a marker that is used once, so that an answer can be told to belong to it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Sequence
from typing import Any

from tests.chaos.line import Line, Outcome
from tests.chaos.reading import Key, Said
from tests.chaos.record import Record

type Message = dict[str, Any]

MARKER = re.compile(r"\bmk\d+x\d+\b")
LONGEST = 14
"""Messages after which a conversation is left for a new one."""
RETRIES = 3
STEPS = 4
"""Calls in a row at most."""
TRIALS = 20
"""Requests at most to an account whose rest after a captcha may not be over yet."""


def tool(name: str, *keys: str) -> dict[str, Any]:
    properties = {key: {"type": "string"} for key in keys}
    schema = {"type": "object", "properties": properties, "required": list(keys)}
    return {"type": "function", "function": {"name": name, "description": f"{name}.", "parameters": schema}}


TOOLS = [tool("read_file", "path"), tool("write_file", "path", "content"), tool("run", "command")]


class Agent:
    """One of the fifty. `pause` is its time to think, in seconds; `over` ends it after the turn it is in."""

    def __init__(
        self,
        number: int,
        line: Line,
        record: Record,
        seed: str,
        *,
        pause: tuple[float, float] = (0.1, 1.5),
        longest: int = LONGEST,
    ) -> None:
        self.over = False
        self._pause = pause
        self._longest = longest
        self._number = number
        self._line = line
        self._record = record
        self._chance = random.Random(f"{seed}/agent/{number}")
        self._orders = 0
        self._ordered: dict[str, tuple[str, str]] = {}  # marker → the call that was ordered
        self._history: list[Message] = []
        self._system: str | None = None
        self._uses_tools = number % 3 != 0
        self._model = "gpt-4o" if number % 2 else "qwen3-coder-plus"

    @property
    def who(self) -> str:
        return f"client {self._number}"

    async def live(self) -> None:
        """Talk until `over`."""
        await asyncio.sleep(self._chance.random() * 2)
        while not self.over:
            await self._turn()
            await asyncio.sleep(self._chance.uniform(*self._pause))

    async def last_turn(self) -> None:
        """When all is quiet again, everybody must get an answer."""
        self._history = [*self._history, {"role": "user", "content": self._order(plain=True)}]
        outcome, _ = await self._asked(self._history, leaves=False)
        for _ in range(TRIALS):
            if outcome.code != "qwen_challenge":
                break
            await asyncio.sleep(1.0)  # behind a rest one request goes first, and all others wait for its verdict
            outcome, _ = await self._asked(self._history, leaves=False)
        if outcome.end != "answer":
            self._record.complain("no recovery", f"{self.who}: {outcome.end} {outcome.code} after the last fault")
        await self._line.close()

    # -- what a client does ------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        if not self._history or len(self._history) > self._longest:
            self._begin()
        drawn = self._chance.random()
        answers = [at for at, message in enumerate(self._history) if message["role"] == "assistant"]
        if answers and drawn < 0.08:  # an earlier question has other words now
            at = self._chance.choice(range(0, len(self._history), 2) or [0])
            self._history = self._history[:at] if self._history[at]["role"] == "user" else self._history
        elif answers and drawn < 0.14:  # back to an earlier answer without a call, and on from there
            ends = [at for at in answers if "tool_calls" not in self._history[at]]
            self._history = self._history[: self._chance.choice(ends) + 1] if ends else self._history
        elif answers and drawn < 0.18:
            await self._twice()
            return
        elif self._system is not None and drawn < 0.3:
            self._system = f"Client {self._number}. It is {self._orders} o'clock.\nBe exact.\nBe kind."
        words = "Here is a log. " + "x " * 47_000 if drawn > 0.995 else f"Question {self._orders} of {self.who}."
        await self._loop([*self._history, {"role": "user", "content": f"{words}\n{self._order()}"}])

    def _begin(self) -> None:
        self._history = []
        self._system = f"Client {self._number}.\nBe exact.\nBe kind." if self._chance.random() < 0.5 else None

    async def _twice(self) -> None:
        """Two questions to one history at once; the first is kept."""
        both = [[*self._history, {"role": "user", "content": self._order(plain=True)}] for _ in range(2)]
        outcomes = await asyncio.gather(*(self._asked(history, leaves=False) for history in both))
        if outcomes[0][0].end == "answer":
            self._history = [*both[0], {"role": "assistant", "content": outcomes[0][0].said.text}]

    async def _loop(self, history: list[Message]) -> None:
        """Ask, run what is called, ask again, until there are words, or nothing helps."""
        failures = 0
        for _ in range(STEPS + RETRIES):
            outcome, _ = await self._asked(history)
            match outcome.end:
                case "answer":
                    failures = 0
                    history = [*history, *self._kept(outcome)]
                    self._history = history
                    if not outcome.said.calls:
                        return
                case "left" | "broken off" if outcome.said.text and self._chance.random() < 0.5:
                    partly = {"role": "assistant", "content": outcome.said.text}
                    self._history = [*history, partly]
                    return
                case _:
                    failures += 1
                    if failures > RETRIES or self.over:
                        return
                    await asyncio.sleep(self._chance.uniform(0.2, 1.0))

    def _kept(self, outcome: Outcome) -> Sequence[Message]:
        """An answer, and the results of its calls, as agents put them into their history."""
        message: Message = {"role": "assistant", "content": outcome.said.text or None}
        results: list[Message] = []
        if outcome.said.calls:
            message["tool_calls"] = []
        for id_, (name, arguments) in zip(outcome.call_ids, outcome.said.calls, strict=True):
            marker = MARKER.search(arguments)
            if marker is None or self._ordered.get(marker[0], ("",))[0] != name:
                self._record.complain("a call nobody ordered", f"{self.who}: {name} {arguments}")
            else:
                self._record.executes(self.who, marker[0], arguments, self._ordered[marker[0]][1])
            function = {"name": name, "arguments": json.dumps(json.loads(arguments))}
            message["tool_calls"].append({"id": id_, "type": "function", "function": function})
            content = f"result of {name}, {self._orders}\n{self._order()}"
            results.append({"role": "tool", "tool_call_id": id_, "content": content})
        return [message, *results]

    # -- one request -------------------------------------------------------------------------------------------------

    async def _asked(self, history: list[Message], *, leaves: bool = True) -> tuple[Outcome, Key]:
        system = [{"role": "system", "content": self._system}] if self._system else []
        messages = [*system, *history]
        stream = self._chance.random() < 0.7
        body: dict[str, Any] = {"model": self._model, "messages": messages, "stream": stream}
        if self._uses_tools:
            body["tools"] = TOOLS
        if stream and self._chance.random() < 0.6:
            body["stream_options"] = {"include_usage": True}
        leave_after = self._chance.choice([1, 400, 2000]) if leaves and self._chance.random() < 0.08 else None
        key = self._record.asks(self.who, messages)
        outcome = await self._line.ask(body, leave_after)
        if outcome.end == "answer":
            calls = tuple((name, json.dumps(json.loads(args), sort_keys=True)) for name, args in outcome.said.calls)
            self._record.hears(self.who, key, Said(outcome.said.text.strip(), calls))
        self._belongs(outcome)
        return outcome, key

    def _belongs(self, outcome: Outcome) -> None:
        """No word of another conversation stands in an answer."""
        text = outcome.said.text + "".join(arguments for _, arguments in outcome.said.calls)
        strange = [found for found in MARKER.findall(text) if not found.startswith(f"mk{self._number}x")]
        if strange:
            self._record.complain("a mixed stream", f"{self.who}: {strange} in {text[:300]!r}")

    def _order(self, *, plain: bool = False) -> str:
        """Words that the simulated model obeys, with a new marker in them."""
        self._orders += 1
        marker = f"mk{self._number}x{self._orders}"
        kind = "say" if plain else self._chance.choice(["say", "say", "think", "count", "call", "call", "call"])
        if kind == "call" and self._uses_tools:
            name, arguments = self._chance.choice(
                [
                    ("read_file", {"path": f"{marker}.py"}),
                    ("write_file", {"path": "a.py", "content": f'if a < 3 and b > 2: # {marker}\n    print("</x>")'}),
                    ("run", {"command": f"echo '{marker}' && true"}),
                ]
            )
            written = json.dumps(arguments)
            self._ordered[marker] = (name, written)
            return f"call tool {name} with {written} in {self._chance.choice(['hermes', 'qwen_xml'])}"
        if kind == "think":
            return f"think about {marker}"
        if kind == "count":
            return f"{marker}, count to {self._chance.choice([20, 100, 250])}"
        return f"remember: {marker} {'is the word ' * self._chance.choice([0, 1, 8])}".rstrip()
