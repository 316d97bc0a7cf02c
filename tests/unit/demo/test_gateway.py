"""The way to the exchange: latency, rejections, races."""

from dataclasses import replace
from decimal import Decimal
from random import Random

from flashmm_demo._schedule import Schedule
from flashmm_demo._signing import Signer
from flashmm_demo.exchange import Accounts, Amendment, Gateway, LinkTerms, OrderRequest, PaperExchange

from .builders import ticker
from .test_book import book_at

REQUEST = OrderRequest("O1", "BTCUSDT", 1, Decimal("100.0"), Decimal(1))


class Heard:
    """Reports, as they come."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, int]] = []

    def acked(self, request: OrderRequest, now_ns: int) -> None:
        self.reports.append((f"acked {request.order_id}", now_ns))

    def rejected(self, request: OrderRequest, reason: str, now_ns: int) -> None:
        assert request == REQUEST
        self.reports.append((f"rejected {reason}", now_ns))

    def cancelled(self, order_id: str, now_ns: int) -> None:
        self.reports.append((f"cancelled {order_id}", now_ns))

    def cancel_failed(self, order_id: str, now_ns: int) -> None:
        self.reports.append((f"cancel_failed {order_id}", now_ns))

    def amended(self, request: OrderRequest, outcome: Amendment, now_ns: int) -> None:
        self.reports.append((f"amended {request.quantity} at {request.price}: {outcome.name}", now_ns))

    def expired(self, order_id: str, now_ns: int) -> None:
        self.reports.append((f"expired {order_id}", now_ns))

    def timed_out(self, order_id: str, now_ns: int) -> None:
        self.reports.append((f"timed_out {order_id}", now_ns))

    def found(self, order_id: str, resting: OrderRequest | None, now_ns: int) -> None:
        self.reports.append((f"found {order_id}" if resting else f"no {order_id}", now_ns))


def gateway(schedule: Schedule, *, rejects: float = 0.0, losses: float = 0.0, seed: int = 1) -> Gateway:
    exchange = PaperExchange({"BTCUSDT": book_at(10)}, Accounts(Decimal(0)))
    return Gateway(exchange, schedule, Random(seed), LinkTerms(3.0, rejects, losses))


def test_reports_come_after_the_latency_and_not_before() -> None:
    """An acknowledgement, then a cancellation, each some milliseconds after it was asked for."""
    schedule, heard = Schedule(), Heard()
    way = gateway(schedule)
    way.submit(REQUEST, heard, 0)
    assert heard.reports == []
    acked_ns = schedule.next_ns()
    assert 500_000 < acked_ns < 20_000_000
    schedule.run(acked_ns)
    way.cancel("O1", heard, acked_ns)
    cancelled_ns = schedule.next_ns()
    schedule.run(cancelled_ns)
    assert heard.reports == [("acked O1", acked_ns), ("cancelled O1", cancelled_ns)]
    way.cancel("O1", heard, cancelled_ns)
    schedule.run(10**12)
    assert heard.reports[-1][0] == "cancel_failed O1"


def test_the_median_latency_is_the_one_asked_for() -> None:
    """Half of the acknowledgements take longer than 3 ms."""
    schedule, heard = Schedule(), Heard()
    way = gateway(schedule)
    for _ in range(1000):
        way.submit(REQUEST, heard, 0)
    schedule.run(10**12)
    times = sorted(at_ns for _, at_ns in heard.reports)
    assert 2_800_000 < times[500] < 3_200_000


def test_some_orders_are_rejected_at_random_the_same_ones_for_a_seed() -> None:
    """With a reason of the exchange's."""
    runs: list[list[tuple[str, int]]] = []
    for _ in range(2):
        schedule, heard = Schedule(), Heard()
        way = gateway(schedule, rejects=0.2)
        for _ in range(200):
            way.submit(REQUEST, heard, 0)
        schedule.run(10**12)
        runs.append(heard.reports)
    assert runs[0] == runs[1]
    rejected = [report for report, _ in runs[0] if report.startswith("rejected")]
    assert 20 < len(rejected) < 60


