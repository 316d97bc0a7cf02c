"""Markets: what is told of the book, and what the samples say."""

import math
from decimal import Decimal

import pytest

from flashmm_instrumentation import BUY, SELL, Market, Misuse, NotADecimal
from flashmm_instrumentation._ours import DOUBTS_LIMIT
from flashmm_instrumentation.testing import START_NS, Capture

from .conftest import bind, counts

MS = 1_000_000


def test_a_second_is_sampled_whole(market: Market, captured: Capture) -> None:
    """The sample of a second with a book, quotes, a trade and a fill, field by field."""
    clock = captured.clock
    market.book("100.1", 2, "100.3", 2)
    market.trade("100.3", "0.7", SELL, START_NS + 1_270 * MS)
    clock.advance(ms=500)
    market.quoting("100.1", 1, "100.3", 1)
    market.order("buy", "100.1", 1, "o-1").filled("f-1", "100.1", "0.5", "-0.01", "USDT", "maker")
    captured.tick()
    event = captured.events("flashmm.spread.sample")[0]
    assert event.time_ns == START_NS + 1_000 * MS
    assert event.body == {
        "venue": "sim",
        "symbol": "BTCUSDT",
        "start_ns": START_NS,
        "duration_ns": 1_000 * MS,
        "valid_ns": 1_000 * MS,
        "quoting_ns": 500 * MS,
        "two_sided_ns": 500 * MS,
        "at_best_ns": 500 * MS,
        "one_tick_ns": 0,
        "unknown_ns": 0,
        "paired_ns": 500 * MS,
        "crossed_ns": 0,
        "stale_ns": 0,
        "one_sided_ns": 0,
        "own_spread_integral": "100000000",
        "market_spread_integral": "100000000",
        "total_spread_integral": "100000000",
        "mid_integral": "50100000000",
        "market_spread_integral_valid": "200000000",
        "mid_integral_known": "100200000000",
        "total_spread_integral_valid": "200000000",
        "mid_integral_valid": "100200000000",
        "own_spread_integral_two_sided": "100000000",
        "mid_integral_two_sided": "50100000000",
        "bid": "100.1",
        "ask": "100.3",
        "own_bid": "100.1",
        "own_ask": "100.3",
        "own_volume": "0.5",
        "market_volume": "0.7",
        "trades": 1,
        "updates": 1,
        "reordered": 0,
    }
    for name, value in (("quote.spread", 0.2 / 100.2), ("market.spread", 0.2 / 100.2), ("quote.uptime", 0.5)):
        found = counts(captured, f"flashmm.{name}", "flashmm.symbol")["BTCUSDT"]
        assert math.isclose(found, value, rel_tol=1e-12)
    assert counts(captured, "flashmm.clock.offset", "flashmm.venue") == {"sim": 1.27}


def gauges(captured: Capture) -> list[float]:
    """Our spread, the market's and our uptime."""
    return [
        counts(captured, f"flashmm.{name}", "flashmm.symbol")["BTCUSDT"]
        for name in ("quote.spread", "market.spread", "quote.uptime")
    ]


def paired(captured: Capture) -> list[float]:
    """What is counted of the time, of our spread and of the market's."""
    return [
        counts(captured, f"flashmm.paired.{name}", "flashmm.symbol")["BTCUSDT"]
        for name in ("time", "quote_spread", "market_spread")
    ]


