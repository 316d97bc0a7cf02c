"""The whole bot: its makers, and what is done each second and each minute."""

from collections import Counter
from decimal import Decimal
from typing import Final

from flashmm_demo._books import Books
from flashmm_demo._dump import BooksFile, books_document
from flashmm_demo._forecast import Forecaster
from flashmm_demo._maker import Maker
from flashmm_demo._messages import Message
from flashmm_demo._schedule import Schedule
from flashmm_demo._timeline import SECOND_NS
from flashmm_demo.exchange import Exchange, Gateway
from flashmm_demo.strategy import EXPERIMENT, Switchback, value_at_risk
from flashmm_instrumentation import Bot, Market

_MODEL_EVERY: Final = 5
"""Seconds between the figures of the model and the reconciliations of the position."""


class Trader:
    """Takes messages in, in the order of time, and does what is due in between."""

    def __init__(
        self, bot: Bot, exchange: Exchange, schedule: Schedule, books: Books, file: BooksFile | None
    ) -> None:
        self._bot = bot
        self._exchange = exchange
        self._schedule = schedule
        self._books = books
        self._file = file
        self._makers: dict[str, Maker] = {}
        self._markets: dict[str, Market] = {}
        self._forecasters: dict[str, Forecaster] = {}
        self._orders = 0
        self._seconds = 0
        self._exposure_limit = Decimal(0)
        self._closing = False
        self.now_ns = 0
        """The latest time that was seen."""

    def add(self, maker: Maker, market: Market, forecaster: Forecaster) -> None:
        """Let a maker trade."""
        symbol = maker.terms.instrument.symbol
        self._makers[symbol], self._markets[symbol] = maker, market
        self._forecasters[symbol] = forecaster
        self._exposure_limit = maker.terms.limits.exposure

    # What a maker asks.

    def exposure(self) -> Decimal:
        """Absolute notional of all positions."""
        return self._books.totals().exposure

    def next_order_id(self) -> str:
        """A client order id not used before: the run's last digits and a number."""
        self._orders += 1
        return f"{self._bot.run[-8:]}-{self._orders}"

    # What comes in.

    @property
    def next_ns(self) -> int:
        """When the next thing is due without any message."""
        return self._schedule.next_ns()

    @property
    def busy(self) -> bool:
        """Whether an order is in the book or on its way."""
        return any(maker.busy for maker in self._makers.values())

    def hear(self, message: Message) -> None:
        """Do what is due before the message, then take it in."""
        self.advance(message.received_ns)
        self._exchange.observe(message)
        self._settle(self.now_ns)
        self._makers[message.symbol].hear(message, self.now_ns)

    def advance(self, now_ns: int) -> None:
        """Do what is due by then, after the fills that have happened: a report due must not hide one."""
        self._settle(now_ns)
        self._schedule.run(now_ns)
        self.now_ns = max(self.now_ns, now_ns)
        self._settle(self.now_ns)

    def _settle(self, now_ns: int) -> None:
        for execution in self._exchange.take_executions():
            self._makers[execution.symbol].executed(execution, now_ns)
            if self._file is not None:
                self._file.executed(execution, self._books.symbols[execution.symbol].mid, now_ns)

    # What is due.

    def begin(self, now_ns: int, funding_ns: int, gateway: Gateway) -> None:
        """Start the clockwork at a time: reports each second, funding at each multiple of its interval."""
        self.now_ns = now_ns
        self._schedule.every(_next_multiple(now_ns, SECOND_NS), SECOND_NS, self._each_second)
        self._schedule.every(
            _next_multiple(now_ns, funding_ns), funding_ns, lambda due_ns: self._fund(gateway.funding_rate(), due_ns)
        )

    def experiment(self, switchback: Switchback, from_ns: int) -> None:
        """Follow a switchback's assignments from a time on, beginning with a whole one."""
        self._schedule.at(switchback.at(from_ns).end_ns, lambda due_ns: self._assign(switchback, due_ns))

    def close(self, now_ns: int) -> None:
        """Stop quoting for good; `busy` tells when the last order is gone."""
        self._closing = True
        for maker in self._makers.values():
            maker.quote(on=False, reason="shutdown", now_ns=now_ns)

    def finish(self) -> None:
        """Report one last time, with final books."""
        self._report(self.now_ns, final=True)
        self._report_slowly(self.now_ns)

    def _assign(self, switchback: Switchback, due_ns: int) -> None:
        assignment = switchback.at(due_ns)
        self._schedule.at(assignment.end_ns, lambda next_ns: self._assign(switchback, next_ns))
        if self._closing:
            return
        for symbol, maker in self._makers.items():
            self._markets[symbol].assignment(
                EXPERIMENT, assignment.assignment_id, assignment.arm, assignment.start_ns, assignment.end_ns
            )
            maker.quote(on=assignment.quoting, reason="experiment", now_ns=due_ns)

    def _fund(self, rate: Decimal, due_ns: int) -> None:
        for symbol, book in self._books.symbols.items():
            if book.mid is None or not book.position:
                continue
            amount = self._exchange.pay_funding(symbol, rate, book.mid)
            book.fund(amount)
            self._markets[symbol].funding(amount, self._books.currency, rate, book.position, due_ns)

    def _each_second(self, due_ns: int) -> None:
        self._seconds += 1
        self._report(due_ns, final=False)
        if self._seconds % _MODEL_EVERY == 0:
            self._report_slowly(due_ns)

    def _report(self, now_ns: int, *, final: bool) -> None:
        totals = self._books.totals()
        currency = self._books.currency
        self._bot.pnl(currency, totals.realized, totals.unrealized, totals.fees, totals.funding)
        self._bot.risk(currency, totals.exposure, self._exposure_limit, self._value_at_risk())
        for symbol, maker in self._makers.items():
            self._markets[symbol].inventory(self._books.symbols[symbol].position, maker.terms.limits.position)
        if self._file is not None:
            self._file.write(self.document(now_ns, final=final))

    def _report_slowly(self, now_ns: int) -> None:
        for symbol, market in self._markets.items():
            self._forecasters[symbol].report()
            account = self._exchange.account(symbol)
            balance = account.cash + account.fees + account.funding
            market.position(account.position, None, balance, now_ns)

    def _value_at_risk(self) -> float:
        """Each symbol's added up, as if they always moved together."""
        return sum(
            value_at_risk(abs(float(book.position * book.mid)), self._makers[symbol].relative_volatility)
            for symbol, book in self._books.symbols.items()
            if book.mid is not None
        )

    def document(self, now_ns: int, *, final: bool) -> dict[str, object]:
        """The books as JSON has them."""
        orders: Counter[str] = Counter()
        for maker in self._makers.values():
            orders.update(maker.orders)
        accounts = {symbol: self._exchange.account(symbol) for symbol in self._makers}
        return books_document(self._books, accounts, orders, now_ns, final=final)


def _next_multiple(now_ns: int, interval_ns: int) -> int:
    return (now_ns // interval_ns + 1) * interval_ns
