"""Prometheus's HTTP API over the metrics port: what a Grafana data source of type Prometheus asks.

No I/O of its own: `PrometheusApi.handle` takes a request's parts and returns the response's. The server mounts it
under /api/v1 and compresses what it sends.
Source: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from flashmm_backends.batch import Labels
from flashmm_backends.ports import MetricsReader, QueryRefused, Unavailable
from flashmm_backends.promql import _encode as encode
from flashmm_backends.promql._ast import Expr, RangeSelector, Selector, children
from flashmm_backends.promql._limits import Limits
from flashmm_backends.promql._parameters import MAX_MS, MIN_MS, Parameters, duration_ns, label_name, refused, time_ms
from flashmm_backends.promql._parse import parse, parse_selector
from flashmm_backends.promql._regex import compile_anchored
from flashmm_backends.promql._scan import refuse_costly_patterns
from flashmm_backends.promql.source import ExemplarSeries, ExemplarSource, Matcher, MatchOp, Metadata, SampleSource

_STATUS: Final = {
    "bad_data": 400,
    "not_found": 404,
    "execution": 422,
    "internal": 500,
    "timeout": 503,
    "unavailable": 503,
}
_POSTED: Final = frozenset({"query", "query_range", "query_exemplars", "series", "labels"})
"""What takes a form as well as an address."""
_JSON: Final = {"content-type": "application/json"}
_EMPTY_MATCH: Final = "match[] must contain at least one non-empty matcher"
_EMPTY_SELECTOR: Final = "parse error: vector selector must contain at least one non-empty matcher"
_TRUNCATED: Final = "results truncated due to limit"
_TIMEOUT_SECONDS_MAX: Final = 3600.0
_BUILD: Final = {
    "version": "3.13.5",
    "revision": "flashmm",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}
"""The version whose behaviour the answers have: clients choose what they ask by it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class PrometheusApi:
    """The API's answers. Queries go to the metrics port; names, labels and exemplars come from the store.

    exemplars: None where none are kept. clock: milliseconds, the default of `time`. limits: those of the engine.
    """

    def __init__(
        self,
        metrics: MetricsReader,
        source: SampleSource,
        *,
        exemplars: ExemplarSource | None = None,
        clock: Callable[[], int] = _now_ms,
        limits: Limits | None = None,
    ) -> None:
        self._metrics = metrics
        self._source = source
        self._exemplars = exemplars
        self._clock = clock
        self._limits = limits or Limits()
        self._handlers: dict[str, Callable[[Parameters], Awaitable[bytes]]] = {
            "query": self._query,
            "query_range": self._query_range,
            "query_exemplars": self._query_exemplars,
            "series": self._series,
            "labels": self._labels,
            "metadata": self._metadata,
            "status/buildinfo": self._buildinfo,
            "rules": self._rules,
            "alerts": self._alerts,
        }

    async def handle(
        self, method: str, path: str, query: str = "", body: bytes = b"", content_type: str = ""
    ) -> Response:
        """Answer one request.

        path: decoded, what follows /api/v1/. query: the address's query string. body, content_type: a posted form.
        """
        try:
            name = path.strip("/")
            if method == "OPTIONS":
                return Response(204, b"", {})
            handler = self._handler(name)
            if method != "GET" and (method != "POST" or name not in _POSTED):
                return Response(405, encode.failure("bad_data", f"method {method} is not allowed"))
            return Response(200, await handler(Parameters.of(query, body, content_type)))
        except QueryRefused as error:
            return Response(_STATUS.get(error.kind, 500), encode.failure(error.kind, error.message))
        except Unavailable as error:
            return Response(503, encode.failure("unavailable", str(error)))

    def _handler(self, path: str) -> Callable[[Parameters], Awaitable[bytes]]:
        if path.startswith("label/") and path.endswith("/values"):
            name = path.removeprefix("label/").removesuffix("/values")
            return lambda parameters: self._label_values(name, parameters)
        try:
            return self._handlers[path]
        except KeyError:
            raise QueryRefused("not_found", f"/api/v1/{path} is not served here") from None

    async def _query(self, parameters: Parameters) -> bytes:
        limit = parameters.limit()
        at_ms = parameters.optional_time("time", self._clock())
        text, seconds = self._query_text(parameters), _timeout_seconds(parameters)
        with _parameter_errors("query"):
            result = await _within(seconds, self._metrics.query(text, at_ms))
        notes = result.annotations
        if limit and max(len(result.samples), len(result.matrix)) > limit:
            result = replace(result, samples=result.samples[:limit], matrix=result.matrix[:limit])
            notes = (*notes, _TRUNCATED)
        return await asyncio.to_thread(lambda: encode.success(encode.instant(result, at_ms), notes))

    async def _query_range(self, parameters: Parameters) -> bytes:
        limit = parameters.limit()
        start_ms, end_ms, step_ms = _grid(parameters, self._limits.steps)
        text, seconds = self._query_text(parameters), _timeout_seconds(parameters)
        with _parameter_errors("query"):
            result = await _within(seconds, self._metrics.query_range(text, start_ms, end_ms, step_ms))
        rows, notes = result.series, result.annotations
        if limit and len(rows) > limit:
            rows, notes = rows[:limit], (*notes, _TRUNCATED)
        return await asyncio.to_thread(lambda: encode.success(encode.matrix(rows), notes))

    def _query_text(self, parameters: Parameters) -> str:
        """The query. A lookback other than ours is refused; 0 asks for the default."""
        try:
            asked_ns = parameters.text("lookback_delta") and duration_ns(parameters.text("lookback_delta"))
        except ValueError as error:
            raise QueryRefused("bad_data", f"error parsing lookback delta duration: {error}") from None
        own_ms = self._limits.lookback_ms
        if asked_ns and asked_ns != own_ms * 1_000_000:
            raise QueryRefused("bad_data", f"lookback_delta is not supported: the lookback is {own_ms // 1000} s")
        return parameters.text("query")

    async def _query_exemplars(self, parameters: Parameters) -> bytes:
        start_ms, end_ms = _span(parameters)
        if end_ms < start_ms:
            raise QueryRefused("bad_data", "end timestamp must not be before start timestamp")
        expr = await asyncio.to_thread(parse, parameters.text("query"), self._limits)
        found = await self._read_exemplars(list(_selectors(expr)), start_ms, end_ms)
        told = ((series.labels, series.exemplars) for series in found)
        return await asyncio.to_thread(lambda: encode.success(encode.exemplars(told)))

    async def _read_exemplars(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> Iterable[ExemplarSeries]:
        if self._exemplars is None:
            return ()
        found = [await self._exemplars.exemplars(matchers, start_ms, end_ms) for matchers in selectors]
        by_labels = {series.labels: series for many in found for series in many}
        return [by_labels[labels] for labels in sorted(by_labels)]

    async def _series(self, parameters: Parameters) -> bytes:
        if not parameters.all("match[]"):
            raise QueryRefused("bad_data", "no match[] parameter provided")
        with _parameter_errors("match[]"):
            found = await self._matching(parameters)
        return await asyncio.to_thread(lambda: _listed([dict(labels) for labels in found], parameters))

    async def _labels(self, parameters: Parameters) -> bytes:
        found = await self._matching(parameters)
        return await asyncio.to_thread(
            lambda: _listed(sorted({name for labels in found for name, _ in labels}), parameters)
        )

    async def _label_values(self, in_address: str, parameters: Parameters) -> bytes:
        name = label_name(in_address)
        if not name:
            raise QueryRefused("bad_data", 'invalid label name: ""')
        found = await self._matching(parameters)

        def listed() -> bytes:
            return _listed(sorted({text for labels in found for label, text in labels if label == name}), parameters)

        return await asyncio.to_thread(listed)

    async def _matching(self, parameters: Parameters) -> list[Labels]:
        """Every series that any `match[]` selects, sorted; all where there is none."""
        start_ms, end_ms = _span(parameters)
        texts = parameters.all("match[]")
        refuse_costly_patterns(" ".join(texts))

        def read() -> list[Labels]:
            selectors = [_selector(text, self._limits) for text in texts] or [()]
            return sorted({labels for s in selectors for labels in self._source.series(s, start_ms, end_ms)})

        return await asyncio.to_thread(read)

    async def _metadata(self, parameters: Parameters) -> bytes:
        metric, limit = parameters.text("metric"), parameters.number("limit")
        per_metric = parameters.number("limit_per_metric")
        families: dict[str, list[Metadata]] = {}
        for known in await asyncio.to_thread(self._source.metadata):
            if metric in ("", known.name):
                families.setdefault(known.name, []).append(known)
        names = sorted(families)[: limit if limit >= 0 else None]
        told = {name: _told(families[name][: per_metric if per_metric > 0 else None]) for name in names}
        return encode.success(encode.json_text(told))

    async def _buildinfo(self, _: Parameters) -> bytes:
        return encode.success(encode.json_text(_BUILD))

    async def _rules(self, parameters: Parameters) -> bytes:
        """No rule is evaluated behind this API: alerts have an address of their own."""
        if (kind := parameters.text("type").lower()) not in ("", "alert", "record"):
            raise refused("type", f'not supported value "{kind}"')
        return encode.success('{"groups":[]}')

    async def _alerts(self, _: Parameters) -> bytes:
        return encode.success('{"alerts":[]}')


@contextmanager
def _parameter_errors(name: str) -> Generator[None]:
    """What is wrong in itself is a bad parameter."""
    try:
        yield
    except QueryRefused as error:
        if error.kind != "bad_data" or error.message.startswith("invalid parameter"):
            raise
        raise refused(name, error.message) from error


def _timeout_seconds(parameters: Parameters) -> float:
    nanoseconds = parameters.parsed("timeout", duration_ns, int(_TIMEOUT_SECONDS_MAX * 1e9))
    return min(nanoseconds / 1e9, _TIMEOUT_SECONDS_MAX)


async def _within(seconds: float, answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise QueryRefused("timeout", "query timed out in expression evaluation") from None


def _grid(parameters: Parameters, steps_max: int) -> tuple[int, int, int]:
    """Start, end and step of a range query, milliseconds."""
    start_ms = parameters.parsed("start", time_ms)
    end_ms = parameters.parsed("end", time_ms)
    if end_ms < start_ms:
        raise refused("end", "end timestamp must not be before start time")
    step_ns = parameters.parsed("step", duration_ns)
    if step_ns < 1_000_000:
        raise refused(
            "step", "zero or negative query resolution step widths are not accepted. Try a positive integer"
        )
    if (end_ms - start_ms) * 1_000_000 // step_ns > steps_max:
        raise QueryRefused(
            "bad_data",
            f"exceeded maximum resolution of {steps_max:,} points per timeseries. Try decreasing the query "
            "resolution (?step=XX)",
        )
    return start_ms, end_ms, step_ns // 1_000_000


def _span(parameters: Parameters) -> tuple[int, int]:
    start_ms = parameters.optional_time("start", MIN_MS)
    end_ms = parameters.optional_time("end", MAX_MS)
    return max(start_ms, MIN_MS), min(end_ms, MAX_MS)


def _selector(text: str, limits: Limits) -> tuple[Matcher, ...]:
    try:
        matchers = parse_selector(text, limits)
    except QueryRefused as error:
        # The parser library sees it sooner, and names an expression's selector.
        raise QueryRefused(error.kind, error.message.replace(_EMPTY_SELECTOR, _EMPTY_MATCH)) from error
    if all(_matches_empty(matcher) for matcher in matchers):
        raise QueryRefused("bad_data", _EMPTY_MATCH)
    return matchers


def _matches_empty(matcher: Matcher) -> bool:
    if matcher.op in (MatchOp.EQ, MatchOp.NE):
        return (matcher.value == "") is (matcher.op is MatchOp.EQ)
    return (compile_anchored(matcher.value).fullmatch("") is not None) is (matcher.op is MatchOp.RE)


def _selectors(expr: Expr) -> Generator[Sequence[Matcher]]:
    if isinstance(expr, Selector):
        yield expr.matchers
    if isinstance(expr, RangeSelector):
        yield expr.selector.matchers
    for child in children(expr):
        yield from _selectors(child)


def _told(known: Sequence[Metadata]) -> list[dict[str, str]]:
    return [{"type": one.type, "unit": one.unit, "help": one.help} for one in known]


def _listed(items: Sequence[object], parameters: Parameters) -> bytes:
    limit = parameters.limit()
    if limit and len(items) > limit:
        return encode.success(encode.json_text(list(items[:limit])), (_TRUNCATED,))
    return encode.success(encode.json_text(list(items)))
