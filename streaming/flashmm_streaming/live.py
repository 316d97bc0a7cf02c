"""What just arrived → what the streams show: a pure projection of batches, and the tap that publishes it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from flashmm_backends.batch import Batch, Event
from flashmm_backends.ports import EventTable, RangeSeries
from flashmm_instrumentation.semconv import events
from flashmm_streaming import _events
from flashmm_streaming._completeness import Arrivals
from flashmm_streaming._gauges import Gauges
from flashmm_streaming._identity import Owners
from flashmm_streaming._latency import Placements
from flashmm_streaming._models import Predictions
from flashmm_streaming._spreads import Spreads
from flashmm_streaming.hub import Hub

Items = Mapping[str, Sequence[Mapping[str, object]]]
"""Items by stream, in order."""

_HEAD: Final = ("time_ns", "run", "seq", "bot", "account", "trace_id", "span_id")
_log = logging.getLogger(__name__)
_PROJECTIONS: Final[dict[str, tuple[tuple[str, Callable[[Event], dict[str, object]]], ...]]] = {
    events.INSTRUMENT.name: (("instruments", _events.verbatim),),
    events.FILL.name: (("trades", _events.trade),),
    events.ORDER.name: (("orders", _events.transition),),
    events.ASSIGNMENT.name: (("experiments", _events.verbatim),),
    events.SPREAD_SAMPLE.name: (("market", _events.market),),
}


class Projection:
    """Batches → items. Keeps the last values of what an item is made of; all of it bounded, the rest counted."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        forgotten = Counter(
            "flashmm_stream_forgotten",
            "What live figures are made of, by kind, of which there was too much: the longest silent went.",
            ["kind"],
            registry=registry,
        )
        self._owners = Owners(forgotten)
        self._gauges = Gauges(forgotten)
        self._arrivals = Arrivals(forgotten)
        self._predictions = Predictions(forgotten)
        self._placements = Placements(self._owners, forgotten)
        self._spreads = Spreads(forgotten)

    def project(self, batch: Batch) -> Items:
        """The items of one batch."""
        now_ms = batch.received_ns // 1_000_000
        items: dict[str, list[Mapping[str, object]]] = defaultdict(list)
        self._meet(items, batch, now_ms)
        self._add_gauges(items, batch)
        self._add_events(items, batch.events)
        items["completeness"] += self._arrivals.update(batch.events, now_ms)
        items["orders"] += self._placements.orders(batch.spans)
        items["latency"] += self._placements.quantiles(batch.received_ns)
        return {stream: found for stream, found in items.items() if found}

    def replay(self, table: EventTable) -> Items:
        """The items of events that were stored earlier; they count for nothing else."""
        items: dict[str, list[Mapping[str, object]]] = defaultdict(list)
        for event in _rows(table):
            self._add_event(items, event)
        return items

    def recall(self, stored: Sequence[RangeSeries]) -> Items:
        """The items of metrics that were stored earlier: their last values."""
        items: dict[str, list[Mapping[str, object]]] = defaultdict(list)
        for stream, item in self._gauges.recall(stored):
            items[stream].append(item)
        return items

    def _meet(self, items: dict[str, list[Mapping[str, object]]], batch: Batch, now_ms: int) -> None:
        met = self._owners.learn(batch.resources, now_ms)
        items["bots"] += met
        for bot in met:
            for stream, item in self._gauges.begin(str(bot["bot"]), str(bot["account"]), str(bot["run"])):
                items[stream].append(item)

    def _add_gauges(self, items: dict[str, list[Mapping[str, object]]], batch: Batch) -> None:
        self._gauges.learn(batch.series)
        for stream, item in self._gauges.update(batch.points):
            items[stream].append(item)

    def _add_events(self, items: dict[str, list[Mapping[str, object]]], arrived: Iterable[Event]) -> None:
        for event in arrived:
            self._add_event(items, event)
            if event.kind in (events.PREDICTION.name, events.OUTCOME.name):
                judged = self._predictions.add(event)
                items["model"] += [judged] if judged else []

    def _add_event(self, items: dict[str, list[Mapping[str, object]]], event: Event) -> None:
        for stream, body in _PROJECTIONS.get(event.kind, ()):
            items[stream].append(body(event))
        if event.kind == events.SPREAD_SAMPLE.name:
            items["spread"].append(self._spreads.add(event))


def _rows(table: EventTable) -> Iterator[Event]:
    columns = {name: column.tolist() for name, column in table.columns.items()}
    fields = [name for name in columns if name not in _HEAD]
    for row in range(len(table)):
        head = {name: columns[name][row] for name in _HEAD}
        yield Event(table.kind, fields={name: columns[name][row] for name in fields}, **head)


class LiveTap:
    """The receiver's live tap: projects each batch and publishes it on the hub's loop, from whatever thread.

    A boundary: a batch that cannot be projected is counted and logged, never the receiver's problem.
    """

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop, registry: CollectorRegistry) -> None:
        self.projection = Projection(registry)
        self._hub = hub
        self._loop = loop
        self._failed = Counter(
            "flashmm_stream_projection_failures", "Batches that could not be shown live.", registry=registry
        )

    def __call__(self, batch: Batch) -> None:
        if self._on_the_loop():
            self._publish(batch)
        else:
            self._loop.call_soon_threadsafe(self._publish, batch)

    def replay(self, table: EventTable) -> None:
        """Begin with what was stored before this process: instruments, spread samples, fills, orders.

        Called on the hub's loop, before the first batch, so that a page opened after a restart has its tape.
        """
        for stream, found in self.projection.replay(table).items():
            self._hub.publish(stream, found)

    def recall(self, stored: Sequence[RangeSeries]) -> None:
        """The same for metrics, the series of `FOLLOWED`: a bot that is silent now shows its last figures."""
        for stream, found in self.projection.recall(stored).items():
            self._hub.publish(stream, found)

    def _on_the_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _publish(self, batch: Batch) -> None:
        try:
            items = self.projection.project(batch)
        except Exception:  # noqa: BLE001 — the boundary that the class names
            self._failed.inc()
            _log.exception("a batch could not be shown live")
        else:
            for stream, found in items.items():
                self._hub.publish(stream, found)
