"""The traces port over Tempo's HTTP API: its documented forms over a real socket, late spans, cut-offs."""

import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from tests.unit.backends.lgtm.store import Answer, Asked, Passing, Store, running_store

from flashmm_backends.lgtm import EndpointSettings, TempoSettings, TempoTraces, tempo_traces
from flashmm_backends.ports import Completeness, EventTable, NotFound, QueryRefused, Unavailable, Window

NOW_S = 1_800_000_000
NOW_NS = NOW_S * 10**9
TRACE = bytes.fromhex("000001" + "ab" * 13)
LATER = b"\x02" * 16


def b64(data: bytes) -> str:
    """Bytes as Tempo writes them."""
    return base64.b64encode(data).decode()


def attributes(**values: str) -> list[dict[str, Any]]:
    """Attributes; `__` for a dot."""
    return [{"key": name.replace("__", "."), "value": {"stringValue": text}} for name, text in values.items()]


def wire(
    name: str, trace_id: bytes, span: int, parent: int = 0, start_ns: int = NOW_NS - 10**9, **values: str
) -> Any:
    """One span in Tempo's JSON."""
    ids = {"parentSpanId": b64(bytes([parent]) * 8)} if parent else {}
    return {
        "traceId": b64(trace_id),
        "spanId": b64(bytes([span]) * 8),
        "name": name,
        "kind": "SPAN_KIND_INTERNAL",
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + 1500),
        "attributes": attributes(**values),
        "status": {"code": "STATUS_CODE_ERROR", "message": "why"},
        "novelty": 1,
        **ids,
    }


def root(trace_id: bytes = TRACE, order_id: str = "o-1", start_ns: int = NOW_NS - 10**9, symbol: str = "BTC") -> Any:
    """A placement's root."""
    told = {"flashmm__order__id": order_id, "flashmm__symbol": symbol, "flashmm__side": "buy"}
    return wire("order", trace_id, 1, 0, start_ns, **told, flashmm__order__outcome="acked")


ACK = wire("ack", TRACE, 2, 1)
CANCEL = wire("cancel", LATER, 3, flashmm__order__id="o-1")


def trace(*spans: Any, **more: object) -> Answer:
    """The answer to an id, as /api/v2/traces gives it."""
    scope = {"scope": {"name": "scope"}, "spans": list(spans)}
    resources = (
        [{"resource": {"attributes": attributes(service__name="m", flashmm__bot="maker-1")}, "scopeSpans": [scope]}]
        if spans
        else []
    )
    return Answer({"trace": {"resourceSpans": resources} if spans else {}, "metrics": {}, **more})


def found(*traces: tuple[bytes, Any]) -> Answer:
    """The answer to a search: traces by their matching span; ids lose their leading zeros."""
    rows = [
        {
            "traceID": trace_id.hex().lstrip("0"),
            "spanSets": [{"spans": [{**span, "spanID": "01", "durationNanos": "1500"}], "matched": 1}],
        }
        for trace_id, span in traces
    ]
    return Answer({"traces": rows, "metrics": {"completedJobs": 1}})


@dataclass(slots=True)
class Tempo:
    """What the peer holds. traces: the answers by id, in turn; searches: by what they are given."""

    traces: dict[bytes, list[Answer]] = field(default_factory=dict[bytes, list[Answer]])
    search: Callable[[Asked], Answer] = lambda _: found()

    def answer(self, asked: Asked) -> Answer:
        """Like Tempo 3."""
        if asked.path == "/api/search":
            return self.search(asked)
        answers = self.traces.get(bytes.fromhex(asked.path.rpartition("/")[2]), [trace()])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass(slots=True)
class Events:
    """An event reader with some order events: (time, order id, trace id). symbols: by order id, of those not BTC."""

    rows: Sequence[tuple[int, str, bytes]]
    symbols: Mapping[str, str] = field(default_factory=dict[str, str])

    async def events(self, kind: str, window: Window, where: Mapping[str, str] | None = None) -> EventTable:
        told = [self._row(seq) for seq in range(len(self.rows)) if kind == "flashmm.order"]
        rows = [
            row
            for row in told
            if window.start_ns <= row["time_ns"] < window.end_ns and row.items() >= (where or {}).items()
        ]
        columns = {name: _objects([row[name] for row in rows]) for name in self._row(0)}
        return EventTable(kind, window, columns, Completeness(0, 0))

    def _row(self, seq: int) -> dict[str, Any]:
        time_ns, order_id, trace_id = self.rows[seq]
        envelope = {"run": "x", "seq": seq, "bot": "maker-1", "account": "x", "trace_id": trace_id, "span_id": b""}
        fields = {"order_id": order_id, "symbol": self.symbols.get(order_id, "BTC"), "side": "buy"}
        return {"time_ns": time_ns, **envelope, **fields}

    async def completeness(self, kind: str, window: Window) -> Completeness:
        return (await self.events(kind, window)).completeness


