"""Sequence numbers and stream marks."""

import threading

from flashmm_instrumentation._streams import EventRecord, EventStreams


def test_numbers_follow_the_order_of_offering_under_threads() -> None:
    """Eight threads: the queue holds 1, 2, 3 … for each kind without a gap or an inversion."""
    offered: list[EventRecord] = []
    streams = EventStreams(lambda record: offered.append(record) is None)

    def emit() -> None:
        for number in range(500):
            streams.emit(f"flashmm.k{number % 2}", number, {})

    threads = [threading.Thread(target=emit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind in ("flashmm.k0", "flashmm.k1"):
        assert [record.seq for record in offered if record.kind == kind] == list(range(1, 2001))


def test_a_dropped_event_leaves_a_gap() -> None:
    """Its number is used up."""
    offered: list[EventRecord] = []
    answers = iter([True, False, True])

    def offer(record: EventRecord) -> bool:
        taken = next(answers)
        if taken:
            offered.append(record)
        return taken

    streams = EventStreams(offer)
    for _ in range(3):
        streams.emit("flashmm.fill", 0, {})
    assert [record.seq for record in offered] == [1, 3]


def test_marks_follow_movement_and_are_repeated() -> None:
    """A stream at rest is marked once, then at every tenth time."""
    offered: list[EventRecord] = []
    streams = EventStreams(lambda record: offered.append(record) is None)
    streams.emit("flashmm.fill", 0, {})
    for second in range(10):
        streams.mark(second)
    marks = [(record.time_ns, record.body["high_water"]) for record in offered if record.kind == "flashmm.stream"]
    assert marks == [(0, 1), (9, 1)]
