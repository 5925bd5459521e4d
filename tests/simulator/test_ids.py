from __future__ import annotations

from uuid import UUID

from qwen_bridge.simulator.ids import CountedIds


def test_the_same_seed_gives_the_same_ids() -> None:
    """Two runs with one seed see the same ids, another seed sees others."""
    first, again, other = CountedIds("a"), CountedIds("a"), CountedIds("b")
    ids = [first.uuid() for _ in range(3)]
    assert ids == [again.uuid() for _ in range(3)]
    assert not set(ids) & {other.uuid() for _ in range(3)}


def test_ids_have_the_services_form_and_never_repeat() -> None:
    """An id is a version 4 UUID, a token 24 letters and digits, and none comes twice."""
    ids = CountedIds("a")
    made = [ids.uuid() for _ in range(500)]
    assert len(set(made)) == 500
    assert all(UUID(made_id).version == 4 and str(UUID(made_id)) == made_id for made_id in made)
    token = ids.token()
    assert len(token) == 24
    assert token.isalnum()
    assert token.isascii()
