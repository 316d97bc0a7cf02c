"""The real ledger behind the Collector, killed while bots send: all is there, once, and the board shows the gap."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import grpc
import pytest
from tests.integration.stack import admin
from tests.integration.stack.queries import eventually, get
from tests.integration.stack.telemetry import Request, Sender, event, logs, sender
from tests.parts import SINK_TOKEN, Server, collector_server, free_ports, running_prometheus
from tests.product import Product, running_product

from flashmm_instrumentation import BUY, MAKER, Bot, setup
from flashmm_instrumentation.semconv import EVENT_KINDS, events

pytestmark = pytest.mark.real

_PATIENCE_S = 150.0
_SMALL_QUEUE_BYTES = 300_000
"""Room for two of a bot's requests."""
_SMALL_DISK_BYTES = 1_000_000
_ORDERS = 1500
"""Their events are five times the small queue."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A Collector, the ledger behind it, and the Prometheus that scrapes both."""

    collector: Server
    watcher: Server
    data_dir: Path
    addresses: dict[str, str]

    def ledger(self) -> AbstractContextManager[Product]:
        """`flashmm up` for the length of a block, on the same data and addresses each time."""
        return running_product(self.data_dir, FLASHMM_RECEIVER__TOKEN=SINK_TOKEN, **self.addresses)

    @property
    def endpoint(self) -> str:
        """Where bots send."""
        return f"http://127.0.0.1:{self.collector.ports['grpc']}"

    def shown(self, panel: str, **labels: str) -> list[float]:
        """The values on a panel of the Admin board, of those series that have these labels."""
        return admin.shown(self.watcher.base_url, panel, **labels)

    def queue(self) -> float:
        """How full the events' queue is on the board; 0 while it shows none."""
        return admin.queue(self.watcher.base_url, "otlp_http/flashmm_events")


@contextmanager
def _watched(folder: Path, **of_the_collector: str) -> Generator[Watched]:
    ports = free_ports("page", "grpc", "http")
    addresses = {
        "FLASHMM_HTTP__PORT": str(ports["page"]),
        "FLASHMM_RECEIVER__GRPC_BIND": f"127.0.0.1:{ports['grpc']}",
        "FLASHMM_RECEIVER__HTTP_BIND": f"127.0.0.1:{ports['http']}",
    }
    environment = {"FLASHMM_OTLP_URL": f"http://127.0.0.1:{ports['http']}", **of_the_collector}
    collector = collector_server(folder, environment=environment)
    scrape = {"otel-collector": f"127.0.0.1:{collector.ports['metrics']}"}
    with collector, running_prometheus(folder, scrape=scrape, flashmm=f"127.0.0.1:{ports['page']}") as watcher:
        yield Watched(collector, watcher, folder / "data", addresses)


def _kill(product: Product) -> None:
    product.process.kill()
    product.process.wait()


def _events(product: Product, kind: str) -> dict[str, list[str]]:
    """The last hour's events of one kind, by column."""
    return get(f"{product.http}/api/events/{kind}", start="1h", limit="10000")["columns"]


def _completeness(product: Product, kind: str) -> float:
    return get(f"{product.http}/api/events/{kind}", start="1h", rows="false")["completeness"]["ratio"]


@contextmanager
def _demo(endpoint: str, books: Path) -> Generator[subprocess.Popen[bytes]]:
    """A paper market maker that trades until it is told to end; its fills are in `books`.fills afterwards."""
    options = ["--books", str(books), "--arm", "0", "--seed", "5"]
    demo = subprocess.Popen([sys.executable, "-m", "flashmm_demo", "--endpoint", endpoint, *options])
    try:
        yield demo
    finally:
        demo.kill()
        demo.wait()


