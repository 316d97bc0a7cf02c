"""The ports: what callers may ask of a backend, in their words. Workers see these, never a product.

Errors (all carry data; `str()` says what to do)::

    BackendError
    ├── Unavailable      the backend cannot be reached or is full: try again later (retryable)
    ├── BatchRefused     the batch cannot be stored as it is: sending it again will not help
    ├── QueryRefused     the query is not acceptable; `kind` is Prometheus's errorType
    └── NotFound         no such trace or order
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from flashmm_backends.batch import Batch, Event, Labels, LogRecord, Span
from flashmm_backends.histogram import NativeHistogram


class BackendError(Exception):
    """Root of what a port raises."""


@dataclass
class Unavailable(BackendError):
    """The backend cannot serve now; the same call may succeed later."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} is unavailable: {self.why}"


@dataclass
class BatchRefused(BackendError):
    """The batch breaks a rule of the store. reason: a word for counters; nothing of the batch was kept."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"the batch cannot be stored ({self.reason}): {self.detail}"


@dataclass
class QueryRefused(BackendError):
    """The query will not be answered. kind: bad_data, execution, timeout, as in Prometheus's API."""

    kind: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass
class NotFound(BackendError):
    """Nothing is stored under that id."""

    what: str

    def __str__(self) -> str:
        return f"{self.what} is not in the store"


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open interval of time [start_ns, end_ns), UTC nanoseconds."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of what was emitted has arrived. Expected is known from sequence numbers and stream marks.

    unclosed_runs: processes of bots that ended in the window without closing their streams, of any kind. What they
    emitted after their last marks, of one to eleven seconds, is in neither number: nobody knows it.
    """

    received: int
    expected: int
    unclosed_runs: int = 0

    @property
    def ratio(self) -> float:
        """received ÷ expected; 1.0 where nothing was expected."""
        return self.received / self.expected if self.expected else 1.0


@dataclass(frozen=True, slots=True)
class EventTable:
    """Events of one kind in columns, ordered by time.

    columns: time_ns, run, seq, bot, account, trace_id, span_id, then the kind's fields. Shape (n,) each: int64 for
    time and int, float64, bool, object (str, Decimal) otherwise; absent values are None in object columns, and
    such a column is object whatever its type.
    """

    kind: str
    window: Window
    columns: Mapping[str, npt.NDArray[np.generic]]
    completeness: Completeness

    def __len__(self) -> int:
        return len(self.columns["time_ns"])


@dataclass(frozen=True, slots=True)
class EventPosition:
    """Where an event stands in the order of its kind: by time, then run, then seq."""

    time_ns: int
    run: str
    seq: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the events of a window: the first `limit` of those after `after`, None for the beginning."""

    limit: int
    after: EventPosition | None = None


@dataclass(frozen=True, slots=True)
class VectorSample:
    """One element of an instant vector: a float or a histogram."""

    labels: Labels
    time_ms: int
    value: float | NativeHistogram


@dataclass(frozen=True, slots=True)
class InstantResult:
    """Answer of an instant query. type: vector or scalar (then one sample without labels) or string or matrix."""

    type: str
    samples: Sequence[VectorSample] = ()
    matrix: Sequence["RangeSeries"] = ()
    text: str = ""
    annotations: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RangeSeries:
    """One series of a range query: float samples, and histogram samples where the series has any."""

    labels: Labels
    times_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    histogram_times_ms: Sequence[int] = ()
    histograms: Sequence[NativeHistogram] = ()


@dataclass(frozen=True, slots=True)
class RangeResult:
    """Answer of a range query, sorted by labels."""

    series: Sequence[RangeSeries]
    annotations: Sequence[str] = ()


class MetricsReader(Protocol):
    """Metrics by PromQL. Raises QueryRefused, Unavailable."""

    async def query(self, promql: str, at_ms: int) -> InstantResult: ...

    async def query_range(self, promql: str, start_ms: int, end_ms: int, step_ms: int) -> RangeResult: ...


class EventReader(Protocol):
    """Events of one kind. `where` compares fields for equality, e.g. {"symbol": "BTCUSDT"}."""

    async def events(self, kind: str, window: Window, where: Mapping[str, str] | None = None) -> EventTable: ...

    async def completeness(self, kind: str, window: Window) -> Completeness: ...


@dataclass(frozen=True, slots=True)
class OrderTrace:
    """One order: its placement trace, and all that happened later, in order of time."""

    order_id: str
    placement: Sequence[Span]
    later: Sequence[Span]
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """One line of the list of orders; empty where the sender does not tell.

    price, quantity: as first asked for, decimal strings; a market order has no price.
    """

    order_id: str
    trace_id: bytes
    bot: str
    account: str
    venue: str
    symbol: str
    side: str
    price: str
    quantity: str
    outcome: str
    start_ns: int
    duration_ns: int


ORDER_FIELDS: Final = ("order_id", "bot", "account", "venue", "symbol", "side", "outcome")
"""What orders can be chosen by."""


class TraceReader(Protocol):
    """Traces and orders; `where` takes ORDER_FIELDS. Raises NotFound, QueryRefused, Unavailable."""

    async def trace(self, trace_id: bytes) -> Sequence[Span]: ...

    async def order(self, order_id: str) -> OrderTrace: ...

    async def orders(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 100
    ) -> Sequence[OrderSummary]: ...


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log record, and the `service.name` of who wrote it, empty where it has none."""

    record: LogRecord
    service: str


class LogReader(Protocol):
    """Log records for people, the latest first. Raises QueryRefused, Unavailable.

    where: `trace_id` in hexadecimal, `service`, `bot`; `severity_min`: least severity number; `text`: occurs in the
    body.
    """

    async def logs(
        self, window: Window, where: Mapping[str, str] | None = None, limit: int = 1_000
    ) -> Sequence[LogLine]: ...


class Store(Protocol):
    """The write side."""

    async def append(self, batch: Batch) -> None:
        """Return once the batch is durable.

        Raises Unavailable when full or failing, BatchRefused when it can never be stored; nothing is kept then.
        """
        ...

    async def stream_seqs(self) -> Mapping[tuple[str, str], Sequence[tuple[int, int]]]:
        """Sequence numbers already stored, by stream (run, kind): sorted, disjoint, inclusive intervals."""
        ...


Tap = Callable[[Batch], None]
"""Called by the receiver after decoding and deduplication, before the commit. Must not block or raise."""
