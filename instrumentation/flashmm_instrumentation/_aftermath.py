"""What follows an order's placement: short traces of their own, and metrics, that lead back to it."""

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, set_span_in_context

from flashmm_instrumentation._record import Execution
from flashmm_instrumentation._scope import MarketScope
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv.attributes import Side


class Aftermath:
    """Of one order. placed: the placement's root span; attributes: of every span about the order."""

    __slots__ = ("_attributes", "_placed", "_scope", "_side")

    def __init__(self, scope: MarketScope, side: Side, placed: SpanContext, attributes: dict[str, str]) -> None:
        self._scope: Final = scope
        self._side: Final = side
        self._placed: Final = placed
        self._attributes: Final = attributes

    def trace(self, name: str, start_ns: int, end_ns: int, refusal: str | None = None) -> None:
        """A short trace, linked to the placement's. refusal: why the exchange did not do it."""
        links, tracer = [Link(self._placed)], self._scope.core.tracer
        span = tracer.start_span(name, Context(), attributes=self._attributes, links=links, start_time=start_ns)
        if refusal is not None:
            span.set_attribute(attr.REASON, refusal)
            span.set_status(Status(StatusCode.ERROR, refusal))
        span.end(max(start_ns, end_ns))

    def measure_fill(self, execution: Execution) -> None:
        """Count one fill and its notional."""
        core, labels, key = self._scope.core, self._scope.labels, (self._side, execution.liquidity)
        notional, context = self._scope.terms.notional(execution.price, execution.quantity), self._context()
        core.instruments.fills.add(1, labels.fill[key], context)
        core.instruments.fill_notional.add(notional, labels.notional[key], context)

    def measure_lifetime(self, ns: int) -> None:
        """From the acknowledgement to the end."""
        lifetime = self._scope.core.instruments.order_lifetime
        lifetime.record(max(0, ns) / 1e9, self._scope.labels.side[self._side], self._context())

    def _context(self) -> Context:
        return set_span_in_context(NonRecordingSpan(self._placed), Context())
