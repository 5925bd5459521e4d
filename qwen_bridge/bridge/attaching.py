"""Documents on their way into a question: the part of `bridge` that uploads what does not fit into a message."""

from __future__ import annotations

import structlog

from qwen_bridge.conversation.split import Document
from qwen_bridge.errors import (
    ChallengeRequired,
    ConnectionLost,
    CredentialError,
    QuotaExceeded,
    QwenError,
    QwenUnreachable,
    TooManyStreams,
    WireError,
)
from qwen_bridge.exchange.question import Question
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.files import TextFile
from qwen_bridge.upstream.files import DocumentUploader, Patience

log = structlog.get_logger("qwen_bridge")

UPLOAD_PATIENCE = Patience()
"""How long a document may take until Qwen has read it."""


async def attach(uploader: DocumentUploader, credentials: Credentials, question: Question, document: Document) -> int:
    """Upload what does not fit into the message. Where that cannot be, the message travels whole or not at all.

    Returns the bytes that were uploaded. What is wrong with the session or the account is told as such, and a broken
    connection is left to the recovery policy once: a client that hears `context_length_exceeded` throws a part of its
    history away.
    """
    try:
        element = await uploader.upload(credentials, TextFile.of(*document), UPLOAD_PATIENCE)
    except (CredentialError, ChallengeRequired, QuotaExceeded, TooManyStreams):
        raise
    except (QwenUnreachable, ConnectionLost) as error:
        if question.lost_an_upload():
            raise
        question.stay_whole(error.message)
    except (QwenError, WireError) as error:
        question.stay_whole(error.message)
    else:
        question.attach(element)
        log.info("a part of a message travels as a file", bytes=len(document.text), name=document.filename)
        return len(document.text.encode("utf-8", "replace"))
    return 0
