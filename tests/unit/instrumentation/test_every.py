"""A thread that acts at times, and when it is asked."""

import threading
from collections.abc import Iterator

import pytest

from flashmm_instrumentation._every import Every


class Work:
    """An action that can be held up, and counts how often it was done."""

    def __init__(self) -> None:
        self.times = 0
        self.begun = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> None:
        self.begun.set()
        assert self.free.wait(60)
        self.times += 1


@pytest.fixture
def work() -> Work:
    """What is done."""
    return Work()


@pytest.fixture
def hourly(work: Work) -> Iterator[Every]:
    """Does it once an hour, and when it is asked."""
    every = Every("test", lambda: 3_600.0, work)
    yield every
    work.free.set()
    every.stop(60)


def test_it_acts_when_it_is_asked_and_at_the_end(hourly: Every, work: Work) -> None:
    """Each time once."""
    assert hourly.now(60)
    assert hourly.now(60)
    assert work.times == 2
    hourly.stop(60)
    assert work.times == 3


def test_who_asks_waits_no_longer_than_told(hourly: Every, work: Work) -> None:
    """The action goes on without them; whoever asks meanwhile gets one that begins after that."""
    work.free.clear()
    assert not hourly.now(0.01)
    assert work.begun.wait(60)
    assert not hourly.now(0.01)
    work.free.set()
    assert hourly.now(60)
    assert work.times in (2, 3)  # the last two may share one
