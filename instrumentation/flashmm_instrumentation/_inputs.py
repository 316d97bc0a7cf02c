"""What an author passes for a market, checked: prices, quantities, levels, times, ids.

What cannot be is refused with an error that names the argument and the remedy; what is doubtful is taken and counted.
"""

from collections.abc import Iterable
from itertools import islice, pairwise
from operator import index
from typing import Final

from flashmm_instrumentation._book import EMPTY, Level, Levels
from flashmm_instrumentation._boundary import Boundary, Misuse
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._numbers import Grid, NotADecimal, Number
from flashmm_instrumentation.semconv.attributes import Liquidity, MisuseReason, Side

LEVELS_LIMIT: Final = 100
ID_LIMIT: Final = 256
_FUTURE_NS: Final = 1_000_000_000
_PAST_NS: Final = 86_400_000_000_000
_INT64: Final = 2**63


class Inputs:
    """Reads the arguments of one market's calls."""

    __slots__ = ("_boundary", "_terms")

    def __init__(self, boundary: Boundary, terms: Instrument) -> None:
        self._boundary: Final = boundary
        self._terms: Final = terms

    def price(self, value: Number, name: str = "price") -> int:
        """A price in 10⁻¹⁸; one off its tick is taken and counted."""
        return self._on(self._terms.tick, value, name, MisuseReason.PRICE_OFF_TICK)

    def fill_price(self, value: Number) -> int:
        """The same for a fill, which may be between ticks (an average, an improvement)."""
        return self._terms.tick.atto(value, "price")

    def quantity(self, value: Number, name: str = "quantity") -> int:
        """A quantity in 10⁻¹⁸, not negative; one off its lot is taken and counted."""
        sized = self._on(self._terms.lot, value, name, MisuseReason.QUANTITY_OFF_LOT)
        if sized < 0:
            raise Misuse(MisuseReason.BAD_QUANTITY, f"{name} {value!r} is negative: a side tells the direction")
        return sized

    def positive(self, value: Number, name: str = "quantity") -> int:
        """A quantity above zero."""
        sized = self.quantity(value, name)
        if not sized:
            raise Misuse(MisuseReason.BAD_QUANTITY, f"{name} is zero")
        return sized

    def level(self, price: Number | None, quantity: Number | None, name: str) -> Levels:
        """One side's best level; nothing where there is none, or of it."""
        if price is None or quantity is None:
            if price is not quantity:
                raise Misuse(
                    MisuseReason.HALF_A_LEVEL, f"{name} {price!r} with quantity {quantity!r}: give both or neither"
                )
            return EMPTY
        priced, sized = self.price(price, name), self.quantity(quantity, f"{name}_qty")
        return ((priced, sized),) if sized else EMPTY

    def levels(self, levels: Iterable[tuple[Number, Number]], name: str, *, sign: int) -> Levels:
        """The first hundred levels, best first. sign: 1 for bids, -1 for asks."""
        given = _pairs(levels, name)
        held = _held((self.price(price, name), self.quantity(quantity, name)) for price, quantity in given)
        if any(sign * worse[0] >= sign * better[0] for better, worse in pairwise(held)):
            raise Misuse(MisuseReason.UNSORTED_LEVELS, f"{name} of {self._terms.symbol} must come best first")
        return held

    def time(self, at_ns: int | None, now_ns: int, name: str = "received_ns") -> int:
        """A time of the bot's clock; see moment()."""
        return now_ns if at_ns is None else moment(self._boundary, at_ns, now_ns, name)

    def whole(self, value: int | None, name: str = "exchange_ns") -> int | None:
        """An integer of nanoseconds; see nanoseconds()."""
        return None if value is None else nanoseconds(self._boundary, value, name)

    def identifier(self, value: str, name: str) -> str:
        """An id as text; see identifier()."""
        return identifier(self._boundary, value, name)

    def optional_id(self, value: str | None, name: str) -> str | None:
        """The same where there may be none."""
        return None if value is None else self.identifier(value, name)

    def _on(self, grid: Grid, value: Number, name: str, reason: MisuseReason) -> int:
        try:
            known = grid.known.get(value)
        except TypeError:
            raise NotADecimal(f"{name}: {value!r} is not a number") from None
        if known is not None:
            return known
        scaled = grid.atto(value, name)
        if not grid.holds(scaled):
            self._boundary.note(reason, f"{name} of {self._terms.symbol}: {value!r} is not a multiple of the step")
        elif scaled >= 0:
            grid.remember(value, scaled)
        return scaled


def moment(boundary: Boundary, at_ns: int | None, now_ns: int, name: str) -> int:
    """A time of the bot's clock. None, and what is counted as impossible, count as now.

    Impossible: no integer, more than a second ahead, or more than a day ago.
    """
    read_ns = None if at_ns is None else nanoseconds(boundary, at_ns, name)
    if read_ns is None:
        return now_ns
    if read_ns > now_ns + _FUTURE_NS:
        ahead_s = (read_ns - now_ns) / 1e9
        boundary.note(MisuseReason.FUTURE_TIME, f"{name} {read_ns} is {ahead_s:.3f} s ahead of Bot.now_ns()")
        return now_ns
    if read_ns < now_ns - _PAST_NS:
        boundary.note(MisuseReason.BAD_TIME, f"{name} {read_ns} is more than a day ago: times are UTC nanoseconds")
        return now_ns
    return read_ns


def nanoseconds(boundary: Boundary, value: int, name: str) -> int | None:
    """An integer that 64 bits can hold; None, and counted, for anything else."""
    try:
        read = index(value)
    except TypeError:
        read = None
    if read is None or not -_INT64 <= read < _INT64:
        boundary.note(
            MisuseReason.BAD_TIME, f"{name} {value!r:.80} is not an integer of UTC nanoseconds: int(seconds * 1e9)"
        )
        return None
    return read


def identifier(boundary: Boundary, value: str, name: str) -> str:
    """An id as text of at most 256 characters; another is cut or mended, and counted."""
    if type(value) is str and 0 < len(value) <= ID_LIMIT and (value.isascii() or utf8(value) == value):
        return value
    boundary.note(MisuseReason.BAD_ID, f"{name} {value!r:.80} is not a text of 1 to {ID_LIMIT} characters")
    return utf8(str(value)[:ID_LIMIT])


def utf8(value: str) -> str:
    """The text, with `?` for what UTF-8 cannot carry: a lone surrogate, as of a file's name that was no text."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def side(value: Side) -> Side:
    """BUY or SELL, or their values as text."""
    try:
        return Side(value)
    except ValueError:
        raise Misuse(MisuseReason.UNKNOWN_SIDE, f"{value!r} is no side: pass the constant BUY or SELL") from None


def liquidity(value: Liquidity) -> Liquidity:
    """MAKER or TAKER, or their values as text."""
    try:
        return Liquidity(value)
    except ValueError:
        raise Misuse(
            MisuseReason.UNKNOWN_LIQUIDITY, f"{value!r} is no liquidity: pass the constant MAKER or TAKER"
        ) from None


def _pairs(levels: Iterable[tuple[Number, Number]], name: str) -> list[tuple[Number, Number]]:
    try:
        return [(price, quantity) for price, quantity, *_ in islice(levels, LEVELS_LIMIT)]
    except (TypeError, ValueError):
        raise Misuse(
            MisuseReason.BAD_VALUE, f"{name} {levels!r:.80} are not pairs of (price, quantity), best first; none: []"
        ) from None


def _held(levels: Iterable[Level]) -> Levels:
    return tuple(level for level in levels if level[1] > 0)
