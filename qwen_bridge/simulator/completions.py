"""`POST /api/v2/chat/completions`: from a request to an answer being given.

First what lies in front of the service (the script's early faults), then the rules, then the script's entry, then the
model. What comes out is a value; the server carries it out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qwen_bridge.simulator import faults, frames, local_tools, model
from qwen_bridge.simulator.delivery import Delivery, Writes, recut
from qwen_bridge.simulator.frames import Frame, Opening
from qwen_bridge.simulator.generation import Generation, State
from qwen_bridge.simulator.ledger import Turn
from qwen_bridge.simulator.plan import Plan
from qwen_bridge.simulator.refusals import Refused
from qwen_bridge.simulator.requests import Reply, Request
from qwen_bridge.simulator.rules import Ask, read_ask
from qwen_bridge.simulator.script import Entry
from qwen_bridge.simulator.strikes import Break, strike, write_refusal
from qwen_bridge.simulator.tree import Attachment, Node
from qwen_bridge.simulator.world import World

_NODE_OF_RAW = re.compile(rb'"(parent_id|response_id)":\s*"([^"\\]+)"')


type Outcome = Reply | Break | Generation


def complete(world: World, request: Request) -> Outcome:
    """Answer one request; every request leaves a line in the ledger."""
    early = strike(world, request)
    if early is not None:
        return early
    try:
        ask = read_ask(world, request)
    except Refused as refused:
        write_refusal(world, request, refused.reason, refused.detail)
        return refused.reply(world.ids.uuid())
    entry = world.take_entry()
    row = entry.row
    if row is not None and row.refusal is not None:
        write_refusal(world, request, row.name)
        return row.refusal.reply(world.ids.uuid(), parent_id=str(ask.parent_id), detail=ask.model)
    return _Opened(world, ask, entry).answer(len(request.body))


class _Opened:
    """One answer from the moment the rules let its question in."""

    def __init__(self, world: World, ask: Ask, entry: Entry) -> None:
        self.world = world
        self.ask = ask
        self.entry = entry
        self.now = int(world.clock.now())
        self.path = ask.chat.path(ask.parent_id)
        self.user_id, self.response_id = self._ids()
        self.plan = self._plan()

    def answer(self, request_bytes: int) -> Generation | Reply:
        """Hang question and answer into the tree, write the ledger, start."""
        turn = self._turn(request_bytes)
        node = self._hang()
        generation = Generation(self._delivery(), self.response_id)

        def record(changed: Generation) -> None:
            turn.aborted = changed.aborted
            if changed.state is not State.RUNNING:
                node.text = turn.answer = changed.said
                node.done = True
                node.stopped = changed.state is State.STOPPED
                self.world.release(self.ask.chat.id)

        generation.when_changed = record
        self.world.ledger.open_turn(turn)
        if not self.ask.stream:
            generation.take()
            return self._whole(generation)
        self.world.run(self.ask.chat.id, self.ask.account, generation)
        return generation

    def _ids(self) -> tuple[str, str]:
        """Ids of the question's and the answer's node: those of a raw body, so that a client can chain on them."""
        made = (self.world.ids.uuid(), self.world.ids.uuid())
        if self.entry.raw is None:
            return made
        opening = dict(reversed(_NODE_OF_RAW.findall(self.entry.raw[:2000])))
        found = tuple(opening.get(name, b"").decode("utf-8", "replace") for name in (b"parent_id", b"response_id"))
        nodes = self.ask.chat.nodes
        user_id, response_id = (
            told if told and told not in nodes else own for told, own in zip(found, made, strict=True)
        )
        return (user_id, response_id) if user_id != response_id else made

    def _plan(self) -> Plan:
        ask, entry = self.ask, self.entry
        if ask.role == "system":
            return Plan(opens_only=True)
        context = [model.Said(node.role, _seen(node.text, node.files)) for node in self.path]
        message = _seen(ask.content, ask.files)
        plan = model.answer(context, message, self.response_id, thinking=ask.thinks)
        if plan.called is not None and plan.called[0] in ask.local_tools:
            call = local_tools.LocalCall(ask.local_tools[plan.called[0]], *plan.called)
            plan = replace(plan, text="", dialect=None, calls=(call,))
        if ask.platform_tools and plan.dialect is not None:
            plan = replace(plan, text=faults.missing_tool(plan, message), dialect=None)
        if ask.searches:
            plan = replace(plan, lookups=("web_search",))
        plan = replace(plan, reasoning_phase="thinking_summary" if ask.summarises else "think")
        plan = _scripted(plan, entry, ask.local_tools)
        row = entry.row
        return plan if row is None else row.plan(plan, entry.knobs(self.response_id, ask.content))

    def _delivery(self) -> Delivery:
        entry, row = self.entry, self.entry.row
        knobs = entry.knobs(self.response_id, self.ask.content)
        answer = self._frames()
        if row is not None:
            answer = row.frames(answer, knobs)
        pieces = tuple(answer) if entry.cut is None else recut(answer, entry.cut)
        pace = entry.pace if entry.paced else self.world.settings.pace
        writes = Writes.JOINED if entry.cut is None else Writes.FRAMES
        delivery = Delivery(frames=pieces, pace=pace, writes=writes)
        return delivery if row is None else row.delivery(delivery, knobs)

    def _frames(self) -> list[Frame]:
        if self.entry.raw is not None:
            return [Frame(self.entry.raw, self.entry.text or "")]
        said = sum(frames.tokens(_seen(node.text, node.files)) for node in self.path)
        opening = Opening(
            chat_id=self.ask.chat.id,
            user_id=self.user_id,
            response_id=self.response_id,
            rival_id=self._rival() if self.plan.rival is not None else "",
            prompt_tokens=said + frames.tokens(_seen(self.ask.content, self.ask.files)),
            timestamp=self.now,
            age=self.entry.age or self.world.settings.age,
            phases=self.ask.phases,
        )
        return frames.render(self.plan, opening)

    def _hang(self) -> Node:
        """The two new nodes; the answer's is returned, without its text."""
        ask = self.ask
        question = self._node(self.user_id, ask.role, ask.content, ask.parent_id)
        question.files = ask.files
        ask.chat.add(question)
        node = self._node(self.response_id, "assistant", "", self.user_id)
        node.phase = self.plan.phase
        node.reasoning = self.plan.reasoning
        node.done = False
        ask.chat.add(node)
        return node

    def _rival(self) -> str:
        """The node of the second candidate, a sibling of the answer, which stays the chat's current one."""
        rival = self._node(self.world.ids.uuid(), "assistant", self.plan.rival or "", self.user_id)
        self.ask.chat.add(rival)
        self.ask.chat.current_id = self.response_id
        return rival.id

    def _node(self, node_id: str, role: str, text: str, parent_id: str | None) -> Node:
        node = Node(id=node_id, role=role, text=text, parent_id=parent_id, model=self.ask.model, timestamp=self.now)
        node.feature_config = self.ask.feature_config
        return node

    def _turn(self, request_bytes: int) -> Turn:
        return Turn(
            chat_id=self.ask.chat.id,
            parent_id=self.ask.parent_id,
            response_id=self.response_id,
            request_bytes=request_bytes,
            message=self.ask.content,
            files=[_told(file) for file in self.ask.files],
            context=[_entry(node) for node in self.path],
            local_tools=list(self.ask.local_tools),
        )

    def _whole(self, generation: Generation) -> Reply:
        """The answer of age A to `stream: false` (capture 02)."""
        data = {
            "chat_id": "",
            "parent_id": self.user_id,
            "message_id": self.response_id,
            "messages": None,
            "choices": [{"message": {"role": "assistant", "content": generation.said}}],
        }
        return Reply.json_of({"success": True, "request_id": self.world.ids.uuid(), "data": data})


def _scripted(plan: Plan, entry: Entry, declared: Mapping[str, str]) -> Plan:
    """The model's plan with what the script says in its place; a scripted text has no reasoning of the model's."""
    if entry.text is not None or entry.calls is not None:
        calls = local_tools.scripted(entry.calls or (), declared)
        plan = replace(plan, text=entry.text or "", reasoning="", dialect=None, calls=calls, lookups=())
    given = {
        name: value
        for name in ("reasoning", "chunk", "phase", "reasoning_phase")
        if (value := getattr(entry, name)) is not None
    }
    return replace(plan, **given)


def _seen(text: str, files: tuple[Attachment, ...]) -> str:
    """What the model reads of a message: the files first, so that the question stays last."""
    return "\n\n".join([*(file.text for file in files), text]) if files else text


def _told(file: Attachment) -> dict[str, Any]:
    return {"id": file.id, "name": file.name, "type": file.wire["type"], "text": file.text}


def _entry(node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": node.role, "content": node.text}
    return entry | {"files": [_told(file) for file in node.files]} if node.files else entry