def test_gauges_are_means_over_the_time_that_they_are_about(market: Market, captured: Capture) -> None:
    """A wide market while we do not quote, one that is tighter without us after that; then a part of a second."""
    market.depth([("95", 5)], [("105", 5)])
    captured.clock.advance(ms=500)
    market.quoting("99.5", 1, "100.5", 1)
    market.depth([("99.5", 1), ("99", 5)], [("100.5", 1), ("101", 5)])
    captured.clock.advance(ms=500)
    market.quoting("98", 1, "102", 1)
    market.depth([("99", 5), ("98", 1)], [("101", 5), ("102", 1)])
    captured.clock.advance(ms=200)
    captured.bot.tick()
    assert gauges(captured) == pytest.approx([0.01, 0.06, 0.5])
    assert paired(captured) == pytest.approx([0.5, 0.01 * 0.5, 0.02 * 0.5])
    market.quoting(None, None, None, None)
    captured.clock.advance(ms=200)
    market.finish(captured.clock.now_ns())
    assert gauges(captured) == pytest.approx([0.04, 0.02, 0.5])
    assert paired(captured) == pytest.approx([0.7, 0.01 * 0.5 + 0.04 * 0.2, 0.02 * 0.7])


def test_levels_reveal_the_market_behind_us(captured: Capture) -> None:
    """With more levels, the market without our whole best level is the next one."""
    market = bind(captured, depth_notional=250)
    market.depth([("100.2", 1), ("100.1", 2)], [("100.3", 1), ("100.5", 5)])
    market.quoting_levels([("100.2", 1)], [("100.3", 1), ("100.6", 1)])
    captured.tick(seconds=2)
    body = captured.events("flashmm.spread.sample")[0].body
    assert Decimal(str(body["market_spread_integral"])) == Decimal("0.4") * 10**9
    assert Decimal(str(body["own_spread_integral"])) == Decimal("0.1") * 10**9
    assert (body["depth_ns"], body["depth_notional"]) == (10**9, "250")
    assert Decimal(str(body["depth_spread_integral"])) == Decimal("0.4") * 10**9


def test_an_inverse_contract_reaches_its_notional_in_contracts(captured: Capture) -> None:
    """A contract worth 100 quote units counts 100, whatever its price; it settles in the base currency."""
    market = bind(captured, inverse=True, multiplier=100, lot=1, depth_notional=250)
    market.depth([(100, 2), (99, 1)], [(101, 3)])
    market.order("buy", 100, 2, "o-1").filled("f-1", 100, 2, "0.0001", "BTC", "maker")
    captured.tick(seconds=2)
    body = captured.events("flashmm.spread.sample")[0].body
    assert Decimal(str(body["depth_spread_integral"])) == 2 * 10**9
    assert counts(captured, "flashmm.fill.notional", "flashmm.currency") == {"USDT": 200}
    assert captured.events("flashmm.instrument")[0].body["settle"] == "BTC"


def test_reordered_books_are_refused_and_said(market: Market, captured: Capture) -> None:
    """A book older than the last changes nothing but the count."""
    begin_ns = captured.clock.now_ns()
    captured.clock.advance(ms=100)
    market.book(100, 1, 101, 1, begin_ns + 50 * MS)
    market.book(90, 1, 91, 1, begin_ns + 40 * MS)
    captured.tick(seconds=2)
    body = captured.events("flashmm.spread.sample")[0].body
    assert (body["bid"], body["updates"], body["reordered"]) == ("100", 1, 1)


def test_a_switchback_ends_the_sample(market: Market, captured: Capture) -> None:
    """Two arms never share a sample."""
    market.assignment("exp", "a-1", "on", planned_end_ns=START_NS + 10**9)
    market.book(100, 1, 101, 1)
    captured.clock.advance(ms=300)
    market.assignment("exp", "a-2", "off")
    captured.tick(seconds=1)
    samples = [event.body for event in captured.events("flashmm.spread.sample")]
    assert [(body["assignment_id"], body["duration_ns"]) for body in samples] == [
        ("a-1", 300 * MS),
        ("a-2", 700 * MS),
    ]
    assert captured.events("flashmm.assignment")[1].body == {
        "venue": "sim",
        "symbol": "BTCUSDT",
        "experiment": "exp",
        "assignment_id": "a-2",
        "arm": "off",
        "start_ns": START_NS + 300 * MS,
    }