def _objects(values: Sequence[object]) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def reader(
    store: Store, passing: Passing | None = None, events: Events | None = None, **settings: Any
) -> AbstractAsyncContextManager[TempoTraces]:
    """The adapter over the peer."""
    told = replace(TempoSettings(), **settings)
    endpoint = EndpointSettings(url=store.url, tenant="t", deadline_s=1.0)
    return tempo_traces(endpoint, told, events, (passing or Passing(NOW_S)).time)


async def test_a_trace_with_everything_of_its_spans() -> None:
    """Ids from base64, kinds and statuses from their names, nanoseconds from text, what is new left aside."""
    tempo = Tempo({TRACE: [trace(ACK, root(), root())]})
    with running_store(by=tempo.answer) as store:
        async with reader(store) as traces:
            spans = await traces.trace(TRACE)
    assert [span.name for span in spans] == ["order", "ack"]
    first = spans[0]
    assert (first.trace_id, first.span_id, first.parent_span_id) == (TRACE, b"\x01" * 8, b"")
    assert (first.kind, first.status, first.status_message, first.scope) == (1, 2, "why", "scope")
    assert (first.start_ns, first.end_ns) == (NOW_NS - 10**9, NOW_NS - 10**9 + 1500)
    assert first.attributes["flashmm.order.id"] == "o-1"
    assert first.service == "m"
    assert store.asked[0].path == f"/api/v2/traces/{TRACE.hex()}"
    assert store.asked[0].headers["X-Scope-OrgID"] == "t"


async def test_a_tempo_without_the_second_version() -> None:
    """Its first answers, and is asked at once from then on."""

    def old(asked: Asked) -> Answer:
        if "/v2/" in asked.path:
            return Answer(b"404 page not found", 404)
        if TRACE.hex() not in asked.path:
            return Answer(b"trace not found", 404)
        scopes = [{"spans": [root()]}]
        return Answer({"batches": [{"resource": {}, "scopeSpans": scopes}]})

    with running_store(by=old) as store:
        async with reader(store) as traces:
            assert len(await traces.trace(TRACE)) == 1
            with pytest.raises(NotFound):
                await traces.trace(LATER)
    assert ["/v2/" in asked.path for asked in store.asked] == [True, False, False]


async def test_what_still_arrives_is_waited_for() -> None:
    """A child without its root, a root without a child's parent, a partial answer: each is asked for again."""
    orphan = wire("sign", TRACE, 5, 4)
    steps = [trace(ACK), trace(root(), orphan), trace(root(), ACK, status="PARTIAL"), trace(root(), ACK)]
    passing = Passing(NOW_S)
    with running_store(by=Tempo({TRACE: steps}).answer) as store:
        async with reader(store, passing) as traces:
            assert [span.name for span in await traces.trace(TRACE)] == ["order", "ack"]
    assert passing.slept == [0.25] * 3


async def test_waiting_ends() -> None:
    """At its deadline, or at once where the trace is old: then what is there is answered."""
    for start_ns, waits in ((NOW_NS - 10**9, 20), (NOW_NS - 61 * 10**9, 0)):
        passing = Passing(NOW_S)
        with running_store(by=Tempo({TRACE: [trace(wire("ack", TRACE, 2, 1, start_ns))]}).answer) as store:
            async with reader(store, passing) as traces:
                assert len(await traces.trace(TRACE)) == 1
        assert len(passing.slept) == waits


async def test_nothing_under_an_id() -> None:
    """An unknown trace and an unknown order are not found, without waiting."""
    passing = Passing(NOW_S)
    with running_store(by=Tempo().answer) as store:
        async with reader(store, passing) as traces:
            with pytest.raises(NotFound, match="trace 0000"):
                await traces.trace(TRACE)
            with pytest.raises(NotFound, match="order o-9"):
                await traces.order("o-9")
    assert not passing.slept


