"""Large requests in pieces."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from tests.unit.receiver.otlp import NOW_NS
from tests.unit.receiver.strategies import requests

from flashmm_backends.batch import Batch
from flashmm_backends.testing import MemoryStore
from flashmm_receiver import ReceiverSettings
from flashmm_receiver._decoder import Decoder, Signal
from flashmm_receiver._parts import parts
from flashmm_receiver._refusals import Refusals
from flashmm_receiver._slices import POINTS, RECORDS, Slicer
from flashmm_receiver.errors import Malformed, TooLarge


def points(request: ExportMetricsServiceRequest) -> Iterator[tuple[bytes, ...]]:
    """Every point with all that surrounds it, in order."""
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in getattr(metric, metric.WhichOneof("data") or "none", Metric().gauge).data_points:
                    around = Metric.FromString(metric.SerializeToString())
                    getattr(around, metric.WhichOneof("data") or "").ClearField("data_points")
                    parts = (resource.resource, scope.scope, around, point)
                    yield (resource.schema_url.encode(), *(part.SerializeToString() for part in parts))


@given(requests())
def test_pieces_hold_what_the_whole_holds(request_: ExportMetricsServiceRequest) -> None:
    """Every point once, in order, with its own resource, scope and metric; down to pieces of one point."""
    refusals = Refusals()
    pieces = list(Slicer(1 << 20, refusals, piece_bytes=20).pieces(request_.SerializeToString(), RECORDS + POINTS))
    found = [item for piece in pieces for item in points(ExportMetricsServiceRequest.FromString(piece))]
    assert found == list(points(request_))
    assert refusals.total == 0


def logs(*sizes: int, resource: int = 1) -> bytes:
    """A request of records with bodies of these sizes."""
    request = ExportLogsServiceRequest()
    message = request.resource_logs.add()
    message.resource.attributes.add(key="r").value.string_value = "r" * resource
    records = message.scope_logs.add().log_records
    for size in sizes:
        records.add(time_unix_nano=NOW_NS).body.string_value = "x" * size
    return request.SerializeToString()


def decoded(body: bytes) -> tuple[Batch | None, dict[str, int]]:
    found = Decoder(ReceiverSettings(), {}).decode(Signal.LOGS, body, NOW_NS)
    return found.batch, dict(found.refusals.by_reason)


def test_a_record_that_is_too_large_is_refused_alone() -> None:
    """The others of its request are taken."""
    batch, refused = decoded(logs(10, 70_000, 2 << 20, 20))
    assert batch
    assert [len(str(record.body)) for record in batch.logs] == [10, 70_000, 20]
    assert refused == {"record_size": 1}


def test_what_surrounds_records_is_bounded() -> None:
    """It would be repeated in each piece."""
    with pytest.raises(TooLarge, match="record_bytes_max"):
        decoded(logs(10, 20, resource=2 << 20))


@pytest.mark.parametrize("rest", [b"\x0b", b"\xff" * 12, b"\x0a\xff\xff\xff\x7f", b"\x0f"])
def test_large_bytes_that_are_no_message_are_malformed(rest: bytes) -> None:
    """However much of a request comes first."""
    with pytest.raises(Malformed):
        decoded(logs(*[30_000] * 100) + rest)
    with pytest.raises(Malformed):
        decoded(logs(*[30_000] * 3) + rest)


def test_a_metric_of_two_kinds_is_the_parsers_to_judge() -> None:
    """It is not cut: of several kinds the last one counts."""
    metric = Metric(name="m")
    metric.gauge.data_points.add(as_double=1.0)
    two = metric.SerializeToString() + Metric(name="m", sum={"data_points": [{"as_int": 2}]}).SerializeToString()
    assert list(Slicer(1 << 20, Refusals(), piece_bytes=4).pieces(two, POINTS)) == [two]


async def test_parts_are_the_batch() -> None:
    """Nothing is lost, doubled or out of order, and no part is large."""
    batch, _ = decoded(logs(*[5] * 1_000))
    assert batch
    whole, taken = MemoryStore(), MemoryStore()
    await whole.append(batch)
    for part in parts(batch):
        assert len(part.logs) <= 200
        await taken.append(part)
    assert [log for each in taken.batches for log in each.logs] == list(batch.logs)
    assert [each.resources for each in taken.batches if each.resources] == [batch.resources]
