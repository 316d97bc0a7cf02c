"""A limit on the attribute sets of each metric, which the SDK (1.45) has not: the rest folds into one of its own."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Final, cast

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics._internal.measurement import Measurement
from opentelemetry.sdk.metrics._internal.measurement_consumer import SynchronousMeasurementConsumer
from opentelemetry.util.types import Attributes

from flashmm_instrumentation.semconv import attributes as attr

SETS_LIMIT: Final = 2_000
"""OpenTelemetry's default, the overflow's own set included."""
_OVERFLOW: Final[Attributes] = {attr.OVERFLOW: True}


class BoundedMeasurements:
    """In front of the SDK's consumer of measurements. Sets that are known go on; new ones past the limit fold.

    A set costs memory for as long as the bot runs, so a name that varies with each order or error would end it.
    on_overflow: told the metric's name, for each folded measurement.
    """

    def __init__(self, inner: SynchronousMeasurementConsumer, on_overflow: Callable[[str], None]) -> None:
        self._inner: Final = inner
        self._on_overflow: Final = on_overflow
        self._seen: dict[str, set[Hashable]] = {}
        self._lock = threading.Lock()
        self.register_asynchronous_instrument: Final = inner.register_asynchronous_instrument

    def consume_measurement(self, measurement: Measurement) -> None:
        """Take one measurement."""
        name = measurement.instrument.name
        if self._fits(name, measurement.attributes):
            self._inner.consume_measurement(measurement)
        else:
            self._inner.consume_measurement(replace(measurement, attributes=_OVERFLOW))
            self._on_overflow(name)

    def _fits(self, name: str, attributes: Attributes) -> bool:
        if not attributes:
            return True
        seen, key = self._seen.setdefault(name, set()), frozenset(attributes.items())
        if key in seen:
            return True
        with self._lock:
            if len(seen) >= SETS_LIMIT - 1:
                return False
            seen.add(key)
            return True


def limit_attribute_sets(provider: MeterProvider, on_overflow: Callable[[str], None]) -> None:
    """Bound the metrics of all meters that are taken from the provider from now on."""
    # The SDK offers no public place between an instrument and its aggregation.
    consumer = provider._measurement_consumer  # pyright: ignore[reportPrivateUsage]
    bounded = cast("SynchronousMeasurementConsumer", BoundedMeasurements(consumer, on_overflow))
    provider._measurement_consumer = bounded  # pyright: ignore[reportPrivateUsage]
