"""How the bridge ends when it is told to: nothing new, what runs may finish, the rest is told, all is written down.

mitmproxy ends at the first SIGTERM or Ctrl-C, whatever it is doing, and a client then sees a cut stream, which looks
like a network fault in the middle of a thought. So the addon takes the two signals over, where mitmproxy has put its
own handlers in place, and lets mitmproxy end when it is done. A second signal ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping

import structlog
from mitmproxy import ctx

from qwen_bridge.errors import ShuttingDown
from qwen_bridge.proxy.turn import Turn

log = structlog.get_logger("qwen_bridge")

LOOK = 0.05
"""Seconds between two looks at whether answers still run."""

GRACE = 3.0
"""Seconds for the last words to the clients, and as many to stop what Qwen still writes and to close the store."""

AGAIN = 5.0
"""Seconds after which a client is told to come again."""


class Ending:
    """The end of one addon. `turns` are the requests that are under way, `close` closes what they used."""

    def __init__(self, turns: Mapping[str, Turn], close: Callable[[], Awaitable[None]]) -> None:
        self.patience = 0.0
        """Seconds for which running answers may go on."""
        self._turns = turns
        self._close = close
        self._begun = False
        self._task: asyncio.Task[None] | None = None

    def take_over_signals(self) -> None:
        """Stand in for mitmproxy's own handlers. Where it has none (a master in somebody else's program) do nothing."""
        loop = asyncio.get_running_loop()
        numbers = [signal.SIGTERM]
        if not hasattr(ctx.master, "prompt_for_exit"):  # the console asks before it ends, and then ends by itself
            numbers.append(signal.SIGINT)
        for number in numbers:
            with contextlib.suppress(NotImplementedError):  # Windows: mitmproxy's own way stays
                if loop.remove_signal_handler(number):
                    loop.add_signal_handler(number, self.begin)

    def begin(self) -> None:
        """End in good order; told a second time, end at once."""
        if not self._begun:
            self._begun = True  # before the task: under mitmproxy it runs at once, and only then has a name
            self._task = asyncio.get_running_loop().create_task(self._end())
        else:
            ctx.master.shutdown()

    def refusal(self) -> ShuttingDown | None:
        """What a new request is told, once the end has begun."""
        if not self._begun:
            return None
        return ShuttingDown("The bridge is about to end, and takes no more requests. Try again.", retry_after=AGAIN)

    async def _end(self) -> None:
        try:
            log.info("the bridge ends", running=len(self._turns), patience=self.patience)
            self._tell(lambda turn: turn.waits)
            await self._quiet(self.patience)
            self._tell(lambda _: True)
            await self._quiet(GRACE)
            async with asyncio.timeout(GRACE):
                await self._close()
        except Exception:
            # Whatever it was, it must not keep the process from ending.
            log.exception("the bridge did not end in good order")
        finally:
            ctx.master.shutdown()

    def _tell(self, which: Callable[[Turn], bool]) -> None:
        refusal = self.refusal()
        for turn in list(self._turns.values()):
            if refusal is not None and which(turn):
                turn.end(refusal)

    async def _quiet(self, seconds: float) -> None:
        """Wait until nothing is under way, but not for longer than `seconds`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._turns and loop.time() < until:  # noqa: ASYNC110  (turns end in a dozen places)
            await asyncio.sleep(LOOK)
