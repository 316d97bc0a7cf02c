"""An order's way to the exchange: stage marks, which become one trace and its metrics when the placement ends."""

from collections.abc import Mapping
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, set_span_in_context

from flashmm_instrumentation._scope import MarketScope
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv.attributes import Outcome, Side, Stage

_ROOT_NAME: Final = "order"
_NS: Final = 1e9


class Placement:
    """The root span, open until the placement's end, and the stages so far. Times never run backwards."""

    __slots__ = ("_ends", "_last_ns", "_root", "_scope", "_side", "_start_ns")

    def __init__(self, scope: MarketScope, side: Side, start_ns: int, attributes: Mapping[str, str]) -> None:
        self._scope = scope
        self._side = side
        self._start_ns = self._last_ns = start_ns
        self._ends: list[tuple[Stage, int]] = []
        self._root: Final[Span] = scope.core.tracer.start_span(
            _ROOT_NAME, Context(), SpanKind.INTERNAL, attributes, start_time=start_ns
        )

    @property
    def span(self) -> SpanContext:
        """What later traces link to, and events carry."""
        return self._root.get_span_context()

    def mark(self, stage: Stage, at_ns: int) -> None:
        """The stage ended at at_ns; the next begins there."""
        self._last_ns = max(at_ns, self._last_ns)
        self._ends.append((stage, self._last_ns))

    def finish(self, outcome: Outcome, at_ns: int, reason: str | None) -> None:
        """End the root and derive its children and metrics."""
        at_ns = max(at_ns, self._last_ns)
        context = set_span_in_context(self._root, Context())
        self._finish_stages(context)
        self._finish_root(outcome, at_ns, reason)
        self._measure(outcome, at_ns, context)

    def _finish_stages(self, context: Context) -> None:
        scope, begin_ns = self._scope, self._start_ns
        record = scope.core.instruments.order_stage_duration.record
        for stage, end_ns in self._ends:
            scope.core.tracer.start_span(stage.value, context, start_time=begin_ns).end(end_ns)
            record((end_ns - begin_ns) / _NS, scope.labels.stage[stage], context)
            begin_ns = end_ns

    def _finish_root(self, outcome: Outcome, at_ns: int, reason: str | None) -> None:
        self._root.set_attribute(attr.ORDER_OUTCOME, outcome.value)
        if reason is not None:
            self._root.set_attribute(attr.REASON, reason)
        if outcome is not Outcome.ACKED:
            self._root.set_status(Status(StatusCode.ERROR, reason or outcome.value))
        self._root.end(at_ns)

    def _measure(self, outcome: Outcome, at_ns: int, context: Context) -> None:
        labels = self._scope.labels.outcome[self._side, outcome]
        instruments = self._scope.core.instruments
        instruments.order_duration.record((at_ns - self._start_ns) / _NS, labels, context)
        instruments.orders.add(1, labels, context)
