"""The bot's own handle: markets, models, P&L, risk; and the seconds that pass."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from flashmm_instrumentation._boundary import Boundary, survives
from flashmm_instrumentation._core import Core
from flashmm_instrumentation._every import Every
from flashmm_instrumentation._inputs import identifier, nanoseconds
from flashmm_instrumentation._instrument import instrument
from flashmm_instrumentation._integrator import GRACE_NS, SECOND_NS
from flashmm_instrumentation._market import Market, depth_rule
from flashmm_instrumentation._model import Model
from flashmm_instrumentation._numbers import Number, amount_text, figure
from flashmm_instrumentation._pipeline import Pipeline
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import events

_TICK_SLACK_NS: Final = 10_000_000
_CLOSE_S: Final = 5.0


class Bot:
    """What setup() returns. Close it, or use it as a context manager; the interpreter's exit closes it too."""

    def __init__(
        self,
        core: Core,
        pipeline: Pipeline,
        run: str,
        previous_run: str | None,
        *,
        on_close: Callable[[], None],
        ticking: bool,
    ) -> None:
        self._core = core
        self._pipeline = pipeline
        self._run = run
        self._on_close = on_close
        self._markets: dict[tuple[str, str], Market] = {}
        self._models: dict[tuple[str, str], Model] = {}
        self._lock = threading.Lock()
        self._closed = False
        self.at_fork: Callable[[], None] = _nothing
        core.streams.open(core.clock.now_ns(), previous_run)
        self._ticker = Every("ticker", self._until_tick_s, self.tick) if ticking else None

    @property
    def boundary(self) -> Boundary:
        """Where this handle's failures stop."""
        return self._core.boundary

    @property
    def run(self) -> str:
        """This process's run id, a UUIDv7."""
        return self._run

    @property
    def tracer_provider(self) -> TracerProvider:
        """For spans of the bot's own."""
        return self._pipeline.tracer_provider

    @property
    def meter_provider(self) -> MeterProvider:
        """For metrics of the bot's own; another one after a fork."""
        return self._pipeline.meter_provider

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed

    def now_ns(self) -> int:
        """The bot's clock: UTC nanoseconds. Take received times from here."""
        return self._core.clock.now_ns()

    def market(
        self,
        venue: str,
        symbol: str,
        *,
        tick: Number,
        lot: Number,
        base: str,
        quote: str,
        settle: str | None = None,
        multiplier: Number = "1",
        inverse: bool = False,
        stale_after_ms: float = 5_000,
        depth_notional: Number | None = None,
    ) -> Market:
        """Bind a market; the same handle if it is bound already, on the same terms.

        multiplier: base units (linear) or quote units (inverse) per contract. stale_after_ms: a book without an
        update for longer does not count. depth_notional: also integrate the spread at this notional, in quote.
        Raises ValueError, naming what is wrong.
        """
        if not figure(stale_after_ms, "stale_after_ms") > 0:
            raise ValueError(f"stale_after_ms must be positive, not {stale_after_ms!r}")
        terms = instrument(
            venue,
            symbol,
            tick=tick,
            lot=lot,
            base=base,
            quote=quote,
            settle=settle,
            multiplier=multiplier,
            inverse=inverse,
        )
        depth = depth_rule(terms, depth_notional)
        with self._lock:
            bound = self._markets.get((venue, symbol))
            if bound is None:
                bound = Market(self._core, terms, int(stale_after_ms * 1e6), depth)
                self._markets[venue, symbol] = bound
                if self._closed:
                    bound.finish(self.now_ns())
        bound.expect(terms)
        return bound

    def model(self, name: str, venue: str) -> Model:
        """Bind a model that predicts for a venue's symbols. Raises ValueError if a name is empty."""
        if not name or not venue:
            raise ValueError("a model needs a name and a venue")
        with self._lock:
            return self._models.setdefault((name, venue), Model(self._core, name, venue))

    @survives
    def pnl(self, currency: str, realized: Number, unrealized: Number, fees: Number = 0, funding: Number = 0) -> None:
        """Profit and loss since the run began. fees and funding: negative when paid."""
        instruments, labels = self._core.instruments, self._labels(currency)
        instruments.pnl_realized.set(figure(realized, "realized"), labels)
        instruments.pnl_unrealized.set(figure(unrealized, "unrealized"), labels)
        instruments.pnl_fees.set(figure(fees, "fees"), labels)
        instruments.pnl_funding.set(figure(funding, "funding"), labels)

    @survives
    def risk(
        self,
        currency: str,
        exposure: Number,
        exposure_limit: Number | None = None,
        var: Number | None = None,
    ) -> None:
        """Absolute notional of the open positions, its limit, and the value at risk as a positive loss."""
        instruments, labels = self._core.instruments, self._labels(currency)
        instruments.risk_exposure.set(figure(exposure, "exposure"), labels)
        if exposure_limit is not None:
            instruments.risk_exposure_limit.set(figure(exposure_limit, "exposure_limit"), labels)
        if var is not None:
            instruments.risk_var.set(figure(var, "var"), labels)

    @survives
    def error(self, error: str | BaseException) -> None:
        """Count an error of the bot's: an exception, by its class, or a name, one of a bounded set.

        What an exception says is for the bot's own log, which goes out too: `logger.exception(…)`.
        """
        named = identifier(self.boundary, error if isinstance(error, str) else type(error).__qualname__, "error")
        self._core.instruments.errors.add(1, {attr.ERROR_TYPE: named})

    @survives
    def transfer(
        self, venue: str, transfer_id: str, amount: Number, currency: str, exchange_ns: int | None = None
    ) -> None:
        """A deposit (positive) or withdrawal (negative): not performance."""
        boundary = self.boundary
        body = {
            "venue": identifier(boundary, venue, "venue"),
            "transfer_id": identifier(boundary, transfer_id, "transfer_id"),
            "amount": amount_text(amount, "amount"),
            "currency": identifier(boundary, currency, "currency"),
            "exchange_time_ns": None if exchange_ns is None else nanoseconds(boundary, exchange_ns, "exchange_ns"),
        }
        self._core.streams.emit(events.TRANSFER.name, self.now_ns(), body)

    def _labels(self, currency: str) -> dict[str, str]:
        return {attr.CURRENCY: identifier(self.boundary, currency, "currency")}

    # Seconds pass.

    @survives
    def tick(self) -> None:
        """Close what is over, mark the streams. A thread calls this each second."""
        now_ns = self.now_ns()
        for market in list(self._markets.values()):
            market.tick(now_ns)
        self._core.streams.mark(now_ns)

    def _until_tick_s(self) -> float:
        offset_ns = GRACE_NS + _TICK_SLACK_NS
        return (SECOND_NS - (self.now_ns() - offset_ns) % SECOND_NS) / 1e9

    # The end.

    def flush(self, timeout_s: float = _CLOSE_S) -> bool:
        """Export what was recorded so far; True if all of it was taken."""
        return self._pipeline.flush(timeout_s)

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Last samples, close marks, and everything exported within timeout_s; later calls have no effect."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        deadline_s = time.monotonic() + timeout_s
        self._on_close()
        if self._ticker is not None:
            self._ticker.stop(timeout_s)
        self._finish()
        self._pipeline.close(max(0.1, deadline_s - time.monotonic()))

    @survives
    def _finish(self) -> None:
        now_ns = self.now_ns()
        for market in self._markets.values():
            market.finish(now_ns)
        self._core.streams.close(now_ns)

    def restart_in_child(self, run: str) -> None:
        """After a fork: the child is a run of its own; its markets wait for their first book."""
        previous, self._run = self._run, run
        self._lock = threading.Lock()
        self.boundary.restart_in_child()
        self._core.instruments = self._pipeline.instruments
        self._core.streams.restart_in_child()
        for market in self._markets.values():
            market.restart_in_child()
        self._core.streams.open(self.now_ns(), previous)
        if self._ticker is not None:
            self._ticker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nothing() -> None:
    return
