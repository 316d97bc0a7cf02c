"""What a run of the demo is told."""

from dataclasses import dataclass
from pathlib import Path


class DemoError(Exception):
    """Base of what the demo refuses, with what to do instead.

    DemoError
    ├── UnknownFeed
    ├── NotTheLiveFeed
    ├── UnknownSymbol
    ├── MalformedMessage
    ├── NothingToRecordTo
    ├── CannotSend
    ├── NoRecording
    └── FeedEnded
    """


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Settings of one run of the demo market maker."""

    feed: str = "simulated"
    """`simulated`, `file:PATH` (a recording) or `binance` (the live public stream)."""
    symbols: tuple[str, ...] = ("BTCUSDT",)
    """Instruments to make a market in."""
    seed: int = 7
    """Seed of everything random: the simulated market, latencies, rejections, losses, switchback arms."""
    speed: float | None = 1.0
    """Times real time for the simulated and the recorded feed; None runs as fast as it can."""
    shift: bool = True
    """Stamp messages with the moment they are delivered; False keeps the feed's own times, and is reproducible."""
    loop: bool = False
    """Begin a recording again at its end."""
    duration_s: float | None = None
    """Stop after so many seconds of the feed's time; None runs until the feed ends or a signal comes."""
    endpoint: str | None = None
    """OTLP endpoint, such as `http://127.0.0.1:4317`; None leaves it to the `OTEL_*` variables."""
    record: Path | None = None
    """Write the feed's messages to this file, gzipped where it ends in `.gz`."""
    books: Path | None = None
    """Write the exact books to this file as JSON, each second and at the end."""
    service_name: str = "demo-maker"
    """`service.name` and the bot's name."""
    account: str = "paper"
    """The account's name."""
    order_notional: float = 300.0
    """Size of one quote in the quote currency."""
    inventory_limit: int = 12
    """Largest position, in quotes' sizes."""
    arm_s: float = 30.0
    """Length of one switchback assignment; two make a randomised pair. Zero turns the experiment off."""
    warmup_s: float = 20.0
    """Quote without an experiment for so long at the beginning."""
    latency_ms: float = 3.0
    """Median round trip to the paper exchange."""
    reject_probability: float = 0.004
    """Share of orders that the paper exchange turns down for no fault of theirs."""
    loss_probability: float = 0.01
    """Share of requests that get no answer: half of them never arrive, of the others the answer is lost."""
    answer_timeout_ms: float = 500.0
    """How long the bot waits for an answer before it asks what has become of the order."""
    good_for_s: float = 10.0
    """How long a quote rests before the exchange takes it out by itself, should the bot have gone."""
    funding_interval_s: float = 60.0
    """Time between funding payments, aligned to the clock."""
    binance_stream_url: str = "wss://fstream.binance.com/stream"
    """Combined stream of the `binance` feed."""
    binance_rest_url: str = "https://fapi.binance.com"
    """Where the `binance` feed asks for depth snapshots."""

    @property
    def market(self) -> str:
        """What market the feed is of: `simulated`, `recorded` or `live`."""
        return "recorded" if self.feed.startswith("file:") else {"binance": "live"}.get(self.feed, "simulated")
