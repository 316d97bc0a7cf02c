"""Events come back exact, typed, once, in order of time, with their completeness."""

from decimal import Decimal

import numpy as np
import pytest
from tests.unit.backends.ledger.batches import RUN, event, events, transfer
from tests.unit.backends.ledger.conftest import START_NS, Clock, Opener

from flashmm_backends.ledger import Ledger
from flashmm_backends.ports import BatchRefused, QueryRefused, Window
from flashmm_instrumentation.semconv import EVENT_KINDS
from flashmm_instrumentation.semconv.events import FieldType

EVER = Window(0, 2**62)
KIND = "flashmm.transfer"
VALUES = {
    FieldType.STRING: "na\u00efve \U0001f600 '\"\\ \x00 end",
    FieldType.INT: -(2**63),
    FieldType.TIME: 2**63 - 1,
    FieldType.FLOAT: 5e-324,
    FieldType.BOOL: True,
    FieldType.DECIMAL: Decimal("-12345678901234567890.123456789012345678"),
}


@pytest.mark.parametrize("kind", EVENT_KINDS.values(), ids=list(EVENT_KINDS))
async def test_every_kind_comes_back_exactly(open_ledger: Opener, kind) -> None:
    """Extreme values of every field of every kind survive the journal, the table and the file."""
    full = {field.name: VALUES[field.type] for field in kind.fields}
    empty = dict.fromkeys(full)
    sent = [event(kind.name, 1, START_NS, full), event(kind.name, 2, START_NS + 1, empty)]
    async with open_ledger() as ledger:
        await ledger.append(events(*sent))
        table = await ledger.events(kind.name, EVER)
    for name, column in table.columns.items():
        if name in full:
            assert column.tolist() == [full[name], None], name
    assert table.columns["time_ns"].tolist() == [START_NS, START_NS + 1]
    assert table.columns["trace_id"].tolist() == [b"\x01" * 16] * 2
    assert len(table) == 2


async def test_columns_without_gaps_are_plain(ledger: Ledger) -> None:
    """Numbers are numpy numbers where none is absent, objects otherwise."""
    fields = {"venue": "v", "symbol": "s", "model": "m", "prediction_id": "p", "value": float("nan")}
    await ledger.append(events(event("flashmm.outcome", 1, START_NS, fields)))
    columns = (await ledger.events("flashmm.outcome", EVER)).columns
    assert columns["seq"].dtype == np.int64
    assert columns["value"].dtype == np.float64
    assert np.isnan(columns["value"]).all()
    assert columns["venue"].dtype == object


async def test_a_window_is_half_open(ledger: Ledger) -> None:
    """The begin belongs to a window, the end does not."""
    await ledger.append(events(*(transfer(i + 1, START_NS + i) for i in range(4))))
    table = await ledger.events(KIND, Window(START_NS + 1, START_NS + 3))
    assert table.columns["seq"].tolist() == [2, 3]


async def test_where_compares_by_value(ledger: Ledger) -> None:
    """Text, decimals and integers are compared as what they are."""
    await ledger.append(
        events(transfer(1, START_NS, amount=Decimal("1.50")), transfer(2, START_NS, amount=Decimal(2)))
    )
    for where, expected in (
        ({"amount": "1.5"}, [1]),
        ({"seq": "2", "currency": "USDT"}, [2]),
        ({"currency": "EUR"}, []),
        ({"seq": "not a number"}, []),
    ):
        assert (await ledger.events(KIND, EVER, where)).columns["seq"].tolist() == expected


async def test_what_does_not_exist_is_refused(ledger: Ledger) -> None:
    """Unknown kinds and columns are the caller's mistake."""
    with pytest.raises(QueryRefused, match="not an event kind"):
        await ledger.events("flashmm.nothing", EVER)
    with pytest.raises(QueryRefused, match="no column"):
        await ledger.events(KIND, EVER, {"x; DROP TABLE": "1"})


@pytest.mark.parametrize(
    "amount",
    [Decimal("1e20"), Decimal("1e-19"), Decimal("NaN"), Decimal("Infinity"), "0.1", 1.0, True],
)
async def test_values_that_do_not_fit_are_refused(ledger: Ledger, amount) -> None:
    """Nothing is rounded or converted on the way in; the rest of a group commit is kept."""
    with pytest.raises(BatchRefused, match="event_field"):
        await ledger.append(events(transfer(1, START_NS), transfer(2, START_NS, amount=amount)))
    await ledger.append(events(transfer(1, START_NS)))
    assert len(await ledger.events(KIND, EVER)) == 1


async def test_trailing_zeros_beyond_the_scale_fit(ledger: Ledger) -> None:
    """What counts is the value, not how many zeros follow it."""
    await ledger.append(events(transfer(1, START_NS, amount=Decimal("0.1" + "0" * 30))))
    assert (await ledger.events(KIND, EVER)).columns["amount"].tolist() == [Decimal("0.1")]


async def test_an_unknown_kind_is_refused(ledger: Ledger) -> None:
    """A receiver never passes one; the ledger would have no table for it."""
    with pytest.raises(BatchRefused, match="event_kind"):
        await ledger.append(events(event("flashmm.nothing", 1, START_NS, {})))


async def test_redelivery_has_no_effect(open_ledger: Opener, clock: Clock) -> None:
    """The same (run, kind, seq) is stored once: in one batch, in two, after a restart, after sealing."""
    async with open_ledger() as ledger:
        await ledger.append(events(transfer(1, START_NS), transfer(1, START_NS)))
        await ledger.append(events(transfer(1, START_NS), transfer(2, START_NS)))
    async with open_ledger() as ledger:
        await ledger.append(events(transfer(1, START_NS), transfer(2, START_NS), transfer(3, START_NS)))
        assert await ledger.stream_seqs() == {(RUN, KIND): [(1, 3)]}
        clock.forward(86_401)
        await ledger.append(events(transfer(4, START_NS)))
        await ledger.maintain()
        await ledger.maintain()
    async with open_ledger() as ledger:
        await ledger.append(events(*(transfer(i, START_NS) for i in range(1, 6))))
        table = await ledger.events(KIND, EVER)
        assert table.columns["seq"].tolist() == [1, 2, 3, 4, 5]
        assert await ledger.stream_seqs() == {(RUN, KIND): [(1, 5)]}


async def test_recent_and_sealed_events_are_one_table(open_ledger: Opener, clock: Clock) -> None:
    """Rows from files and tables are read together, in order of time."""
    async with open_ledger() as ledger:
        await ledger.append(events(transfer(1, START_NS + 5, amount=Decimal("1.1")), transfer(2, START_NS + 7)))
        await ledger.maintain()
        clock.forward(86_401)
        await ledger.append(events(transfer(3, START_NS + 6)))
        await ledger.maintain()
        await ledger.maintain()
        table = await ledger.events(KIND, EVER)
        assert table.columns["seq"].tolist() == [1, 3, 2]
        assert table.columns["amount"][0] == Decimal("1.1")
        assert table.completeness.ratio == 1.0
