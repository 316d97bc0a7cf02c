"""What every handle shares: the clock, the streams, the tracer, the instruments, the boundary."""

from typing import Final

from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer, Tracer

from flashmm_instrumentation._boundary import Boundary, SilentBoundary
from flashmm_instrumentation._clock import Clock
from flashmm_instrumentation._instruments import Instruments
from flashmm_instrumentation._streams import EventStreams
from flashmm_instrumentation.semconv import attributes as attr


class Core:
    """One for each bot; handles hold it and outlive a fork with it. instruments: others after a fork."""

    __slots__ = ("boundary", "clock", "instruments", "streams", "tracer")

    def __init__(
        self, clock: Clock, boundary: Boundary, tracer: Tracer, streams: EventStreams, instruments: Instruments
    ) -> None:
        self.clock: Final = clock
        self.boundary: Final = boundary
        self.tracer: Final = tracer
        self.streams: Final = streams
        self.instruments = instruments

    def clock_offset(self, venue: str, exchange_ns: int, received_ns: int) -> None:
        """The exchange's clock less ours."""
        self.instruments.clock_offset.set((exchange_ns - received_ns) / 1e9, {attr.VENUE: venue})


def core_to_nowhere(clock: Clock) -> Core:
    """A core whose telemetry goes nowhere: behind an order that could not be made sense of."""
    instruments = Instruments(NoOpMeter("nowhere"))
    return Core(clock, SilentBoundary(), NoOpTracer(), EventStreams(lambda _record: True), instruments)
