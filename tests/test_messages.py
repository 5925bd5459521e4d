"""The neutral request: what its values promise."""

from __future__ import annotations

from qwen_bridge.messages import ChatRequest, FilePart, ImagePart, Message, TextPart


def test_the_text_of_a_message_is_its_text_parts_by_lines() -> None:
    """Text parts are joined by one newline; pictures and files are passed over."""
    message = Message("user", (TextPart("a"), ImagePart("https://x"), TextPart("b"), FilePart("f", "")))
    assert message.text == "a\nb"


def test_null_content_is_empty_text() -> None:
    """A message without parts has no text."""
    assert Message("assistant").text == ""


def test_instructions_are_the_system_texts_in_order() -> None:
    """System texts are joined by a blank line, wherever they stand, and empty ones leave no gap."""
    request = ChatRequest(
        "m",
        (
            Message("system", (TextPart("one"),)),
            Message("user", (TextPart("hello"),)),
            Message("system"),
            Message("system", (TextPart("two"),)),
        ),
    )
    assert request.instructions == "one\n\ntwo"
    assert request.dialogue == (Message("user", (TextPart("hello"),)),)


def test_a_request_without_system_text_has_no_instructions() -> None:
    """No system message gives the empty string, not a blank line."""
    assert ChatRequest("m", ()).instructions == ""
