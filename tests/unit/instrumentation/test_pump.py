"""The bounded queue between trading and export."""

import threading
from collections import Counter

from flashmm_instrumentation._pump import Pump, PumpLimits
from flashmm_instrumentation.semconv.attributes import DropReason


class Peer:
    """A sink that refuses while told to, and can be waited for."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.batches: list[int] = []
        self.refusals = 0
        self.refusing = False
        self.changed = threading.Condition()

    def __call__(self, batch) -> bool:
        with self.changed:
            if self.refusing:
                self.refusals += 1
            else:
                self.taken += batch
                self.batches.append(len(batch))
            self.changed.notify_all()
            return not self.refusing

    def wait(self, condition) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 10)


def make(peer: Peer, *, threaded: bool = True, **limits: float) -> tuple[Pump[int], Counter[DropReason]]:
    dropped: Counter[DropReason] = Counter()
    settings = {"gather_s": 0.001, **limits}
    pump = Pump[int](
        "test",
        peer,
        lambda reason, records: dropped.update({reason: records}),
        lambda _records: None,
        PumpLimits(**settings),
        threaded=threaded,
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


def test_a_refused_batch_is_offered_again() -> None:
    """An outage delays and loses nothing."""
    peer = Peer()
    peer.refusing = True
    pump, dropped = make(peer)
    pump.offer(1)
    peer.wait(lambda: peer.refusals >= 2)
    peer.refusing = False
    peer.wait(lambda: peer.taken == [1])
    pump.close(5)
    assert not dropped


def test_a_batch_is_given_up_in_the_end() -> None:
    """Past the time limit the batch is dropped and counted, and the next has its turn."""
    peer = Peer()
    peer.refusing = True
    pump, dropped = make(peer, threaded=False, give_up_s=0.0)
    pump.offer(1)
    assert not pump.flush(0.01)
    peer.refusing = False
    pump.offer(2)
    assert pump.flush(1)
    assert peer.taken == [2]
    assert dropped == {DropReason.EXPORT_FAILED: 1}


def test_after_giving_up_the_thread_goes_on() -> None:
    """The queue behind a dropped batch isn't stuck until the next offer."""
    peer = Peer()
    peer.refusing = True
    pump, dropped = make(peer, batch=1, give_up_s=0.0)
    for number in range(5):
        pump.offer(number)
    peer.wait(lambda: peer.refusals >= 5)
    pump.close(5)
    assert dropped[DropReason.EXPORT_FAILED] == 5


def test_a_closed_pump_takes_nothing() -> None:
    """Late records are counted as such, and so is what the peer did not take before the end."""
    peer = Peer()
    peer.refusing = True
    pump, dropped = make(peer, threaded=False)
    pump.offer(1)
    pump.offer(2)
    pump.close(0.01)
    assert not pump.offer(3)
    assert dropped == {DropReason.EXPORT_FAILED: 2, DropReason.CLOSED: 1}
