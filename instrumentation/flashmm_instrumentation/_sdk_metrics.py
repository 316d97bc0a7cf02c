"""OpenTelemetry's own metrics of a telemetry pipeline (`otel.sdk.*`), for the parts that are ours.

Pumps are processors, and what they hand on is what the exporters export. The SDK's for spans and log records as they
are made cost microseconds in the trading thread, so they are off unless `OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import metrics as names
from flashmm_instrumentation.semconv.metrics import Metric

_PROCESSOR: Final = "flashmm_pump"
_FAILED: Final = "export_failed"


@dataclass(frozen=True, slots=True)
class QueueState:
    """A pump as its metrics see it. name: of the stream of records; what: `span` or `log`."""

    name: str
    what: str
    depth: Callable[[], int]
    capacity: int


class SdkMetrics:
    """Made on a meter; again after a fork."""

    def __init__(self, meter: Meter, queues: Iterable[QueueState]) -> None:
        self._exported: Final = {
            what: meter.create_counter(metric.name, metric.unit, metric.description)
            for what, metric in names.SDK_EXPORTED.items()
        }
        self._processed: Final = {
            what: meter.create_counter(metric.name, metric.unit, metric.description)
            for what, metric in names.SDK_PROCESSED.items()
        }
        duration = names.SDK_EXPORT_DURATION
        self._duration: Final = meter.create_histogram(duration.name, duration.unit, duration.description)
        held = list(queues)
        for what, (size, capacity) in names.SDK_QUEUES.items():
            of_it = [queue for queue in held if queue.what == what]
            _observe(meter, size, of_it, lambda queue: queue.depth())
            _observe(meter, capacity, of_it, lambda queue: queue.capacity)

    def exported(self, what: str, name: str, exporter: str, records: int, seconds: float, *, taken: bool) -> None:
        """One export. what: `span`, `log` or `metric_data_point`; exporter: its class."""
        labels = {attr.COMPONENT_NAME: f"{name}_exporter", attr.COMPONENT_TYPE: exporter}
        if not taken:
            labels[attr.ERROR_TYPE] = _FAILED
        self._exported[what].add(records, labels)
        self._duration.record(seconds, labels)

    def processed(self, what: str, name: str, records: int, error: str | None = None) -> None:
        """Records that a pump is done with. error: why they were dropped."""
        labels = _component(name)
        self._processed[what].add(records, labels if error is None else {**labels, attr.ERROR_TYPE: error})


def _component(name: str) -> dict[str, str]:
    return {attr.COMPONENT_NAME: name, attr.COMPONENT_TYPE: _PROCESSOR}


def _observe(meter: Meter, metric: Metric, queues: list[QueueState], read: Callable[[QueueState], int]) -> None:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(read(queue), _component(queue.name)) for queue in queues]

    meter.create_observable_up_down_counter(metric.name, [observe], metric.unit, metric.description)
