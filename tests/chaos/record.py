"""What a run has seen, and what of it is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.reading import NOT_RUN, Key, Said, context_key, history_key, said_by

MOST = 40
"""Complaints that are kept of one kind."""


@dataclass
class Record:
    """Counts by name, and complaints in words."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    _kinds: Counter[str] = field(default_factory=Counter)
    _asked: dict[Key, str] = field(default_factory=dict)
    _answers: list[tuple[str, Key, Said]] = field(default_factory=list)
    _delivered: Counter[str] = field(default_factory=Counter)

    def complain(self, kind: str, detail: str) -> None:
        self._kinds[kind] += 1
        if self._kinds[kind] <= MOST:
            self.wrong.append(f"{kind}: {detail[:1500]}")

    def asks(self, who: str, messages: Iterable[Mapping[str, Any]]) -> Key:
        """A request is about to be sent."""
        key = history_key(messages)
        self._asked.setdefault(key, who)
        self.counts["requests"] += 1
        return key

    def hears(self, who: str, key: Key, said: Said) -> None:
        """A client has a whole answer."""
        self.counts["answers"] += 1
        self._answers.append((who, key, said))

    def executes(self, who: str, marker: str, arguments: str, ordered: str) -> None:
        """A client runs a call. `marker` is unique to the order that led to it."""
        self.counts["calls run"] += 1
        self._delivered[marker] += 1
        if self._delivered[marker] > 1:
            self.complain("a call twice", f"{who} {marker}")
        if json.loads(arguments) != json.loads(ordered):
            self.complain("a call that is not whole", f"{who} {marker}: {arguments}, ordered {ordered}")

    def held_against(self, turns: Iterable[Mapping[str, Any]]) -> None:
        """Hold everything against Qwen's ledger: contexts, and what was said in each."""
        said: dict[Key, set[Said]] = {}
        for turn in turns:
            self.counts["turns at Qwen"] += 1
            try:
                key = context_key(turn)
            except (AssertionError, LookupError, ValueError) as error:
                self.complain("a context that cannot be read", f"{error!r} in {turn['message'][:300]!r}")
                continue
            if key not in self._asked:
                self.complain("a wrong context", f"{key}\nmessage: {turn['message'][:600]!r}")
            said.setdefault(key, set()).add(said_by(turn["answer"]))
        for who, key, answer in self._answers:
            if NOT_RUN.search(answer.text):
                self.counts["calls that were not run, and said so"] += 1
            elif answer not in said.get(key, ()):
                self.complain("an answer that Qwen has not given", f"{who}: {answer}, but {said.get(key)}")
