from __future__ import annotations

from tests.conformance.judged import complaints


def test_our_own_answers_keep_every_promise() -> None:
    """Streams, documents, failures, refusals and the model list, as the product writes them, pass the judge."""
    assert complaints() == []