def test_holdings(market: Market, captured: Capture) -> None:
    """Inventory is gauges; positions and funding are events in the settlement currency."""
    market.inventory(-2, 5)
    market.position("-2", average_price="100.5", balance="1000.25", exchange_ns=7)
    market.funding("-0.12", rate="0.0001", position=-2)
    assert counts(captured, "flashmm.inventory.position", "flashmm.symbol") == {"BTCUSDT": -2}
    assert counts(captured, "flashmm.inventory.utilization", "flashmm.symbol") == {"BTCUSDT": 0.4}
    assert captured.events("flashmm.position")[0].body == {
        "venue": "sim",
        "symbol": "BTCUSDT",
        "quantity": "-2",
        "average_price": "100.5",
        "balance": "1000.25",
        "currency": "USDT",
        "exchange_time_ns": 7,
    }
    assert captured.events("flashmm.funding")[0].body["amount"] == "-0.12"


@pytest.mark.parametrize(
    "terms",
    [
        {"tick": 0},
        {"lot": "x"},
        {"multiplier": -1},
        {"base": ""},
        {"stale_after_ms": 0},
        {"depth_notional": 0},
    ],
)
def test_wrong_terms_are_an_error_at_once(captured: Capture, terms: dict[str, object]) -> None:
    """Binding is where an author learns of it."""
    with pytest.raises(ValueError, match=r".+"):
        bind(captured, **terms)


def test_binding_twice_gives_the_same_market(captured: Capture) -> None:
    """One market, one stream of samples."""
    assert bind(captured) is bind(captured)
    assert len(captured.events("flashmm.instrument")) == 1


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda market: market.book(100, None, 101, 1), "half_a_level"),
        (lambda market: market.book(100, -1, 101, 1), "bad_quantity"),
        (lambda market: market.depth([(100, 1), (100.5, 1)], []), "unsorted_levels"),
        (lambda market: market.assignment("e", "a", "maybe"), "bad_arm"),
        (lambda market: market.inventory(1, 0), "bad_limit"),
        (lambda market: market.order("buy", 100, 0, "o"), "bad_quantity"),
        (lambda market: market.trade(100, 1, "up"), "unknown_side"),
    ],
)
def test_nonsense_is_refused(market: Market, call, reason: str) -> None:
    """Each mistake has its name."""
    with pytest.raises(Misuse, match=reason):
        call(market)


class Whole:
    """An integer of another library's, as numpy has them."""

    def __index__(self) -> int:
        return 100


class Shortest(float):
    """A float of another library's, whose repr is not a number's."""

    def __repr__(self) -> str:
        return f"float64({float(self)})"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.book("cheap", 1, 101, 1), "bid 'cheap' is not a number: pass a Decimal"),
        (lambda m: m.book(100, 1, math.nan, 1), "ask NaN is not finite: pass None"),
        (lambda m: m.book(100, 1, 101, Decimal("sNaN")), "ask_qty: .*sNaN.* is not a number"),
        (lambda m: m.book([100], 1, 101, 1), r"bid: \[100\] is not a number"),
        (lambda m: m.book(100, 1, Decimal("1E-19"), 1), "ask 1E-19 has more than 18 digits"),
        (lambda m: m.book(100, 1, 10**21, 1), "ask 10{21} has more than 20 digits"),
        (lambda m: m.quoting(100, 1, 101, -1), "our_ask_qty -1 is negative"),
        (lambda m: m.quoting(100, 1, 101, None), "our_ask 101 with quantity None: give both"),
        (lambda m: m.order(BUY, object(), 1, "o"), "price <object"),
        (lambda m: m.order(BUY, 100, 1, "o").replaced(100, 0), "quantity is zero"),
        (
            lambda m: m.order(BUY, 100, 1, "o").filled("f", 100, 1, "free", "USDT", "maker"),
            "fee 'free' is not a number",
        ),
        (
            lambda m: m.order(BUY, 100, 1, "o").filled("f", 100, 1, 0, "USDT", "none"),
            "pass the constant MAKER or TAKER",
        ),
        (lambda m: m.inventory(math.inf), "position inf is not a finite number"),
        (lambda m: m.position(1, "dear"), "average_price 'dear'"),
        (lambda m: m.funding("all"), "amount 'all'"),
    ],
)
def test_a_refusal_names_the_argument_and_the_remedy(market: Market, call, message: str) -> None:
    """The author reads which value it was; no exact type of number is asked for where the value is exact."""
    with pytest.raises((Misuse, NotADecimal), match=message):
        call(market)


