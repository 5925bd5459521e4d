"""What a growing conversation costs upstream, turn by turn, against sending all of it each time.

`scripts/contexts --growth` prints the table. The conversation is an agent's: 39 KB of instructions and task in the
first turn, then an answer with a call and a result of some 3 KB each turn, and a clock in the instructions. The other
side of the comparison is the same bridge without a memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qwen_bridge.simulator.ledger import Turn
from qwen_bridge.simulator.server import Simulator
from tests.harness.editor import Editor, bridge_to

TURNS = 20
FIRST = 39 * 1024
"""Bytes of instructions and task."""


@dataclass(frozen=True)
class Cost:
    """Bytes sent to Qwen for one turn: of the request's body and of the files uploaded for it."""

    continued: int
    resent: int


def instructions(turn: int) -> str:
    """30 KB of rules, and the time."""
    rules = "\n".join(f"Rule {n}: prefer small steps, read before you write, explain what you did." for n in range(410))
    return f"You are a coding agent.\n{rules}\nCurrent time: 10:{turn:02}"


def question(turn: int) -> str:
    """What the client adds in one turn."""
    if turn == 0:
        return "Task: repair the parser. " * ((FIRST - len(instructions(0))) // 25)
    listing = "\n".join(f"{number:4} | def function_{number}(value): return value + {turn}" for number in range(60))
    return (
        f"[read_file for 'module_{turn}.py'] Result:\n{listing}\n<environment_details>turn {turn}</environment_details>"
    )


def sent(turns: Sequence[Turn]) -> list[int]:
    """Bytes of body and files, turn by turn."""
    return [turn.request_bytes + sum(len(file["text"].encode()) for file in turn.files) for turn in turns]


async def measured(turns: int = TURNS) -> list[Cost]:
    """The conversation, held once with a memory and once without."""
    columns: list[list[int]] = []
    for remembers in (True, False):
        async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
            history: list[dict[str, Any]] = []
            for turn in range(turns):
                # Another API key is a stranger, for whom nothing is remembered.
                editor = Editor(bridge, simulator.url, key="sk-mine" if remembers else f"sk-{turn}")
                editor.history = [{"role": "system", "content": instructions(turn)}, *history]
                await editor.say(question(turn))
                history = editor.history[1:]
            columns.append(sent(simulator.ledger.turns))
    return [Cost(*row) for row in zip(*columns, strict=True)]


def table(costs: Sequence[Cost]) -> str:
    """The figures as lines of a table, with the sum behind them."""
    lines = ["turn | continued, bytes | sent whole, bytes | share", "---: | ---: | ---: | ---:"]
    rows = [(str(number), cost) for number, cost in enumerate(costs, 1)]
    rows.append(("all", Cost(sum(c.continued for c in costs), sum(c.resent for c in costs))))
    lines += [
        f"{name} | {cost.continued:,} | {cost.resent:,} | {cost.continued / cost.resent:.1%}" for name, cost in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(asyncio.run(measured())))
