"""The bounded queue between trading and export."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmm_instrumentation._answers import TAKEN, UNCLEAR, Answer, Verdict
from flashmm_instrumentation._pump import Pump, PumpLimits
from flashmm_instrumentation.semconv.attributes import DropReason

LATER = Answer(Verdict.LATER)


class Peer:
    """A sink that answers what it is told to, and can be waited for."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.batches: list[int] = []
        self.refusals = 0
        self.answer = TAKEN
        self.largest = 1_000_000
        self.changed = threading.Condition()

    def __call__(self, batch) -> Answer:
        with self.changed:
            answer = self.answer if len(batch) <= self.largest else Answer(Verdict.SMALLER)
            if answer.verdict is Verdict.TAKEN:
                self.taken += batch
                self.batches.append(len(batch))
            else:
                self.refusals += 1
            self.changed.notify_all()
            return answer

    def wait(self, condition) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 60)


class Seconds:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(
    peer: Callable[[Sequence[int]], Answer],
    *,
    threaded: bool = True,
    clock: Callable[[], float] = time.monotonic,
    **limits: float,
) -> tuple[Pump[int], Counter[DropReason]]:
    dropped: Counter[DropReason] = Counter()
    settings = {"gather_s": 0.001, "retry_s_first": 0.001, "retry_s_max": 0.002, **limits}
    pump = Pump[int](
        "test",
        peer,
        abs,
        lambda reason, records: dropped.update({reason: records}),
        lambda _records: None,
        PumpLimits(**settings),
        threaded=threaded,
        clock=clock,
    )
    return pump, dropped


def test_records_leave_in_order_and_batches() -> None:
    """Everything offered arrives once, in order, in batches of at most the limit."""
    peer = Peer()
    pump, dropped = make(peer, batch=10)
    for number in range(95):
        pump.offer(number)
    peer.wait(lambda: len(peer.taken) == 95)
    pump.close(5)
    assert peer.taken == list(range(95))
    assert max(peer.batches) <= 10
    assert not dropped


def test_a_full_queue_refuses_the_newest_and_counts() -> None:
    """What doesn't fit is counted and the old stays."""
    peer = Peer()
    pump, dropped = make(peer, threaded=False, capacity=3)
    assert [pump.offer(number) for number in range(5)] == [True, True, True, False, False]
    assert pump.depth == 3
    assert pump.lag_s > 0
    assert pump.flush(1)
    assert (peer.taken, pump.depth, pump.lag_s) == ([0, 1, 2], 0, 0.0)
    assert dropped == {DropReason.QUEUE_FULL: 2}


def test_a_queue_full_of_bytes_refuses_the_newest_and_counts() -> None:
    """A record (here as heavy as its number) waits only where there is room for it, a lighter one still does."""
    peer = Peer()
    pump, dropped = make(peer, threaded=False, bytes_max=10)
    assert [pump.offer(weight) for weight in (4, 5, 2, 1, 11)] == [True, True, False, True, False]
    assert dropped == {DropReason.QUEUE_BYTES: 2}
    assert pump.flush(1)
    assert pump.offer(10)
    assert peer.taken == [4, 5, 1]


def test_what_comes_during_an_export_gathers_for_the_next_round() -> None:
    """A record for each export neither keeps flush() from ending nor makes the queue look old."""
    clock = Seconds()

    def export(batch: Sequence[int]) -> Answer:
        batches.append(len(batch))
        clock.now += 0.003
        for _ in range(3):
            pump.offer(1)
        return TAKEN

    batches: list[int] = []
    pump, _ = make(export, threaded=False, clock=clock)
    pump.offer(1)
    for _ in range(1_000):
        clock.now += 0.02
        assert pump.lag_s == pytest.approx(0.02)
        assert pump.flush(1)
    assert batches == [1, *[3] * 999]


def test_the_lag_is_the_oldest_records_age() -> None:
    """What has left counts no longer, whatever waits behind it."""
    clock, peer = Seconds(), Peer()
    pump, _ = make(peer, threaded=False, clock=clock, batch=1)
    assert pump.lag_s == 0
    for _ in range(3):
        pump.offer(1)
        clock.now += 10
    assert pump.lag_s == 30
    peer.answer = LATER
    assert not pump.flush(0)
    assert pump.lag_s == 30
    peer.answer = TAKEN
    assert not pump.flush(0)
    assert pump.lag_s == 20
    assert pump.flush(1)
    assert pump.lag_s == 0


def test_a_flush_ends_in_time_though_the_peer_takes_everything() -> None:
    """Each export takes 0.3 of the second that there is."""
    clock = Seconds()

    def export(_batch: Sequence[int]) -> Answer:
        clock.now += 0.3
        return TAKEN

    pump, _ = make(export, threaded=False, clock=clock, batch=1)
    for number in range(10):
        pump.offer(number)
    assert not pump.flush(1)
    assert pump.depth == 6


def test_a_flush_does_not_wait_for_a_silent_peer() -> None:
    """The export goes on without the caller, and nothing is lost or sent twice."""
    peer, silence = Peer(), threading.Event()

    def export(batch: Sequence[int]) -> Answer:
        assert silence.wait(60)
        return peer(batch)

    pump, dropped = make(export, gather_s=60.0)
    pump.offer(1)
    begin_s = time.monotonic()
    assert not pump.flush(0.05)
    assert time.monotonic() - begin_s < 30
    silence.set()
    assert pump.flush(60)
    pump.close(60)
    assert peer.taken == [1]
    assert not dropped