async def test_an_order_is_joined_by_its_id() -> None:
    """Placement and later traces come from a search by the span attribute, quoted."""
    tempo = Tempo(
        {TRACE: [trace(root(), ACK)], LATER: [trace(CANCEL)]}, lambda _: found((LATER, CANCEL), (TRACE, root()))
    )
    with running_store(by=tempo.answer) as store:
        async with reader(store) as traces:
            order = await traces.order('o-"1')
    assert [span.name for span in order.placement] == ["order", "ack"]
    assert [span.name for span in order.later] == ["cancel"]
    assert order.events == []
    assert '{ span.flashmm.order.id = "o-\\"1" }' in store.asked[0].one("q")
    assert int(store.asked[0].one("end")) - int(store.asked[0].one("start")) == 604_800


async def test_an_order_too_young_to_be_searched() -> None:
    """Its events tell the ids of its traces; those are waited for."""
    tempo = Tempo({TRACE: [trace(), trace(root(), ACK)]})
    events = Events([(NOW_NS - 10**9, "o-1", TRACE), (NOW_NS - 10**8, "o-1", b""), (NOW_NS, "o-2", LATER)])
    with running_store(by=tempo.answer) as store:
        async with reader(store, events=events) as traces:
            order = await traces.order("o-1")
    assert [span.name for span in order.placement] == ["order", "ack"]
    assert [(event.kind, event.seq) for event in order.events] == [("flashmm.order", 0), ("flashmm.order", 1)]
    assert order.events[0].fields == {"order_id": "o-1", "symbol": "BTC", "side": "buy"}


async def test_the_list_of_orders() -> None:
    """Searched by attributes, the latest first, only those that began in the window."""
    rows = [(bytes([i]) * 16, root(bytes([i]) * 16, f"o-{i}", NOW_NS - 10**11 + i)) for i in range(1, 4)]
    tempo = Tempo(search=lambda _: found(*rows))
    with running_store(by=tempo.answer) as store:
        async with reader(store) as traces:
            window = Window(NOW_NS - 10**11 + 2, NOW_NS - 10**10)
            orders = await traces.orders(window, {"symbol": "BTC", "outcome": "acked", "account": "main"})
            with pytest.raises(QueryRefused, match="can't be chosen by colour"):
                await traces.orders(window, {"colour": "red"})
    assert [order.order_id for order in orders] == ["o-3", "o-2"]
    assert (orders[0].symbol, orders[0].side, orders[0].outcome, orders[0].duration_ns) == (
        "BTC",
        "buy",
        "acked",
        1500,
    )
    query = store.asked[0].one("q")
    chosen = (
        'span.flashmm.symbol = "BTC" && span.flashmm.order.outcome = "acked" && resource.flashmm.account = "main"'
    )
    assert chosen in query
    assert "most_recent=true" in query


async def test_the_youngest_orders_come_from_their_events() -> None:
    """Each once, filtered as the search does, merged with what is searched."""
    young, other = root(TRACE, "o-1"), {**root(LATER, "o-2"), "attributes": attributes(flashmm__order__id="o-2")}
    tempo = Tempo(
        {TRACE: [trace(young)], LATER: [trace(other)]},
        lambda _: found((b"\x07" * 16, root(b"\x07" * 16, "o-0", NOW_NS - 9 * 10**10))),
    )
    events = Events([(NOW_NS - 10**9, "o-1", TRACE), (NOW_NS - 10**8, "o-1", TRACE), (NOW_NS - 5, "o-2", LATER)])
    with running_store(by=tempo.answer) as store:
        async with reader(store, events=events) as traces:
            orders = await traces.orders(Window(NOW_NS - 10**11, NOW_NS), {"side": "buy", "bot": "maker-1"})
            of_another = await traces.orders(Window(NOW_NS - 10**10, NOW_NS), {"bot": "maker-2"})
            newest = await traces.orders(Window(NOW_NS - 10**11, NOW_NS), limit=1)
    assert [order.order_id for order in orders] == ["o-1", "o-0"]
    assert (orders[0].bot, of_another) == ("maker-1", [])
    assert len(newest) == 1