def test_numbers_of_other_libraries_are_read_exactly(market: Market, captured: Capture) -> None:
    """Whatever counts as an integer, and floats of their own kind."""
    market.book(Whole(), Shortest(0.1), Shortest(100.1), Whole())
    captured.tick(seconds=2)
    body = captured.events("flashmm.spread.sample")[0].body
    assert (body["bid"], body["ask"]) == ("100", "100.1")


class Nameless:
    """An id that cannot be written."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("told", "named", "order_id"),
    [
        ((), {}, ""),
        ((BUY, 100, 1), {}, ""),
        ((BUY, 100, 1, "o-1", None, "GTC"), {}, "o-1"),
        ((BUY, 100, 1), {"client_order_id": "o-1", "tif": "GTC"}, "o-1"),
        ((BUY, 100, 1, Nameless(), None, "GTC"), {}, ""),
    ],
)
def test_an_order_called_wrongly_is_harmless(lenient_market: Market, lenient: Capture, told, named, order_id) -> None:
    """The bot gets a handle by the id that it gave, whose marks go nowhere; the call is counted."""
    order = lenient_market.order(*told, **named)
    order.acked()
    order.filled("f-1", 100, 1, 0, "USDT", "maker")
    assert order.id == order_id
    assert counts(lenient, "flashmm.misuse") == {"bad_call": 1}
    assert lenient.events("flashmm.order") == lenient.events("flashmm.fill") == []


def test_misused_orders_say_nothing_of_their_own(lenient_market: Market, caplog: pytest.LogCaptureFixture) -> None:
    """What is wrong with each was said when it was made: nothing is made up of its quantity and state."""
    for number in range(3):
        order = lenient_market.order("bought", 100, 1, f"o-{number}")  # type: ignore[arg-type]
        order.cancelled()
        order.filled("f-1", 100, 1, 0, "USDT", "maker")
        order.filled("f-1", "junk", 1, 0, "USDT", "maker")
    assert [record.message.split(":")[0] for record in caplog.records] == ["unknown_side"]


def test_an_order_whose_id_cannot_be_written_is_harmless(lenient_market: Market, lenient: Capture) -> None:
    """The id's own failure does not reach the bot either."""
    lenient_market.order(BUY, 100, 1, Nameless()).acked()
    assert lenient.events("flashmm.order") == []


@pytest.mark.parametrize("at_ns", [1_700_000_000.5, 1_700_000_000, "now"])
def test_times_that_cannot_be_count_as_now(market: Market, captured: Capture, at_ns: object) -> None:
    """Seconds instead of nanoseconds, floats and text do not make a book stale; they are counted."""
    market.book(100, 1, 101, 1, at_ns)
    order = market.order(BUY, 100, 1, "o-1")
    order.acked(at_ns=at_ns)
    captured.tick(seconds=2)
    assert counts(captured, "flashmm.misuse") == {"bad_time": 2}
    assert captured.events("flashmm.spread.sample")[0].body["valid_ns"] == 10**9
    assert captured.events("flashmm.order")[1].time_ns == START_NS


def test_an_exchange_time_that_is_no_integer_is_left_out(market: Market, captured: Capture) -> None:
    """A float would not fit the schema, and the receiver would refuse the event."""
    market.order(BUY, 100, 1, "o-1").acked(1.5)
    assert "exchange_time_ns" not in captured.events("flashmm.order")[1].body
    assert counts(captured, "flashmm.misuse") == {"bad_time": 1}


