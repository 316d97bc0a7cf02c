"""What the telemetry tells of itself."""

import logging

import pytest

from flashmm_instrumentation._cardinality import SETS_LIMIT
from flashmm_instrumentation._flow import Flow
from flashmm_instrumentation._pump import PumpLimits
from flashmm_instrumentation.testing import Capture, capture

from .conftest import counts


def values(captured: Capture, name: str) -> dict[tuple[object, ...], float]:
    """A metric's values by component and, where there is one, the error."""
    return {
        tuple(point.attributes[key] for key in ("otel.component.name", "error.type") if key in point.attributes): (
            point.value
        )
        for point in captured.metrics()[name].data.data_points
    }


def test_attribute_sets_are_bounded_and_the_rest_is_folded_and_counted(
    lenient: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    """A name for each error costs no memory without end: the total stays right, and the metric is named once."""
    for number in range(SETS_LIMIT + 500):
        lenient.bot.error(f"Error{number}")
    lenient.bot.error("Error0")
    points = {
        point.attributes.get("error.type"): point.value
        for point in lenient.metrics()["flashmm.errors"].data.data_points
    }
    assert len(points) == SETS_LIMIT
    assert (points["Error0"], points[None]) == (2, 501)
    assert counts(lenient, "flashmm.metric.overflow", "flashmm.metric") == {"flashmm.errors": 501}
    assert [record.levelno for record in caplog.records if "flashmm.errors" in record.message] == [logging.WARNING]


def test_metrics_of_the_bots_own_are_bounded_too(lenient: Capture) -> None:
    """Sets whose values are lists count like others; a set without attributes is none."""
    counter = lenient.bot.meter_provider.get_meter("mine").create_counter("mine")
    for number in range(SETS_LIMIT + 5):
        counter.add(1, {"route": [str(number)]})
        counter.add(1)
    assert len(lenient.metrics()["mine"].data.data_points) == SETS_LIMIT + 1
    assert counts(lenient, "flashmm.metric.overflow", "flashmm.metric") == {"mine": 6}


def test_pumps_and_exports_report_as_opentelemetry_names_it() -> None:
    """Queues, what left and what was dropped, by component."""
    small = PumpLimits(capacity=3)
    with capture(strict=False, flow=Flow(small, small, small, threaded=False)) as captured:
        for number in range(5):
            captured.bot.transfer("sim", f"t-{number}", 1, "USDT")
        captured.metrics()
        assert values(captured, "otel.sdk.processor.log.processed") == {("events",): 3, ("events", "queue_full"): 3}
        assert values(captured, "otel.sdk.exporter.log.exported") == {("events_exporter",): 3}
        assert values(captured, "otel.sdk.processor.log.queue.capacity") == {("events",): 3, ("logs",): 3}
        assert values(captured, "otel.sdk.processor.log.queue.size") == {("events",): 0, ("logs",): 0}


def test_the_sdks_own_can_be_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED adds those of the tracer, the logger and the reader."""
    names = {"otel.sdk.span.started", "otel.sdk.span.live", "otel.sdk.metric_reader.collection.duration"}
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    with capture() as captured:
        captured.bot.tracer_provider.get_tracer("mine").start_span("s").end()
        captured.metrics()
        assert names <= set(captured.metrics())
    monkeypatch.delenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED")
    with capture() as captured:
        captured.bot.tracer_provider.get_tracer("mine").start_span("s").end()
        captured.metrics()
        assert not names & set(captured.metrics())
