"""A market's spread integrator behind a lock, and its samples on their way out."""

import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from flashmm_instrumentation._book import DepthRule, Levels
from flashmm_instrumentation._core import Core
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._integrator import Closed, SpreadIntegrator
from flashmm_instrumentation._labels import Attributes
from flashmm_instrumentation._numbers import text
from flashmm_instrumentation._samples import emit_sample
from flashmm_instrumentation.semconv import events
from flashmm_instrumentation.semconv.attributes import DropReason, Side


class _State(Enum):
    """SILENT: until told of a book or quotes. CLOSED: for good, whatever is told."""

    SILENT = auto()
    RUNNING = auto()
    CLOSED = auto()


class Sampler:
    """Takes what happens in a market from any thread; tick and finish emit what is over.

    make: an integrator that begins at a time. After a fork it is silent until it is told of a book or quotes.
    """

    def __init__(
        self, core: Core, terms: Instrument, labels: Attributes, depth: DepthRule | None, stale_after_ns: int
    ) -> None:
        self._core: Final = core
        self._terms: Final = terms
        self._labels: Final = labels
        self._depth: Final = depth
        self._make: Final[Callable[[int], SpreadIntegrator]] = lambda start_ns: SpreadIntegrator(
            terms.tick.step, start_ns, stale_after_ns, depth
        )
        self._lock = threading.RLock()
        self._state = _State.SILENT
        self._integrator = self._make(0)

    def begin(self, now_ns: int) -> None:
        """Integrate from now_ns on, and say what is traded."""
        self._integrator = self._make(now_ns)
        self._state = _State.RUNNING
        self._core.streams.emit(events.INSTRUMENT.name, self._core.clock.now_ns(), self._terms.body())

    def book(self, at_ns: int, bids: Levels, asks: Levels) -> bool:
        """The book from at_ns on; False if it was refused, as older than the last or after the end."""
        if not self._awake(at_ns):
            return False
        with self._lock:
            return self._integrator.book(at_ns, bids, asks)

    def quotes(self, at_ns: int, bids: Levels, asks: Levels) -> None:
        """Our orders from at_ns on."""
        if self._awake(at_ns):
            with self._lock:
                self._integrator.quotes(at_ns, bids, asks)

    def doubt(self, at_ns: int, order_id: str, side: Side, levels: Levels, *, rested: bool) -> None:
        """Where an order may be from at_ns on; see SpreadIntegrator.doubt."""
        if self._state is _State.RUNNING:
            with self._lock:
                self._integrator.doubt(at_ns, order_id, side, levels, rested=rested)

    def trade(self, at_ns: int, quantity: int) -> None:
        """A public trade."""
        if self._state is _State.RUNNING:
            with self._lock:
                self._integrator.trade(at_ns, quantity)

    def fill(self, at_ns: int, quantity: int) -> None:
        """A fill of ours."""
        if self._state is _State.RUNNING:
            with self._lock:
                self._integrator.fill(at_ns, quantity)

    def assignment(self, at_ns: int, assignment_id: str) -> None:
        """A switchback's arm from at_ns on."""
        if self._state is _State.RUNNING:
            with self._lock:
                self._integrator.assignment(at_ns, assignment_id)

    def tick(self, now_ns: int) -> None:
        """Emit the samples of the seconds that are over."""
        if self._state is _State.RUNNING:
            with self._lock:
                closed = self._integrator.close_until(now_ns)
            self._emit(closed)

    def finish(self, now_ns: int) -> None:
        """Emit the last sample, cut at now_ns. What is told from now on has no effect."""
        running, self._state = self._state is _State.RUNNING, _State.CLOSED
        if running:
            with self._lock:
                closed = self._integrator.finish(now_ns)
            self._emit(closed)

    def restart_in_child(self) -> None:
        """After a fork: silent until the child tells of a book or quotes of its own."""
        self._lock = threading.RLock()
        self._state = _State.SILENT

    def _awake(self, at_ns: int) -> bool:
        if self._state is _State.SILENT:
            self.begin(at_ns)
        return self._state is _State.RUNNING

    def _emit(self, closed: Closed) -> None:
        notional = None if self._depth is None else text(self._depth.notional)
        for sample in closed.samples:
            emit_sample(self._core, self._terms, self._labels, sample, notional)
        if closed.skipped:
            self._core.instruments.dropped(DropReason.GAP, closed.skipped)
        for reason, calls in closed.troubles.items():
            self._core.boundary.note(reason, f"{self._terms.symbol}: what the market told", calls)
