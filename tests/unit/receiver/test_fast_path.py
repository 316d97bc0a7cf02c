"""The hot path of metrics and the complete walk come to the same."""

import random

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.unit.receiver.otlp import (
    MS,
    NOW_NS,
    Order,
    as_the_collector,
    by_number,
    counter,
    encoded,
    gauge,
    metrics_request,
    number,
    shuffled,
)
from tests.unit.receiver.strategies import requests, soaked

from flashmm_receiver import ReceiverSettings
from flashmm_receiver._decoder import Decoder, MetricsAdmission, Signal
from flashmm_receiver._job import MetricsJob
from flashmm_receiver.errors import Malformed

FUTURE_NS = NOW_NS + 600 * 10**9


class Pair:
    """Two decoders, of which one never takes the hot path."""

    def __init__(self) -> None:
        self.fast, self.slow = Decoder(ReceiverSettings(), {}), Decoder(ReceiverSettings(), {})

    def check(self, body: bytes) -> None:
        """Both come to the same with this body."""
        fast = self.fast._metrics.read(body, NOW_NS, FUTURE_NS)
        slow = self.slow._metrics.walk(body, NOW_NS, FUTURE_NS)
        assert self.outcome(self.fast, fast) == self.outcome(self.slow, slow)

    def outcome(self, decoder: Decoder, job: MetricsJob) -> object:
        decoded = MetricsAdmission(decoder.series, decoder.deltas, job).decoded()
        told = (dict(decoded.refusals.by_reason), job.wire_points, decoded.accepted, decoded.duplicates)
        batch = decoded.batch
        if batch is None:
            return told
        histograms = [repr(item) for item in batch.histograms.histogram]
        metadata = sorted((meta.id, meta.labels, meta.type, meta.unit, meta.help) for meta in batch.series)
        return (
            told,
            metadata,
            batch.points.series_id.tolist(),
            batch.points.time_ms.tolist(),
            batch.points.value.view(np.uint64).tolist(),
            list(zip(batch.histograms.series_id, batch.histograms.time_ms, histograms, strict=True)),
            repr(batch.exemplars),
        )


ORDERS = st.one_of(st.just(by_number), st.just(as_the_collector), st.integers(0, 2**32).map(shuffled))
UNKNOWN = st.sampled_from([(), (), (b"\xf8\x07\x01",), (b"\xfa\x07\x02hi",)])


@pytest.mark.soak
@settings(max_examples=soaked(3000), deadline=None)
@given(st.lists(requests(), min_size=1, max_size=3), ORDERS, UNKNOWN)
def test_any_valid_request(
    messages: list[ExportMetricsServiceRequest], order: Order, unknown: tuple[bytes, ...]
) -> None:
    """Whatever the kinds, the order of fields and the unknown fields, hot path and walk agree, request by request."""
    pair = Pair()
    for message in messages:
        pair.check(encoded(message, order, unknown))


@pytest.mark.parametrize("order", [by_number, as_the_collector])
def test_the_same_layout_again(order: Order) -> None:
    """Requests that differ in their numbers only are read by their layout, and come to the same."""
    pair = Pair()
    for k in range(5):
        at = NOW_NS + k * MS
        points = [number(k * 1.5 + i, at=at, start=5, side="buy", n=i) for i in range(9)]
        ints = [number(k * i, at=at, n=i) for i in range(9)]
        pair.check(encoded(metrics_request(counter("c", *points), gauge("g", *ints)), order))
    assert pair.fast._metrics._layouts._known
    body = encoded(metrics_request(counter("c", *points), gauge("h", *ints)), order)
    assert pair.fast._metrics._layouts.match(body) is None


def test_layouts_refuse_times_too() -> None:
    """A time of 0 is not written, so it has another layout; one that is, and one far ahead, are refused by it."""
    pair = Pair()

    def body(at: int) -> bytes:
        return metrics_request(gauge("g", *(number(1.0, at=at, n=i) for i in range(9)))).SerializeToString()

    for at in (NOW_NS, NOW_NS + MS):
        pair.check(body(at))
    written = body(NOW_NS).replace(NOW_NS.to_bytes(8, "little"), bytes(8))
    cases = ((body(0), False, "time_zero"), (written, True, "time_zero"), (body(2**64 - 1), True, "time_future"))
    for sent, known, reason in cases:
        assert pair.fast._metrics.knows(sent) is known
        pair.check(sent)
        assert pair.fast.decode(Signal.METRICS, sent, NOW_NS).refusals.by_reason == {reason: 9}


def _damaged(body: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def _is_valid(body: bytes) -> bool:
    try:
        Decoder(ReceiverSettings(), {})._metrics.walk(body, NOW_NS, FUTURE_NS)
    except Malformed:
        return False
    return True


@pytest.mark.soak
@settings(max_examples=soaked(2000), deadline=None, phases=[Phase.generate, Phase.explicit])
@given(requests(), st.integers(0, 2**32), ORDERS)
def test_damaged_bytes(message: ExportMetricsServiceRequest, seed: int, order: Order) -> None:
    """Of damaged bytes the hot path accepts only what the complete parser accepts too, and as the same."""
    body, chance = encoded(message, order), random.Random(seed)
    pair = Pair()
    pair.check(body)
    for _ in range(20 if body else 0):
        damaged = _damaged(body, chance)
        if _is_valid(damaged):
            pair.check(damaged)
        else:
            with pytest.raises(Malformed):
                pair.fast._metrics.read(damaged, NOW_NS, FUTURE_NS)


def test_layouts_are_bounded() -> None:
    """Requests of ever new lengths and contents keep the cache within its memory."""
    pair = Pair()
    layouts = pair.fast._metrics._layouts
    for k in range(150):
        points = [number(1.0, at=NOW_NS + k * MS, n=i, pad="x" * (20_000 if k < 100 else 9)) for i in range(9)]
        body = metrics_request(gauge("g" * (k + 1 if k < 100 else 1) + str(k % 10), *points)).SerializeToString()
        for _ in range(2):
            pair.fast._metrics.read(body, NOW_NS, FUTURE_NS)
    assert 0 < layouts._bytes <= 16 << 20
    assert layouts._bytes == sum(layout.size for some in layouts._known.values() for layout in some)
    assert max(len(some) for some in layouts._known.values()) == 8