async def test_a_young_order_is_found_behind_many_of_other_symbols() -> None:
    """The events are chosen as the list is: no other order takes the place of one that is wanted."""
    tempo, placed = Tempo(), [(NOW_NS - 10**9 + i, f"o-{i}", i.to_bytes(16, "big")) for i in range(1, 202)]
    for start_ns, order_id, trace_id in placed:
        symbol = "ETH" if order_id == "o-1" else "BTC"
        tempo.traces[trace_id] = [trace(root(trace_id, order_id, start_ns, symbol))]
    with running_store(by=tempo.answer) as store:
        async with reader(store, events=Events(placed, {"o-1": "ETH"})) as traces:
            orders = await traces.orders(Window(NOW_NS - 10**10, NOW_NS), {"symbol": "ETH"}, 100)
    assert [order.order_id for order in orders] == ["o-1"]
    assert len([asked for asked in store.asked if "traces/" in asked.path]) == 1


async def test_young_orders_come_whole_and_latest_first_page_by_page() -> None:
    """Also where events of cancels lie between, the first placed is heard of last, and its start ends the window."""
    ids = [bytes([i]) * 16 for i in range(1, 5)]
    tempo = Tempo({each: [trace(root(each, f"o-{i}", NOW_NS - 10**9 + i))] for i, each in enumerate(ids)})
    heard_ns = NOW_NS - 10**8
    placed = [(heard_ns - i, f"o-{i}", each) for i, each in enumerate(ids)]
    cancels = [(heard_ns + i, "o-0", bytes([100 + i]) * 16) for i in range(1, 40)]
    with running_store(by=tempo.answer) as store:
        async with reader(store, events=Events(placed[::-1] + cancels)) as traces:
            begin_ns, found_ids = NOW_NS - 10**10, list[str]()
            end_ns = NOW_NS
            while page := await traces.orders(Window(begin_ns, end_ns), None, 1):
                found_ids += [order.order_id for order in page]
                end_ns = page[-1].start_ns
    assert found_ids == ["o-3", "o-2", "o-1", "o-0"]


async def test_more_is_asked_for_where_the_rounding_displaces() -> None:
    """Tempo searches whole seconds: orders after the window's end count against its limit."""
    rows = [(bytes([i]) * 16, root(bytes([i]) * 16, f"o-{i}", NOW_NS - 10**11 - i)) for i in range(1, 9)]
    tempo = Tempo(search=lambda asked: found(*rows[: int(asked.one("limit"))]))
    with running_store(by=tempo.answer) as store:
        async with reader(store) as traces:
            orders = await traces.orders(Window(NOW_NS - 2 * 10**11, NOW_NS - 10**11 - 3), limit=2)
    assert [order.order_id for order in orders] == ["o-4", "o-5"]
    assert [asked.one("limit") for asked in store.asked] == ["2", "4", "8"]


async def test_long_windows_are_searched_in_pieces() -> None:
    """Tempo refuses more than a week at once: the latest piece first, and no more than it takes."""
    with running_store(by=Tempo().answer) as store:
        async with reader(store, lookback_s=1000.0) as traces:
            assert await traces.orders(Window(NOW_NS - 2500 * 10**9, NOW_NS + 10**15)) == []
            assert await traces.orders(Window(NOW_NS + 10**10, NOW_NS + 10**11)) == []
    spans = [(NOW_S - int(asked.one("start")), NOW_S - int(asked.one("end"))) for asked in store.asked]
    assert spans == [(999, -1), (1999, 999), (2500, 1999)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"<html>login</html>"), ("isn't Tempo's JSON", "traces.url (FLASHMM_TRACES__URL)")),
        (Answer({"hello": 1}), ("isn't Tempo's JSON",)),
        (Answer(b"expired", 401), ("HTTP 401", "traces.token (FLASHMM_TRACES__TOKEN)")),
        (Answer(b"no org id", 400), ("traces.tenant",)),
        (Answer(b"404 page not found", 404), ("no Tempo API", "traces.url")),
        (Answer(b"starting", 503), ("HTTP 503 (starting)", "tried")),
    ],
)
async def test_a_wrong_address_or_credential_is_named(answer: Answer, words: tuple[str, ...]) -> None:
    """By every question of the port."""
    with running_store(answer) as store:
        async with reader(store) as traces:
            for ask in (traces.trace(TRACE), traces.order("o-1"), traces.orders(Window(0, NOW_NS))):
                with pytest.raises(Unavailable) as failed:
                    await ask
                assert all(word in str(failed.value) for word in words), str(failed.value)


async def test_a_search_that_tempo_refuses() -> None:
    """In its words."""
    with running_store(Answer(b"exceeds 168h0m0s", 400)) as store:
        async with reader(store) as traces:
            with pytest.raises(QueryRefused, match="exceeds 168h"):
                await traces.order("o-1")
