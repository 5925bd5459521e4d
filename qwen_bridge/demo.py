"""`qwen-bridge demo`: a simulated Qwen, the bridge, and a short conversation by the OpenAI SDK, on one screen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from qwen_bridge.simulator.server import Simulator

HOST = "127.0.0.1"
QUESTIONS = ("Please invent a number.", "Thank you. How are you?", "Now repeat the number you printed.")
SESSION = {
    "QWEN_TOKEN": "sim-token",
    "QWEN_BX_UMIDTOKEN": "sim-umid",
    "QWEN_USER_AGENT": "Mozilla/5.0 (the simulator takes any browser)",
}

out = Console(highlight=False)


def hold(keep: bool) -> None:
    """Hold the conversation; with `keep`, stay up afterwards until interrupted. Exits with 1 and a hint on failure."""
    if find_spec("openai") is None:  # asked first, so that nothing is started in vain
        sys.exit("The demo talks through the OpenAI SDK: install it with `pip install openai`, or use scripts/demo.")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_hold(keep))


async def _hold(keep: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="qwen-bridge-demo-") as folder:
        async with Simulator(pace=60) as simulator, _bridge(simulator.url, Path(folder)) as port:
            out.print(f"Simulated Qwen  {simulator.url}\nBridge          http://{HOST}:{port}/v1\n", style="dim")
            await _converse(port)
            _explain(simulator)
            if keep:
                out.print(f"\nStaying up. Point any OpenAI client at [bold]http://{HOST}:{port}/v1[/] (any API key).")
                out.print("Ctrl-C ends it.")
                await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def _bridge(upstream: str, state: Path) -> AsyncIterator[int]:
    """The bridge as a process of its own, as a user runs it."""
    port = _free_port()
    command = [sys.executable, "-m", "qwen_bridge.cli", "run", "--port", str(port)]
    command += ["--upstream", upstream, "--state", str(state), "--set", f"confdir={state / 'mitmproxy'}"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QWEN_")}
    log = state / "bridge.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output, env={**clean, **SESSION})
    try:
        await _listening(port, process, log)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _converse(port: int) -> None:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=f"http://{HOST}:{port}/v1", api_key="sk-demo")
    history: list[Any] = []
    for question in QUESTIONS:
        out.print(f"[bold cyan]you [/]  {question}")
        history.append({"role": "user", "content": question})
        out.print("[bold green]qwen[/]  ", end="")
        words = []
        async for chunk in await client.chat.completions.create(model="gpt-4o", messages=history, stream=True):
            piece = chunk.choices[0].delta.content or "" if chunk.choices else ""
            out.print(piece, end="", markup=False, soft_wrap=True)
            words.append(piece)
        out.print("\n")
        history.append({"role": "assistant", "content": "".join(words)})


def _explain(simulator: Simulator) -> None:
    """What Qwen received: the point of the bridge, read from the simulator's ledger."""
    out.print("What Qwen received, turn by turn:", style="dim")
    for number, turn in enumerate(simulator.ledger.to_json()["turns"], 1):
        where = f"after answer {turn['parent_id'][:8]}" if turn["parent_id"] else "in a new chat"
        out.print(
            f"  {number}. one message of {len(turn['message'])} characters {where} "
            f"(chat {turn['chat_id'][:8]}, {len(turn['context'])} earlier messages in sight)",
            style="dim",
            soft_wrap=True,
        )


async def _listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            return
        if process.returncode is not None:
            sys.exit(f"The bridge did not start:\n{_read(log)}")
        await asyncio.sleep(0.1)
    sys.exit("The bridge did not start within 30 seconds.")


def _read(log: Path) -> str:
    return log.read_text(errors="replace")


def _free_port() -> int:
    """The bridge's usual port where it is free, any other one otherwise."""
    for wanted in (8080, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, wanted))
            return int(probe.getsockname()[1])
    sys.exit("There is no free port on this machine.")