@pytest.mark.parametrize("order_id", ["", "x" * 300, 17])
def test_ids_are_bounded_text(market: Market, captured: Capture, order_id: object) -> None:
    """Others are cut, and counted."""
    market.order(BUY, 100, 1, order_id).rejected("r" * 9_999)
    body = captured.events("flashmm.order")[1].body
    assert (body["order_id"], len(str(body["reason"]))) == (str(order_id)[:256], 256)
    assert counts(captured, "flashmm.misuse") == {"bad_id": 1}


def test_a_price_that_is_no_number_is_counted(lenient_market: Market, lenient: Capture) -> None:
    """It reaches the log once, and the bot never; under test it is raised."""
    lenient_market.book("cheap", 1, 101, 1)
    lenient_market.book("dear", 1, 101, 1)
    assert counts(lenient, "flashmm.misuse") == {"bad_value": 2}


def test_strict_raises_what_is_no_number(market: Market) -> None:
    """Under test a bad price is an error."""
    with pytest.raises(NotADecimal):
        market.book("cheap", 1, 101, 1)


def test_doubtful_values_are_taken_and_counted(market: Market, captured: Capture) -> None:
    """A price off its tick, a quantity off its lot and a time ahead of the clock are used, and said."""
    market.book("100.15", "0.0001", 101, 1, captured.clock.now_ns() + 5_000 * MS)
    captured.tick(seconds=2)
    assert counts(captured, "flashmm.misuse") == {"price_off_tick": 1, "quantity_off_lot": 1, "future_time": 1}
    body = captured.events("flashmm.spread.sample")[0].body
    assert (body["bid"], body["valid_ns"]) == ("100.15", 10**9)


