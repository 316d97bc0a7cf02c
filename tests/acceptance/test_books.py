"""What the product tells equals the simulator's own books."""

from collections import Counter
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.acceptance.conftest import Session

from flashmm_instrumentation.semconv import EVENT_KINDS, events
from flashmm_instrumentation.semconv.attributes import Outcome

COMPARED = ("fill_id", "order_id", "symbol", "side", "price", "quantity", "fee", "mid")


def rows(session: Session, kind: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Events of a kind as rows, and their completeness."""
    found: list[dict[str, Any]] = []
    following = f"/api/events/{kind}?start=1h"
    while following:
        table = httpx.get(session.product.http + following, timeout=30).raise_for_status().json()
        columns, following = table["columns"], table["next"]
        found += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return found, table["completeness"]


def instant(session: Session, promql: str) -> list[dict[str, Any]]:
    """The result of an instant query at the books' own time."""
    at = session.books["as_of_ns"] / 1e9
    parameters = {"query": promql, "time": at + 2}
    answer = httpx.get(f"{session.product.http}/api/v1/query", params=parameters, timeout=30)
    return answer.raise_for_status().json()["data"]["result"]


def test_every_fill_is_in_the_ledger_to_the_last_digit(session: Session) -> None:
    """Same fills, same order, amounts as exact decimals."""
    told, _ = rows(session, events.FILL.name)
    assert len(session.fills) > 0

    def comparable(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(
            Decimal(row[name]) if name in ("price", "quantity", "fee", "mid") and row[name] is not None else row[name]
            for name in COMPARED
        )

    assert [comparable(row) for row in told] == [comparable(row) for row in session.fills]


@pytest.mark.parametrize("part", ["realized", "unrealized", "fees", "funding"])
def test_the_profit_and_loss_equals_the_books(session: Session, part: str) -> None:
    """The last sample of each part is the books' amount as a double."""
    (series,) = instant(session, f"flashmm_pnl_{part}")
    assert series["metric"]["flashmm_currency"] == session.books["currency"]
    assert float(series["value"][1]) == float(session.books[part])


def test_the_position_equals_the_books(session: Session) -> None:
    """Signed, in the base currency."""
    (series,) = instant(session, "flashmm_inventory_position")
    symbol = series["metric"]["flashmm_symbol"]
    assert float(series["value"][1]) == float(session.books["symbols"][symbol]["position"])


def test_orders_and_fills_are_counted(session: Session) -> None:
    """Counters of placements by outcome, and of fills, equal the simulator's count."""
    told = {
        each["metric"]["flashmm_order_outcome"]: float(each["value"][1])
        for each in instant(session, "sum by (flashmm_order_outcome) (flashmm_orders_total)")
    }
    counted = session.books["orders"]
    assert told == {outcome.value: counted[outcome] for outcome in Outcome if counted.get(outcome)}
    (fills,) = instant(session, "sum(flashmm_fills_total)")
    assert float(fills["value"][1]) == len(session.fills)


def test_what_became_of_orders_is_in_the_ledger(session: Session) -> None:
    """Amends, cancels, fills in full: as many as the simulator counted; what was unknown came to an end."""
    told, _ = rows(session, events.ORDER.name)
    states = Counter(row["state"] for row in told)
    counted = session.books["orders"]
    assert states["replaced"] == counted["replaced"] > 0
    assert states["cancelled"] == counted.get("cancelled", 0)
    assert states["filled"] == counted["filled"]
    assert states["unknown"] > 0
    last = {row["order_id"]: row["state"] for row in told}
    assert set(last.values()) <= {"filled", "cancelled", "rejected", "expired"}


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_nothing_is_missing(session: Session, kind: str) -> None:
    """Every stream arrived without a gap."""
    _, completeness = rows(session, kind)
    assert completeness["received"] == completeness["expected"]


def test_an_order_can_be_followed_from_tick_to_fill(session: Session) -> None:
    """Its placement's stages in order, then its fill."""
    order_id = session.fills[0]["order_id"]
    order = httpx.get(f"{session.product.http}/api/orders/{order_id}", timeout=30).raise_for_status().json()
    stages = [span["name"] for span in order["placement"]]
    assert {"order", "receive", "decide", "risk_check", "sign", "submit", "ack"} <= set(stages)
    assert any(event["kind"] == events.FILL.name for event in order["events"])
    assert order["later"], "the fill is a trace of its own"


def test_the_order_latency_has_quantiles(session: Session) -> None:
    """Native histograms come out of PromQL, and a placement takes milliseconds."""
    (series,) = instant(session, "histogram_quantile(0.5, sum(flashmm_order_duration_seconds))")
    assert 0.0001 < float(series["value"][1]) < 1.0