def test_an_order_that_the_market_has_run_into_is_rejected_when_it_arrives() -> None:
    """It was passive when it was sent; it would take when it gets there."""
    schedule, heard = Schedule(), Heard()
    book = book_at(10)
    exchange = PaperExchange({"BTCUSDT": book}, Accounts(Decimal(0)))
    Gateway(exchange, schedule, Random(1), LinkTerms(3.0)).submit(REQUEST, heard, 0)
    book.apply(ticker(11, bid="99.0", ask="99.5"))
    schedule.run(10**12)
    assert heard.reports[0][0] == "rejected would_take"


def test_an_amend_that_comes_too_late_says_so() -> None:
    """In the book it takes its new terms; out of it there is nothing to amend."""
    schedule, heard = Schedule(), Heard()
    way = gateway(schedule)
    way.submit(REQUEST, heard, 0)
    schedule.run(10**9)
    smaller = replace(REQUEST, quantity=Decimal("0.4"))
    way.amend(smaller, heard, 10**9)
    schedule.run(2 * 10**9)
    way.cancel("O1", heard, 2 * 10**9)
    schedule.run(3 * 10**9)
    way.amend(smaller, heard, 3 * 10**9)
    schedule.run(4 * 10**9)
    told = [report for report, _ in heard.reports]
    assert told == ["acked O1", "amended 0.4 at 100.0: DONE", "cancelled O1", "amended 0.4 at 100.0: GONE"]


def test_an_order_that_rests_too_long_expires() -> None:
    """After the time it is good for, counted from its arrival; not after its end."""
    schedule, heard = Schedule(), Heard()
    way = gateway(schedule)
    way.submit(REQUEST, heard, 0)
    way.submit(replace(REQUEST, order_id="O2"), heard, 0)
    schedule.run(10**9)
    way.cancel("O2", heard, 10**9)
    schedule.run(10**12)
    assert [report for report, _ in heard.reports][2:] == ["cancelled O2", "expired O1"]
    (acked_ns,) = (at_ns for report, at_ns in heard.reports if report == "acked O1")
    assert heard.reports[-1][1] - acked_ns == 60 * 10**9


def test_a_lost_request_never_arrives_and_a_lost_answer_leaves_the_order_in_the_book() -> None:
    """Both look the same to the bot until it asks."""
    fates: set[tuple[str, ...]] = set()
    for seed in range(20):
        schedule, heard = Schedule(), Heard()
        exchange = PaperExchange({"BTCUSDT": book_at(10)}, Accounts(Decimal(0)))
        lossy = Gateway(exchange, schedule, Random(seed), LinkTerms(3.0, loss_probability=1.0))
        lossy.submit(REQUEST, heard, 0)
        schedule.run(500_000_000)
        Gateway(exchange, schedule, Random(seed), LinkTerms(3.0)).find("O1", heard, 500_000_000)
        schedule.run(10**9)
        fates.add(tuple(report for report, _ in heard.reports))
    assert fates == {("timed_out O1", "found O1"), ("timed_out O1", "no O1")}


def test_the_question_after_an_order_is_asked_until_it_is_answered() -> None:
    """Half of the messages lost: one answer all the same."""
    schedule, heard = Schedule(), Heard()
    way = gateway(schedule, losses=0.5)
    for _ in range(50):
        way.find("O1", heard, 0)
    schedule.run(10**12)
    assert [report for report, _ in heard.reports] == ["no O1"] * 50


def test_funding_rates_are_small_and_of_either_sign() -> None:
    """Decimals of eight places."""
    way = gateway(Schedule())
    rates = [way.funding_rate() for _ in range(200)]
    assert min(rates) < 0 < max(rates)
    assert all(abs(rate) < Decimal("0.00001") and rate.as_tuple().exponent == -8 for rate in rates)


def test_a_signature_is_the_hmac_of_the_order() -> None:
    """The documented form; another secret signs differently."""
    signed = Signer(b"secret").sign(REQUEST, 1_700_000_000_123_456_789)
    query, _, signature = signed.rpartition("&signature=")
    assert query == (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&quantity=1&price=100.0"
        "&newClientOrderId=O1&timestamp=1700000000123"
    )
    assert len(signature) == 64
    assert signed != Signer(b"other").sign(REQUEST, 1_700_000_000_123_456_789)