def unknown(captured: Capture) -> list[tuple[object, object]]:
    """Unknown nanoseconds and the market's spread integral of each sample, in tenths of a second."""
    found = [event.body for event in captured.events("flashmm.spread.sample")]
    return [(body["unknown_ns"] // (100 * MS), body.get("market_spread_integral_valid")) for body in found]


def shown(market: Market, captured: Capture, bids: list[tuple[str, int]], ms: int = 0) -> None:
    """So much later the book is this."""
    captured.clock.advance(ms=ms)
    market.depth(bids, [("100.5", 9)])


def test_an_order_that_may_be_in_the_book_is_not_the_markets(market: Market, captured: Capture) -> None:
    """Its answer is lost: what the book shows there is unknown until the bot knows, and then ours."""
    shown(market, captured, [("100.1", 9)])
    order = market.order(BUY, "100.2", 1, "o-1")
    shown(market, captured, [("100.2", 1), ("100.1", 9)], 100)
    order.timed_out()
    shown(market, captured, [("100.2", 1), ("100.1", 9)], 300)
    order.acked()
    market.quoting("100.2", 1, None, None)
    shown(market, captured, [("100.2", 1), ("100.1", 9)], 300)
    captured.clock.advance(ms=300)
    captured.tick()
    assert unknown(captured)[0] == (3, "280000000")


def test_an_order_that_may_have_left_is_not_ours(market: Market, captured: Capture) -> None:
    """With a cancel under way, a level that held our order alone may be another's."""
    market.quoting("100.2", 1, None, None)
    order = market.order(BUY, "100.2", 1, "o-1")
    order.acked()
    shown(market, captured, [("100.2", 1), ("100.1", 9)])
    order.cancel_requested()
    shown(market, captured, [("100.2", 1), ("100.1", 9)], 200)
    captured.clock.advance(ms=300)
    order.cancelled()
    market.quoting(None, None, None, None)
    shown(market, captured, [("100.2", 1), ("100.1", 9)])
    captured.clock.advance(ms=500)
    captured.tick()
    assert unknown(captured)[0] == (3, "230000000")


def test_an_amended_order_may_be_at_either_price(market: Market, captured: Capture) -> None:
    """From the request to the answer; other levels stay known."""
    market.quoting("100.2", 1, None, None)
    order = market.order(BUY, "100.2", 1, "o-1")
    order.acked()
    shown(market, captured, [("100.2", 1), ("100.1", 9)])
    order.replace_requested("100.3", 1)
    shown(market, captured, [("100.3", 1), ("100.1", 9)], 100)
    shown(market, captured, [("100.2", 1), ("100.1", 9)], 200)
    shown(market, captured, [("100.1", 9)], 200)
    captured.clock.advance(ms=200)
    order.replaced("100.3", 1)
    market.quoting("100.3", 1, None, None)
    shown(market, captured, [("100.3", 1), ("100.1", 9)])
    captured.clock.advance(ms=300)
    captured.tick()
    assert unknown(captured)[0] == (4, "240000000")


def test_an_order_under_cancel_counts_once(market: Market, captured: Capture) -> None:
    """The quotes still tell it: a level that holds more than it does is the market's, answered or not."""
    market.quoting("100.2", 1, None, None)
    order = market.order(BUY, "100.2", 1, "o-1")
    order.acked()
    shown(market, captured, [("100.2", "1.5"), ("100.1", 9)])
    captured.clock.advance(ms=100)
    order.cancel_requested()
    shown(market, captured, [("100.2", "1.5"), ("100.1", 9)], 100)
    market.quoting(None, None, None, None)
    shown(market, captured, [("100.2", 1), ("100.1", 9)], 400)
    captured.clock.advance(ms=600)
    captured.tick()
    assert unknown(captured)[0] == (4, "180000000")


def test_a_refused_amend_ends_the_doubt(market: Market, captured: Capture) -> None:
    """The order is where it was; one that has ended is in no doubt, whatever is asked of it."""
    market.quoting("100.2", 1, None, None)
    order = market.order(BUY, "100.2", 1, "o-1")
    order.acked()
    shown(market, captured, [("100.2", 1), ("100.1", 9)])
    order.replace_requested("100.3", 1)
    shown(market, captured, [("100.2", 1), ("100.1", 9)], 100)
    captured.clock.advance(ms=200)
    order.replace_rejected("refused")
    shown(market, captured, [("100.2", 1), ("100.1", 9)], 300)
    captured.clock.advance(ms=100)
    order.cancelled()
    market.quoting(None, None, None, None)
    order.replace_requested("100.4", 1)
    shown(market, captured, [("100.4", 1), ("100.1", 9)], 200)
    captured.clock.advance(ms=300)
    captured.tick()
    assert unknown(captured)[0] == (5, "170000000")


def test_a_book_is_compared_with_the_quotes_told_before_it(market: Market, captured: Capture) -> None:
    """An order that has left since is still in the last book; one told since may be in it already."""
    market.quoting("100.2", 1, None, None)
    shown(market, captured, [("100.2", 1), ("100.1", 2)])
    captured.clock.advance(ms=200)
    market.quoting(None, None, None, None)
    captured.clock.advance(ms=300)
    market.quoting("100.1", 2, None, None)
    captured.clock.advance(ms=500)
    captured.tick()
    assert unknown(captured)[0] == (5, "200000000")


def test_orders_in_doubt_are_bounded(market: Market, captured: Capture) -> None:
    """Who never tells what became of orders is told so; the oldest are forgotten."""
    for number in range(DOUBTS_LIMIT + 3):
        market.order(BUY, "100.1", 1, f"o-{number}")
    captured.tick(seconds=2)
    assert counts(captured, "flashmm.misuse") == {"too_many_in_doubt": 3}


def test_late_changes_are_counted(market: Market, captured: Capture) -> None:
    """What is told after its second was closed takes effect at the next one's begin."""
    captured.tick(seconds=2)
    market.quoting(100, 1, 101, 1, START_NS + 100)
    captured.tick()
    assert counts(captured, "flashmm.misuse") == {"late_update": 1}
    assert captured.events("flashmm.spread.sample")[1].body["quoting_ns"] == 10**9
