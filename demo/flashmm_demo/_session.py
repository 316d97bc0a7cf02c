"""One run of the demo: everything built from the settings, run until it is over, closed in order."""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from flashmm_demo._book import LocalBook
from flashmm_demo._books import Books
from flashmm_demo._dump import BooksFile
from flashmm_demo._forecast import MODEL, Forecaster
from flashmm_demo._instruments import Instrument, instrument
from flashmm_demo._maker import Maker, MakerTerms
from flashmm_demo._messages import Message
from flashmm_demo._schedule import FAR_NS, Schedule
from flashmm_demo._settings import DemoError, DemoSettings
from flashmm_demo._signing import Signer
from flashmm_demo._timeline import SECOND_NS, Timeline
from flashmm_demo._trader import Trader
from flashmm_demo._view import MarketView
from flashmm_demo.exchange import Accounts, Exchange, Gateway, LinkTerms, PaperExchange
from flashmm_demo.feeds import BinanceFeed, Feed, FeedEnded, RecordedFeed, Recorder, SimulatedFeed
from flashmm_demo.simulation import MarketParameters, SimulatedExchange, SimulatedMarket
from flashmm_demo.strategy import QuotingParameters, RiskLimits, Switchback
from flashmm_instrumentation import Bot

_log = logging.getLogger(__name__)
_VENUE: Final = "binance"
_CURRENCY: Final = "USDT"
_MAKER_REBATE: Final = Decimal("0.00001")
_SIMULATION_EPOCH_NS: Final = 1_700_000_000 * SECOND_NS
_CLOSE_NS: Final = 5 * SECOND_NS
_PAPER_SECRET: Final = b"a paper account's secret"


class UnknownFeed(DemoError):
    """A feed's name that isn't one of ours."""

    def __init__(self, feed: str) -> None:
        super().__init__(feed)
        self.feed = feed

    def __str__(self) -> str:
        """Names the feed and those that there are."""
        return f"unknown feed {self.feed!r}: use simulated, file:PATH or binance"


class NotTheLiveFeed(DemoError):
    """An address of the live feed, and another feed."""

    def __str__(self) -> str:
        """Names the feed that has such addresses."""
        return "--binance-stream-url and --binance-rest-url are for the live feed: add --feed binance"


@dataclass(frozen=True, slots=True)
class Venue:
    """A feed, the exchange beside it, and the books that both share."""

    feed: Feed
    exchange: Exchange
    views: dict[str, MarketView]


def open_venue(settings: DemoSettings, clock: Callable[[], int]) -> Venue:
    """The feed that the settings name and its exchange.

    Raises UnknownFeed, NotTheLiveFeed, UnknownSymbol, NoRecording.
    """
    _check_addresses(settings)
    instruments = tuple(instrument(symbol) for symbol in settings.symbols)
    timeline = Timeline(settings.speed, shift=settings.shift, clock=clock)
    accounts = Accounts(_MAKER_REBATE)
    if settings.feed == "simulated":
        return _simulated(settings, instruments, timeline, accounts)
    return _on_paper(settings, _outside_feed(settings, timeline, clock), accounts)


def _check_addresses(settings: DemoSettings) -> None:
    default = DemoSettings()
    own = (settings.binance_stream_url, settings.binance_rest_url)
    if settings.feed != "binance" and own != (default.binance_stream_url, default.binance_rest_url):
        raise NotTheLiveFeed


def _simulated(
    settings: DemoSettings, instruments: tuple[Instrument, ...], timeline: Timeline, accounts: Accounts
) -> Venue:
    markets = {
        traded.symbol: SimulatedMarket(
            traded,
            _SIMULATION_EPOCH_NS,
            accounts,
            _parameters(traded),
            Random(f"{settings.seed}:{traded.symbol}"),  # noqa: S311 - a reproducible market
        )
        for traded in instruments
    }
    views = {symbol: MarketView(LocalBook(), includes_own=True) for symbol in markets}
    return Venue(SimulatedFeed(tuple(markets.values()), timeline), SimulatedExchange(markets, accounts), views)


def _parameters(traded: Instrument) -> MarketParameters:
    """Quotes of a background maker are worth about 2,500 of the quote currency."""
    return MarketParameters(quote_lots=traded.lots_for(2_500.0, traded.start_price))


def _outside_feed(settings: DemoSettings, timeline: Timeline, clock: Callable[[], int]) -> Feed:
    if settings.feed.startswith("file:"):
        path = Path(settings.feed.removeprefix("file:"))
        return RecordedFeed(path, settings.symbols, timeline, loop=settings.loop)
    if settings.feed == "binance":
        return BinanceFeed(settings.symbols, settings.binance_stream_url, settings.binance_rest_url, clock)
    raise UnknownFeed(settings.feed)


def _on_paper(settings: DemoSettings, feed: Feed, accounts: Accounts) -> Venue:
    books = {symbol: LocalBook() for symbol in settings.symbols}
    views = {symbol: MarketView(book, includes_own=False) for symbol, book in books.items()}
    return Venue(feed, PaperExchange(books, accounts), views)


