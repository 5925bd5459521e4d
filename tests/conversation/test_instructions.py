"""The memory of instructions."""

from __future__ import annotations

from qwen_bridge.conversation.instructions import InstructionsBook


def test_a_text_is_found_by_its_digest() -> None:
    """What was put is there, and nothing else."""
    book = InstructionsBook()
    book.put("a", "text")
    assert book.get("a") == "text"
    assert book.get("b") is None


def test_the_least_recently_used_goes_first() -> None:
    """The bound is in characters, and use counts."""
    book = InstructionsBook(capacity=10)
    book.put("a", "12345")
    book.put("b", "12345")
    assert book.get("a") == "12345"
    book.put("c", "123")
    assert book.get("b") is None
    assert book.get("a") == "12345"
    assert book.get("c") == "123"


def test_putting_again_counts_once() -> None:
    """The same instructions come with every request."""
    book = InstructionsBook(capacity=10)
    for _ in range(100):
        book.put("a", "12345")
    book.put("b", "12345")
    assert book.get("a") == "12345"


def test_a_text_beyond_the_bound_is_not_kept() -> None:
    """One enormous text does not stay, and leaves the book usable."""
    book = InstructionsBook(capacity=10)
    book.put("a", "x" * 11)
    assert book.get("a") is None
    book.put("b", "12345")
    assert book.get("b") == "12345"
