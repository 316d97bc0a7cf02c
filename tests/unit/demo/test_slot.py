"""One side's quote and what becomes of its order, told to the instrumentation."""

from collections import Counter
from decimal import Decimal
from random import Random

from flashmm_demo._instruments import INSTRUMENTS
from flashmm_demo._schedule import Schedule
from flashmm_demo._signing import Signer
from flashmm_demo._slot import Dealing, Slot, SlotState
from flashmm_demo.exchange import Accounts, Gateway, LinkTerms, OrderRequest, PaperExchange
from flashmm_instrumentation.testing import capture

from .builders import trade
from .test_book import book_at

REQUEST = OrderRequest("O1", "BTCUSDT", 1, Decimal("100.0"), Decimal(1))


def test_an_amend_that_a_fill_overtook_is_told_as_refused() -> None:
    """The order has ended and the slot may go on; the amend's trace says why nothing came of it."""
    with capture() as captured:
        clock, schedule = captured.clock, Schedule()
        exchange = PaperExchange({"BTCUSDT": book_at(10)}, Accounts(Decimal(0)))
        gateway = Gateway(exchange, schedule, Random(1), LinkTerms(3.0))
        market = captured.bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
        outcomes: Counter[str] = Counter()
        signer, instrument = Signer(b"secret"), INSTRUMENTS["BTCUSDT"]
        slot = Slot(1, Dealing(instrument, market, gateway, signer, outcomes, lambda _now_ns: None))
        slot.place(REQUEST, lambda _request: None, clock.now_ns())
        schedule.run(clock.advance(seconds=1))
        slot.amend(Decimal("99.9"), Decimal(1), clock.now_ns())
        exchange.observe(trade("99.0", "5"))
        for execution in exchange.take_executions():
            slot.executed(execution, clock.now_ns())
        schedule.run(clock.advance(seconds=1))
        assert slot.state is SlotState.IDLE
        assert outcomes == {"acked": 1, "filled": 1, "amend_failed": 1}
        told = [event.body["state"] for event in captured.events("flashmm.order")]
        assert told == ["pending", "acked", "filled"]
        amend = next(span for span in captured.spans() if span.name == "amend")
        assert (amend.status, amend.attributes["flashmm.reason"]) == ("ERROR", "order_gone")
        assert 0 < amend.end_ns - amend.start_ns < 1_000_000_000