class Session:
    """A run: until the feed ends, the time is up or `stop` is called. Orders are cancelled before `run` returns."""

    def __init__(self, settings: DemoSettings, bot: Bot, venue: Venue) -> None:
        self._settings = settings
        self._bot = bot
        self._venue = venue
        self._schedule = Schedule()
        self._gateway = Gateway(
            self._venue.exchange,
            self._schedule,
            Random(f"{settings.seed}:gateway"),  # noqa: S311 - reproducible latencies
            LinkTerms(
                settings.latency_ms,
                settings.reject_probability,
                settings.loss_probability,
                settings.answer_timeout_ms,
                settings.good_for_s,
            ),
        )
        self._books = Books(settings.symbols, _CURRENCY)
        self._file = BooksFile(settings.books) if settings.books else None
        self._recorder = Recorder(settings.record, settings.symbols) if settings.record else None
        self.trader = Trader(bot, self._venue.exchange, self._schedule, self._books, self._file)
        for symbol in settings.symbols:
            self._add_maker(instrument(symbol))
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End the run soon; may be called from a signal handler."""
        self._stopping.set()

    async def run(self) -> None:
        """Trade until it is over, then close."""
        async with AsyncExitStack() as stack:
            stack.callback(self._close_files)
            feed = await stack.enter_async_context(self._venue.feed)
            await self._trade(feed)
            await self._wind_up(feed)
            self.trader.finish()

    async def _trade(self, feed: Feed) -> None:
        trading = asyncio.create_task(self._follow(feed), name="demo-trading")
        stopping = asyncio.create_task(self._stopping.wait(), name="demo-stopping")
        try:
            await asyncio.wait((trading, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            trading.cancel()
            stopping.cancel()
            await asyncio.wait((trading, stopping))
        if not trading.cancelled():
            trading.result()

    async def _follow(self, feed: Feed) -> None:
        try:
            begun_ns = await self._begin(feed)
            end_ns = FAR_NS if self._settings.duration_s is None else begun_ns + _ns(self._settings.duration_s)
            while self.trader.now_ns < end_ns:
                await self._step(feed, min(self.trader.next_ns, end_ns))
        except FeedEnded:
            _log.info("the feed has ended")

    async def _begin(self, feed: Feed) -> int:
        first = await feed.next(FAR_NS)
        while first is None:
            first = await feed.next(FAR_NS)
        now_ns = first.received_ns
        self.trader.begin(now_ns, _ns(self._settings.funding_interval_s), self._gateway)
        if self._settings.arm_s:
            switchback = Switchback(self._settings.seed, _ns(self._settings.arm_s))
            self.trader.experiment(switchback, now_ns + _ns(self._settings.warmup_s))
        self._hear(first)
        return now_ns

    async def _step(self, feed: Feed, until_ns: int) -> None:
        message = await feed.next(until_ns)
        if message is None:
            self.trader.advance(until_ns)
        else:
            self._hear(message)

    def _hear(self, message: Message) -> None:
        if self._recorder is not None:
            self._recorder.write(message)
        self.trader.hear(message)

    async def _wind_up(self, feed: Feed) -> None:
        """Cancel what rests and hear the answers; the market goes on meanwhile."""
        self.trader.close(self.trader.now_ns)
        deadline_ns = self.trader.now_ns + _CLOSE_NS
        try:
            while self.trader.busy and self.trader.now_ns < deadline_ns:
                await self._step(feed, min(self.trader.next_ns, deadline_ns))
        except FeedEnded:
            while self.trader.busy and self.trader.next_ns < deadline_ns:
                self.trader.advance(self.trader.next_ns)
        if self.trader.busy:
            _log.error("orders were still open when the demo ended")

    def _close_files(self) -> None:
        for file in (self._recorder, self._file):
            if file is not None:
                file.close()

    def _add_maker(self, traded: Instrument) -> None:
        market = self._bot.market(
            _VENUE,
            traded.symbol,
            tick=traded.tick,
            lot=traded.lot,
            base=traded.base,
            quote=traded.quote,
            settle=_CURRENCY,
            depth_notional=10_000,
        )
        forecaster = Forecaster(traded.symbol, self._bot.model(MODEL, _VENUE))
        maker = Maker(
            self._terms(traded),
            self._venue.views[traded.symbol],
            self._books.symbols[traded.symbol],
            self._gateway,
            Signer(_PAPER_SECRET),
            self.trader,
            market,
            forecaster,
        )
        self.trader.add(maker, market, forecaster)

    def _terms(self, traded: Instrument) -> MakerTerms:
        quantity = traded.quantity(traded.lots_for(self._settings.order_notional, traded.start_price))
        exposure = Decimal(math.ceil(self._settings.order_notional * self._settings.inventory_limit * 1.5))
        return MakerTerms(
            instrument=traded,
            quantity=quantity,
            limits=RiskLimits(quantity * self._settings.inventory_limit, exposure * len(self._settings.symbols)),
            quoting=QuotingParameters(),
        )


def _ns(seconds: float) -> int:
    return int(seconds * SECOND_NS)