def test_ledger_and_collector_killed_while_a_market_maker_trades(tmp_path: Path) -> None:
    """Each killed once: every event of every kind is there, none twice; the board showed who was away."""
    books = tmp_path / "books.json"
    with _watched(tmp_path) as path, _demo(path.endpoint, books) as demo:
        with path.ledger() as product:
            eventually(lambda: _events(product, events.FILL.name)["fill_id"], _PATIENCE_S)
            _kill(product)
        eventually(lambda: path.shown("Servers", job="flashmm") == [0.0] and path.queue() > 0, _PATIENCE_S)
        with path.ledger() as product:
            path.collector.kill()
            path.collector.start()
            back_ns = time.time_ns()
            eventually(lambda: int(_events(product, events.FILL.name)["time_ns"][-1]) > back_ns, _PATIENCE_S)
            demo.send_signal(signal.SIGTERM)
            assert demo.wait(_PATIENCE_S) == 0
            expected = [json.loads(line)["fill_id"] for line in Path(f"{books}.fills").read_text().splitlines()]
            eventually(lambda: len(_events(product, events.FILL.name)["fill_id"]) >= len(expected), _PATIENCE_S)
            assert _events(product, events.FILL.name)["fill_id"] == expected
            for kind in EVENT_KINDS:
                eventually(lambda kind=kind: _completeness(product, kind) == 1.0, _PATIENCE_S)
            eventually(lambda: path.shown("Servers", job="flashmm") == [1.0] and path.queue() == 0, _PATIENCE_S)


def test_a_full_queue_refuses_and_the_board_says_so(tmp_path: Path) -> None:
    """The ledger away for longer than the queue lasts: the bound holds, the bot keeps the rest, all arrives once."""
    with _watched(tmp_path, COLLECTOR_EVENTS_QUEUE_BYTES=str(_SMALL_QUEUE_BYTES)) as path:
        with path.ledger() as product:
            _kill(product)
        bot = setup("maker-7", "main", endpoint=path.endpoint, set_global=False)
        try:
            _trade(bot)
            eventually(lambda: _refusals(path) > 0, _PATIENCE_S)
            eventually(lambda: path.queue() > 0.5, _PATIENCE_S)
            assert path.queue() <= 1.0
            with path.ledger() as product:
                wanted = {f"f-{number}" for number in range(_ORDERS)}
                eventually(lambda: set(_events(product, events.FILL.name)["fill_id"]) == wanted, _PATIENCE_S)
                assert len(_events(product, events.FILL.name)["fill_id"]) == _ORDERS
                eventually(lambda: path.queue() == 0, _PATIENCE_S)
        finally:
            bot.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system for the Collector's queues, smaller than what they may hold."""
    folder = tmp_path / "collector" / "queues"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK_BYTES}", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk takes the right to mount one: run as root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.usefixtures("small_disk")
def test_a_queue_that_filled_the_disk_recovers_by_itself(tmp_path: Path) -> None:
    """The ledger away until there is no room for another event: refused at the door. It comes back: all is there.

    Nobody makes room; what is delivered does.
    """
    with _watched(tmp_path) as path, sender(path.collector) as bot:
        with path.ledger() as product:
            _kill(product)
        accepted = list(takewhile(lambda seq: _accepted(bot, seq), count(1)))
        assert "no space left on device" in path.collector.log.read_text()
        eventually(lambda: not _accepted(bot, len(accepted) + 1) and _refusals(path) > 0, _PATIENCE_S)
        with path.ledger() as product:
            last = len(accepted) + 50
            for seq in range(len(accepted) + 1, last + 1):
                bot.send(_transfer(seq))
            arrived = list(range(1, last + 1))
            eventually(lambda: _events(product, events.TRANSFER.name)["seq"] == arrived, _PATIENCE_S)
            assert _completeness(product, events.TRANSFER.name) == 1.0
            eventually(lambda: path.queue() == 0, _PATIENCE_S)


def _refusals(path: Watched) -> float:
    """What the board shows of requests that the door turned away."""
    return max(path.shown("Refused at the door"), default=0.0)


def _accepted(bot: Sender, seq: int) -> bool:
    """Whether the door takes an event; it must be retryable when it does not."""
    status = bot.try_once(_transfer(seq))
    assert status in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
    return status is grpc.StatusCode.OK


def _transfer(seq: int) -> Request:
    """An event of a kilobyte."""
    fields = {"amount": "0.10", "currency": "USDT", "venue": "binance"}
    return logs(event(events.TRANSFER.name, seq, transfer_id=f"{seq}-{'x' * 1000}", **fields))


def _trade(bot: Bot) -> None:
    """Orders with a fill each."""
    market = bot.market("binance", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
    market.book("64000.1", "1", "64000.2", "1")
    for number in range(_ORDERS):
        order = market.order(BUY, "64000.1", "0.001", f"o-{number}")
        order.submitted()
        order.acked()
        order.filled(f"f-{number}", "64000.1", "0.001", "-0.0128", "USDT", MAKER)