@pytest.mark.parametrize("threaded", [True, False])
def test_a_flush_tells_of_a_loss_once(threaded: bool) -> None:
    """What was refused for good before it began is not its own."""
    peer = Peer()
    pump, _ = make(peer, threaded=threaded)
    peer.answer = Answer(Verdict.NEVER)
    pump.offer(1)
    assert not pump.flush(60)
    peer.answer = TAKEN
    pump.offer(2)
    assert pump.flush(60)
    pump.close(60)
    assert peer.taken == [2]


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.one_of(st.integers(1, 12), st.sampled_from([TAKEN, LATER, Answer(Verdict.NEVER), Answer(Verdict.SMALLER)]))
    )
)
def test_what_waits_never_weighs_more_than_it_may(steps: list[int | Answer]) -> None:
    """Whatever the peer answers, the held batch counts, and room that becomes free can be used again."""
    peer, waiting = Peer(), 0
    pump, dropped = make(peer, threaded=False, bytes_max=20, batch=3)
    offered = 0
    for step in steps:
        if isinstance(step, int):
            waiting, offered = waiting + (step if (fits := waiting + step <= 20) else 0), offered + 1
            assert pump.offer(step) == fits
        else:
            peer.answer = step
            pump.flush(0.0)
            waiting = sum(weight for _, weight, _ in [*pump._held, *pump._queue])
    assert offered == len(peer.taken) + dropped.total() + pump.depth
    peer.answer = TAKEN
    pump.flush(1)
    assert pump.offer(20)


def test_a_refused_batch_is_offered_again() -> None:
    """An outage delays and loses nothing, and takes nothing out of its order."""
    peer = Peer()
    peer.answer = LATER
    pump, dropped = make(peer, batch=2)
    for number in range(7):
        pump.offer(number)
    peer.wait(lambda: peer.refusals >= 20)
    assert pump.depth == 7
    peer.answer = TAKEN
    peer.wait(lambda: peer.taken == list(range(7)))
    pump.close(5)
    assert not dropped


def test_a_flush_in_vain_keeps_what_it_could_not_export() -> None:
    """The batch that was offered is still the first."""
    peer = Peer()
    peer.answer = LATER
    pump, dropped = make(peer, threaded=False, batch=2)
    for number in range(5):
        pump.offer(number)
    assert not pump.flush(0.01)
    assert pump.depth == 5
    peer.answer = TAKEN
    assert pump.flush(5)
    assert peer.taken == list(range(5))
    assert not dropped


def test_what_nobody_can_judge_is_given_up_in_the_end() -> None:
    """Past the time limit the batch is dropped and counted, and the next has its turn."""
    peer = Peer()
    peer.answer = UNCLEAR
    pump, dropped = make(peer, threaded=False, give_up_s=0.0)
    pump.offer(1)
    assert not pump.flush(0.01)
    peer.answer = TAKEN
    pump.offer(2)
    assert pump.flush(1)
    assert peer.taken == [2]
    assert dropped == {DropReason.EXPORT_FAILED: 1}


def test_after_a_refusal_for_good_the_thread_goes_on() -> None:
    """The queue behind a dropped batch isn't stuck until the next offer."""
    peer = Peer()
    peer.answer = Answer(Verdict.NEVER)
    pump, dropped = make(peer, batch=1)
    for number in range(5):
        pump.offer(number)
    peer.wait(lambda: peer.refusals >= 5)
    pump.close(5)
    assert dropped == {DropReason.REFUSED: 5}


def test_a_batch_too_large_is_halved_until_it_fits() -> None:
    """Nothing is lost by it but a record that is too large alone; sizes grow again afterwards."""
    peer = Peer()
    peer.largest = 3
    pump, dropped = make(peer, threaded=False, batch=16)
    for number in range(40):
        pump.offer(number)
    assert pump.flush(5)
    assert peer.taken == list(range(40))
    peer.largest = 0
    pump.offer(40)
    assert not pump.flush(0.05)
    peer.largest = 16
    for number in range(41, 80):
        pump.offer(number)
    assert pump.flush(5)
    assert peer.taken == [number for number in range(80) if number != 40]
    assert max(peer.batches) > 3
    assert dropped == {DropReason.REFUSED: 1}


def test_a_partial_refusal_is_counted_and_the_rest_taken() -> None:
    """Of five records two were refused."""
    peer = Peer()
    peer.answer = Answer(Verdict.TAKEN, refused=2)
    pump, dropped = make(peer, threaded=False)
    for number in range(5):
        pump.offer(number)
    assert pump.flush(1)
    assert (pump.depth, dropped) == (0, {DropReason.REFUSED: 2})


def test_closing_cuts_a_long_wait_short() -> None:
    """A thread that waits a minute before its next try makes it at once when the bot ends."""
    peer = Peer()
    peer.answer = LATER
    pump, dropped = make(peer, batch=1, retry_s_first=60.0, retry_s_max=60.0)
    pump.offer(1)
    pump.offer(2)
    peer.wait(lambda: peer.refusals >= 1)
    peer.answer = TAKEN
    pump.close(20)
    assert peer.taken == [1, 2]
    assert not dropped


def test_a_closed_pump_takes_nothing() -> None:
    """Late records are counted as such, and so is what the peer did not take before the end."""
    peer = Peer()
    peer.answer = LATER
    pump, dropped = make(peer, threaded=False)
    pump.offer(1)
    pump.offer(2)
    pump.close(0.01)
    assert not pump.offer(3)
    assert dropped == {DropReason.CLOSED: 3}
