"""The bot's own figures, its end, and what stands at its beginning."""

import tracemalloc
from pathlib import Path

import pytest

from flashmm_instrumentation import Market, setup
from flashmm_instrumentation._exporters import Destination, exporters
from flashmm_instrumentation._runfile import exchange_run
from flashmm_instrumentation.testing import Capture, capture

from .conftest import bind, counts


def test_pnl_and_risk(captured: Capture) -> None:
    """Each figure is a gauge in its currency."""
    captured.bot.pnl("USDT", "12.5", -3, "-0.4", 0)
    captured.bot.risk("USDT", 1000, exposure_limit=5000, var=70)
    found = {
        name: counts(captured, f"flashmm.{name}", "flashmm.currency")["USDT"]
        for name in (
            "pnl.realized",
            "pnl.unrealized",
            "pnl.fees",
            "pnl.funding",
            "risk.exposure",
            "risk.exposure.limit",
            "risk.var",
        )
    }
    assert list(found.values()) == [12.5, -3, -0.4, 0, 1000, 5000, 70]


def test_errors_and_transfers(captured: Capture) -> None:
    """An error counts by type, whether as a name or as an exception; a transfer is an event."""
    captured.bot.error("TimeoutError")
    captured.bot.error(TimeoutError("after 5 s, order a-1"))
    captured.bot.transfer("sim", "t-1", "-100", "USDT")
    assert counts(captured, "flashmm.errors", "error.type") == {"TimeoutError": 2}
    assert captured.events("flashmm.transfer")[0].body == {
        "venue": "sim",
        "transfer_id": "t-1",
        "amount": "-100",
        "currency": "USDT",
    }


def test_bad_figures_do_not_reach_the_bot(lenient: Capture) -> None:
    """A figure that is no number is counted."""
    lenient.bot.pnl("USDT", "much", 0)
    assert counts(lenient, "flashmm.misuse") == {"bad_value": 1}


def test_the_end_closes_every_stream_once(market: Market, captured: Capture) -> None:
    """The last samples and marks leave; a second close and later calls do nothing."""
    market.book(100, 1, 101, 1)
    captured.clock.advance(ms=400)
    captured.bot.close()
    captured.bot.close()
    market.book(100, 1, 101, 1)
    market.tick(captured.clock.now_ns())
    events = captured.events()
    sample = next(event for event in events if event.kind == "flashmm.spread.sample")
    assert sample.body["duration_ns"] == 400_000_000
    closing = [event.body for event in events if event.body.get("mark") == "close"]
    assert {body["kind"]: body["high_water"] for body in closing} == {
        "flashmm.instrument": 1,
        "flashmm.spread.sample": 1,
        "flashmm.stream": len([event for event in events if event.kind == "flashmm.stream"]),
    }


def test_the_previous_run_is_named(tmp_path: Path) -> None:
    """With a state directory the open mark names the last process's run."""
    with capture(state_dir=tmp_path) as first:
        run = first.bot.run
    with capture(state_dir=tmp_path, seed=2) as second:
        opened = second.events("flashmm.stream")[0].body
    assert opened == {"mark": "open", "previous_run": run}


def test_every_bot_has_a_previous_run_of_its_own(tmp_path: Path) -> None:
    """Whatever accounts and bots are called, no two share a file."""
    names = [
        ("a-b", "c"),
        ("a", "b-c"),
        ("a/b", "c"),
        ("a_b", "c"),
        ("a", "b@c"),
        ("a@b", "c"),
        ("ä", "c"),
        ("..", "."),
    ]
    found = [exchange_run(tmp_path, *name, f"run {name}") for name in names]
    assert found == [None] * len(names)
    assert [exchange_run(tmp_path, *name, "next") for name in names] == [f"run {name}" for name in names]


def test_an_unwritable_state_directory_is_no_obstacle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The bot starts without knowing its previous run, and says so."""
    (tmp_path / "file").write_text("")
    with capture(state_dir=tmp_path / "file") as captured:
        assert captured.events("flashmm.stream")[0].body == {"mark": "open"}
    assert "previous run" in caplog.text


def test_samples_of_a_suspended_machine_are_counted_as_missing(captured: Capture) -> None:
    """Two minutes are made up for, the rest of the hour is dropped and counted."""
    bind(captured).book(100, 1, 101, 1)
    captured.clock.advance(seconds=3600)
    captured.bot.tick()
    assert len(captured.events("flashmm.spread.sample")) == 120
    assert counts(captured, "flashmm.records.dropped") == {"gap": 3600 - 120 - 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"account": "main"}, "service name"),
        ({"service_name": "m"}, "account"),
        ({"service_name": "m", "account": "a", "endpoint": "localhost:4317"}, "http://localhost:4317"),
        ({"service_name": "m", "account": "a", "protocol": "thrift"}, "thrift"),
    ],
)
def test_setup_says_what_is_wrong(arguments: dict[str, str], message: str, monkeypatch) -> None:
    """A missing name or an unusable endpoint is an error at once."""
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "FLASHMM_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=message):
        setup(**arguments)


def test_a_market_bound_on_other_terms_is_an_error(captured: Capture) -> None:
    """What differs is named; the same terms in another form give the same handle."""
    market = bind(captured)
    assert bind(captured, tick=0.10) is market
    with pytest.raises(ValueError, match=r"sim BTCUSDT is bound already with tick 0\.1, not 0\.5"):
        bind(captured, tick="0.5")


@pytest.mark.parametrize("more", [{"stale_after_ms": None}, {"base": 7}, {"lot": None}])
def test_a_market_says_what_is_wrong(captured: Capture, more: dict[str, object]) -> None:
    """What cannot be is a ValueError that names the argument."""
    with pytest.raises(ValueError, match=next(iter(more))):
        bind(captured, **more)


def test_calls_after_close_say_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """A bot that goes on trading after close() does not fill its log."""
    with capture(strict=False) as captured:
        market = bind(captured)
    for number in range(50):
        market.order("buy", "100.1", 1, f"o-{number}").acked()
    assert len([record for record in caplog.records if "were not delivered" in record.message]) == 2


@pytest.mark.parametrize("bound", ["before", "after"])
def test_calls_after_close_are_not_kept(bound: str) -> None:
    """A bot that goes on trading after close() does not grow, in a market bound by then or later."""
    with capture(strict=False) as captured:
        market = bind(captured)
    if bound == "after":
        market = captured.bot.market("sim", "later", tick="0.1", lot="0.001", base="BTC", quote="USDT")
    tracemalloc.start()
    try:
        for _ in range(1_000):
            market.book("100.1", 1, "100.2", 1, captured.clock.advance(ms=1))
            market.quoting("100.1", 1, "100.2", 1)
            market.trade("100.1", 1)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_TRACES_EXPORTER", "jaeger"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "x")]
)
def test_an_unknown_exporter_is_an_error(name: str, value: str, monkeypatch) -> None:
    """What the environment names must be installed."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=value):
        exporters(Destination())


def test_other_exporters_come_by_their_entry_points(monkeypatch) -> None:
    """`console` and any installed exporter can be named."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    found = exporters(Destination())
    assert type(found.traces).__name__ == "ConsoleSpanExporter"
    assert (found.metrics, found.logs, found.events) == (None, None, None)
