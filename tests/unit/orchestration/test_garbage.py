"""When all objects are looked at for cycles."""

import gc

from flashmm_orchestration.garbage import Calm, full_passes_when_calm


def test_it_waits_until_nothing_large_comes_in() -> None:
    """A few new objects are none; while many come it waits; then it is due once."""
    calm = Calm()
    assert not any(calm.is_due(pending) for pending in (0, 3, 10))
    assert not any(calm.is_due(pending) for pending in (50, 90, 130))
    assert calm.is_due(131)
    assert not calm.is_due(0)


def test_it_waits_a_minute_at_most() -> None:
    """Where many come without end."""
    calm = Calm()
    due = [calm.is_due(pending) for pending in range(20, 20 + 100 * 60, 100)]
    assert due == [False] * 59 + [True]


async def test_the_interpreter_has_its_own_way_afterwards() -> None:
    """Only while it lasts are full passes ours."""
    before = gc.get_threshold()
    async with full_passes_when_calm():
        assert gc.get_threshold()[:2] == before[:2]
        assert gc.get_threshold()[2] > 10**6
    assert gc.get_threshold() == before
