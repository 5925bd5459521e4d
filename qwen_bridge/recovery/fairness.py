"""A queue that takes turns: between clients first, then between the conversations of one client.

In a plain queue one program with nine hundred requests keeps everybody else waiting for nine hundred answers. Here each
ticket stands in a lane of lanes (who sent it, for which conversation), and whoever is served goes to the end of the
round on every level. Within the last lane the order is that of coming.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence


class _Round:
    """Members in the order in which they will be served; a member is a ticket (None) or a round of its own."""

    __slots__ = ("members", "size")

    def __init__(self) -> None:
        self.members: OrderedDict[str, _Round | None] = OrderedDict()
        self.size = 0


class FairQueue:
    """Waiting tickets. `push`, `pop` and `remove` cost as many steps as there are levels."""

    def __init__(self) -> None:
        self._top = _Round()
        self._lanes: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return self._top.size

    def __contains__(self, ticket: str) -> bool:
        return ticket in self._lanes

    def push(self, ticket: str, lane: Sequence[str]) -> None:
        """Take a place at the end of `lane`, which is named from the outermost round inwards.

        All lanes of one queue are equally deep. A ticket that waits already keeps its place.
        """
        if ticket in self._lanes:
            return
        self._lanes[ticket] = path = tuple(lane)
        here = self._top
        for name in path:
            here.size += 1
            inner = here.members.get(name)
            if inner is None:
                inner = here.members[name] = _Round()
            here = inner
        here.size += 1
        here.members[ticket] = None

    def pop(self) -> str:
        """The ticket whose turn it is; it waits no longer. Raises `KeyError` when nobody waits."""
        here, path = self._top, []
        while True:
            if not here.members:
                raise KeyError("nobody waits")
            name = next(iter(here.members))
            inner = here.members[name]
            if inner is None:
                self._drop(name)
                break
            path.append((here, name))
            here = inner
        for level, lane in path:
            if lane in level.members:
                level.members.move_to_end(lane)
        return name

    def remove(self, ticket: str) -> bool:
        """Forget a ticket; whether it waited here."""
        if ticket not in self._lanes:
            return False
        self._drop(ticket)
        return True

    def displaced_by(self, lane: Sequence[str]) -> str | None:
        """The ticket that has to make room, where there is none, for one more in `lane`; it is forgotten.

        It is the last of the outermost lane that holds most. None when `lane` would then hold as many: the newcomer
        itself has to go.
        """
        sizes = {name: 1 if inner is None else inner.size for name, inner in self._top.members.items()}
        most = max(sizes, key=lambda name: sizes[name], default=None)
        if most is None or sizes.get(lane[0] if lane else "", 0) + 1 >= sizes[most]:
            return None
        name, inner = most, self._top.members[most]
        while inner is not None:
            name, inner = next(reversed(inner.members.items()))
        self._drop(name)
        return name

    def ahead(self, ticket: str) -> int:
        """How many are served before `ticket` if nobody else comes. Costs a step for each lane beside its own."""
        before = 0  # those served before it in the rounds below
        for level, name in self._way(ticket):
            turns, before, passed = before, 0, False
            for member, inner in level.members.items():
                if member == name:
                    before, passed = before + turns, True
                else:
                    before += min(1 if inner is None else inner.size, turns + (not passed))
        return before

    def _way(self, ticket: str) -> list[tuple[_Round, str]]:
        """The rounds that the ticket stands in, from the inside outwards, each with the member that it is there."""
        lane = self._lanes[ticket]
        way, here = [], self._top
        for name in lane:
            way.append((here, name))
            inner = here.members[name]
            assert inner is not None
            here = inner
        return [(here, ticket), *reversed(way)]

    def _drop(self, ticket: str) -> None:
        for level, name in self._way(ticket):
            level.size -= 1
            inner = level.members[name]
            if inner is None or not inner.size:
                del level.members[name]
        del self._lanes[ticket]
