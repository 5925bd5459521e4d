"""The state of one simulated service."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from qwen_bridge.ports import Clock
from qwen_bridge.simulator.frames import Age
from qwen_bridge.simulator.generation import Generation, State
from qwen_bridge.simulator.ids import CountedIds
from qwen_bridge.simulator.ledger import Ledger
from qwen_bridge.simulator.script import Entry, ScriptError, Target, read_script
from qwen_bridge.simulator.tree import Chats
from qwen_bridge.simulator.uploads import Uploads

_SCRIPT_LIMIT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the service is.

    `pace`: events per second where a script does not say, None for no pause. `accounts`: value of the cookie `token`
    → account. `umid`: the one right `bx-umidtoken`. `max_streams`: streams an account may have at once, None for any
    number (for benches). `age`: of the frames (`frames.py`). `body_limit`: bytes of a request body. `local_mcp`:
    whether clients may declare tools of their own. `seed`: of ids.
    """

    pace: float | None = None
    accounts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({"sim-token": "simulated-user"}))
    umid: str = "sim-umid"
    max_streams: int | None = 2
    age: Age = "B"
    body_limit: int = 128 * 1024
    local_mcp: bool = True
    seed: str = "simulator"


class World:
    """Chats, files, script, ledger and the answers being given."""

    __slots__ = (
        "_script",
        "base_url",
        "chats",
        "clock",
        "ids",
        "ledger",
        "passed",
        "punished",
        "running",
        "settings",
        "signed_in",
        "uploads",
    )

    def __init__(self, settings: Settings, clock: Clock, base_url: str = "http://127.0.0.1") -> None:
        self.settings = settings
        self.clock = clock
        self.base_url = base_url
        self.ids = CountedIds(settings.seed)
        self.chats = Chats()
        self.uploads = Uploads()
        self.ledger = Ledger()
        self.signed_in: dict[str, str] = {}
        """Token → account, of those who signed in on the page."""
        self.punished: set[str] = set()
        """Accounts of which the firewall wants a check."""
        self.passed: set[str] = set()
        """Values of the cookie that says that one was passed."""
        self.running: dict[str, tuple[str, Generation]] = {}
        self._script: dict[Target, deque[Entry]] = {"completions": deque(), "chats/new": deque()}

    def queue(self, script: object) -> int:
        """Add a script; return how many answers now wait. Raises `ScriptError`."""
        entries = read_script(script)
        waiting = sum(map(len, self._script.values())) + len(entries)
        if waiting > _SCRIPT_LIMIT:
            raise ScriptError(f"more than {_SCRIPT_LIMIT} answers wait")
        for entry in entries:
            self._script[entry.on].append(entry)
        return waiting

    def peek(self, target: Target = "completions") -> Entry | None:
        """The entry that the next request gets; it stays."""
        script = self._script[target]
        return script[0] if script else None

    def take_entry(self, target: Target = "completions") -> Entry:
        """The entry for this request; an empty one, which leaves all to the model, when there is no script."""
        script = self._script[target]
        return script.popleft() if script else Entry()

    def busy(self, chat_id: str) -> bool:
        """Whether an answer is being given in the chat."""
        return chat_id in self.running

    def streams_of(self, account: str) -> int:
        return sum(1 for owner, _ in self.running.values() if owner == account)

    def run(self, chat_id: str, account: str, generation: Generation) -> None:
        """Hold the chat until the answer is over."""
        if generation.state is State.RUNNING:
            self.running[chat_id] = (account, generation)

    def release(self, chat_id: str) -> None:
        """The answer in this chat is over."""
        self.running.pop(chat_id, None)

    def stop(self, chat_ids: Sequence[str]) -> None:
        """End what is being said in these chats."""
        for chat_id in chat_ids:
            held = self.running.get(chat_id)
            if held is not None:
                held[1].stop()

    def reset(self) -> None:
        """Forget everything but the count of ids: what a client remembers must not come to mean another chat."""
        self.stop(list(self.running))
        self.running.clear()
        for known in (self.signed_in, self.punished, self.passed):
            known.clear()
        for script in self._script.values():
            script.clear()
        self.chats.clear()
        self.uploads.clear()
        self.ledger.clear()
