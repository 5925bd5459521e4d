from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qwen_bridge.bridge.attaching import attach
from qwen_bridge.errors import (
    BridgeError,
    ChallengeRequired,
    ConnectionLost,
    ContextTooLong,
    ExpiredCredentials,
    QuotaExceeded,
    QwenRefused,
    QwenTimeout,
    QwenUnreachable,
)
from qwen_bridge.exchange.question import Question
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.files import TextFile
from qwen_bridge.upstream.files import DocumentUploader, Patience
from tests.exchange.driving import CREDENTIALS, MANNER, Driver, asking, user


class Uploader(DocumentUploader):
    """Fails in the given ways, one after the other, and then not."""

    def __init__(self, *errors: BridgeError) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def upload(self, credentials: Credentials, file: TextFile, patience: Patience) -> dict[str, Any]:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return {"type": "file"}


def long_question() -> Question:
    question = Driver(asking(user("x" * 200_000)), manner=replace(MANNER, uploads=True)).question
    question.decide({})
    return question


async def sent(uploader: Uploader, question: Question) -> int:
    document = question.document
    assert document is not None
    return await attach(uploader, CREDENTIALS, question, document)


async def test_an_uploaded_document_is_in_the_question() -> None:
    """Its bytes are told, and it is not wanted again."""
    question = long_question()
    assert await sent(Uploader(), question) > 200_000
    assert question.document is None


@pytest.mark.parametrize("error", [ExpiredCredentials("over"), ChallengeRequired("check"), QuotaExceeded("enough")])
async def test_what_is_wrong_with_the_account_is_told_as_such(error: BridgeError) -> None:
    """A client that hears of a long context throws some of it away, which would not help here."""
    with pytest.raises(type(error)):
        await sent(Uploader(error), long_question())


@pytest.mark.parametrize("error", [QwenRefused("No."), QwenTimeout("Slow.")])
async def test_a_refused_upload_is_a_context_too_long(error: BridgeError) -> None:
    """The reason stands in the message, with the sizes."""
    with pytest.raises(ContextTooLong, match=rf"200,000 bytes.*{error.message}"):
        await sent(Uploader(error), long_question())


async def test_a_lost_upload_is_left_to_the_recovery_once() -> None:
    """The first broken connection is a wire's fault, the second means that there is no way."""
    uploader, question = Uploader(QwenUnreachable("gone"), ConnectionLost("gone")), long_question()
    with pytest.raises(QwenUnreachable):
        await sent(uploader, question)
    with pytest.raises(ContextTooLong, match="gone"):
        await sent(uploader, question)
    assert uploader.asked == 2
