"""One case without a network: a client's bytes and Qwen's, through request, exchange and answer."""

from __future__ import annotations

import random
from collections.abc import Collection

from qwen_bridge.errors import BridgeError
from qwen_bridge.exchange.reply import refusal
from qwen_bridge.messages import ChatRequest
from qwen_bridge.sse.encoder import DONE
from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions
from tests.conformance.framing import strict_json
from tests.conformance.invariants import check_body, check_error, check_head, check_stream
from tests.exchange.driving import Driver, Told, continuing
from tests.fuzz.answers import answer
from tests.fuzz.requests import body

ATTEMPTS = 40
"""More than the policy ever makes; one more is an exchange that does not end."""


def one(seed: int) -> list[str]:
    """What is wrong about one case; nothing, if all is well. Exceptions are for the caller."""
    return judged(*told_in(seed))


def outcome(seed: int) -> str:
    """How one case ends for the client: `answer`, `refused` or `broken off`."""
    told, request = told_in(seed)
    if told.status != 200:
        return "refused"
    whole = request is not None and (not request.stream or told.body.endswith(DONE))
    return "answer" if whole else "broken off"


def told_in(seed: int) -> tuple[Told, ChatRequest | None]:
    """What the client of one case is told, and what it had asked; None where that could not be read."""
    rng = random.Random(seed)
    try:
        request = ChatCompletions().parse(body(rng))
    except BridgeError as error:
        told = Told()
        told.take(refusal(error))
        return told, None
    driver = Driver(request)
    found = continuing(driver) if driver.question.lookups and rng.random() < 0.4 else None
    for _ in range(ATTEMPTS):
        if not _attempt(rng, driver, found):
            break
        found = None
    return driver.told, request


def _attempt(rng: random.Random, driver: Driver, found: object) -> bool:
    """One attempt; whether there is to be another."""
    before = len(driver.told.waits)
    try:
        driver.ask(found)  # type: ignore[arg-type]  # what `continuing` returns, or None
    except BridgeError as error:
        driver.told.take(driver.exchange.failed(error))
        return not driver.told.over and len(driver.told.waits) > before
    if driver.attempt(answer(rng)):
        return True
    for now in (1.0, 20.0, 10_000.0):  # silence: comments first, and then an end to the patience
        if not driver.told.over and len(driver.told.waits) == before:
            driver.told.take(driver.exchange.tick(now))
    return not driver.told.over and len(driver.told.waits) > before


def judged(told: Told, request: ChatRequest | None) -> list[str]:
    """What is illegal about what the client was told."""
    if not told.over:
        return ["it never ends"]
    if told.status != 200 or request is None:
        return check_error(told.status, told.headers, told.body)
    tools: Collection[str] = [tool.name for tool in request.tools]
    found = check_head(told.status, told.headers, stream=request.stream)
    if not request.stream:
        return found + check_body(strict_json(told.body.decode()), tools=tools)
    # By its last bytes: the words of an answer may hold any mark.
    failed = not told.body.endswith(DONE)
    return found + check_stream(told.body, include_usage=request.include_usage, tools=tools, expect_error=failed)
