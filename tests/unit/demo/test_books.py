"""The books: identities that hold to the last digit."""

from decimal import Decimal, Inexact, localcontext

from hypothesis import given
from hypothesis import strategies as st

from flashmm_demo._books import Books, SymbolBooks
from flashmm_demo._dump import books_document
from flashmm_demo.exchange import Account, Execution

PRICES = st.decimals("0.10", "99999.90", places=2)
QUANTITIES = st.decimals("0.001", "9.999", places=3)
FEES = st.decimals("-5", "5", places=10)


def execution(sign: int, price: str | Decimal, quantity: str | Decimal, fee: str | Decimal = "0") -> Execution:
    size = Decimal(quantity)
    return Execution("F1", "O1", "T1", "BTCUSDT", sign, Decimal(price), size, Decimal(fee), 0, size)


def test_a_round_trip_realizes_the_difference_of_its_prices() -> None:
    """Bought at 100 and sold at 101, one unit makes exactly 1."""
    books = SymbolBooks()
    books.execute(execution(1, "100", "1"))
    books.execute(execution(-1, "101", "1"))
    assert (books.realized, books.position, books.unrealized) == (Decimal(1), Decimal(0), Decimal(0))


def test_the_oldest_lot_is_closed_first() -> None:
    """First in, first out: selling one of two lots realizes against the first."""
    books = SymbolBooks()
    books.execute(execution(1, "100", "1"))
    books.execute(execution(1, "110", "1"))
    books.execute(execution(-1, "120", "1"))
    books.mid = Decimal(120)
    assert (books.realized, books.unrealized) == (Decimal(20), Decimal(10))


def test_one_fill_can_turn_a_long_position_short() -> None:
    """What is left after closing opens the other way at the fill's price."""
    books = SymbolBooks()
    books.execute(execution(1, "100", "1"))
    books.execute(execution(-1, "90", "3"))
    books.mid = Decimal(80)
    assert (books.position, books.realized, books.unrealized) == (Decimal(-2), Decimal(-10), Decimal(20))


@given(
    fills=st.lists(st.tuples(st.sampled_from((1, -1)), PRICES, QUANTITIES, FEES), max_size=60),
    mid=st.decimals("0.05", "99999.95", places=3),
    funding=st.lists(st.decimals("-3", "3", places=13), max_size=5),
)
def test_profit_is_cash_plus_the_position_at_the_mid_to_the_last_digit(
    fills: list[tuple[int, Decimal, Decimal, Decimal]], mid: Decimal, funding: list[Decimal]
) -> None:
    """Total = cash + position × mid + fees + funding, without a rounding anywhere, for any fills."""
    books, account = SymbolBooks(), Account()
    books.mid = mid
    with localcontext() as context:
        context.traps[Inexact] = True
        for fill in fills:
            books.execute(execution(*fill))
            account.execute(execution(*fill))
        for amount in funding:
            books.fund(amount)
        assert books.total == books.cash + books.position * mid + books.fees + books.funding
    assert (books.position, books.cash, books.fees) == (account.position, account.cash, account.fees)


def test_totals_add_up_all_symbols() -> None:
    """Realized, unrealized, fees and exposure are sums over the symbols."""
    books = Books(("BTCUSDT", "ETHUSDT"), "USDT")
    books.execute(execution(1, "100", "1", "0.5"))
    books.symbols["BTCUSDT"].mid = Decimal(101)
    totals = books.totals()
    assert (totals.unrealized, totals.fees, totals.exposure) == (Decimal(1), Decimal("0.5"), Decimal(101))
    assert totals.total == Decimal("1.5")


def test_the_document_keeps_amounts_as_plain_decimal_strings() -> None:
    """No exponents: whoever compares strings with the ledger's must find the same digits."""
    books = Books(("BTCUSDT",), "USDT")
    books.execute(execution(1, "61800.10", "0.001", "-0.00000001"))
    document = books_document(books, {"BTCUSDT": Account()}, {}, 1, final=True)
    assert document["fees"] == "-0.00000001"
    assert document["symbols"]["BTCUSDT"]["cash"] == "-61.80010"
