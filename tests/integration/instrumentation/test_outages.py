"""Doors that are closed: the bot's log tells of it once, and once when it is over."""

import logging
import re
import socket
import time
from collections.abc import Iterator

import pytest
from tests.otlp_peer import GrpcPeer

from flashmm_instrumentation import Bot, setup

TRIES = 4


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(autouse=True)
def one_try(monkeypatch) -> None:
    """The metrics' exporter gives up before its first wait, and is asked by flush() alone."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")


def bot_at(endpoint: str, protocol: str) -> Bot:
    return setup(
        "maker-1",
        "main",
        endpoint=endpoint,
        protocol=protocol,
        instrument_asyncio=False,
        system_metrics=False,
        set_global=False,
    )


def try_in_vain(bot: Bot) -> None:
    """Every signal has something to send, again and again."""
    for number in range(TRIES):
        bot.transfer("sim", f"t-{number}", 1, "USDT")
        bot.tracer_provider.get_tracer("my.bot").start_span(f"s-{number}").end()
        logging.getLogger("my.bot").error("line %d", number)
        assert not bot.flush(0.1)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, but for the bot's own lines."""
    return [record.getMessage() for record in caplog.records if record.name != "my.bot"]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_closed_door_is_told_once(protocol: str, closed_port: int, caplog) -> None:
    """One line names the door and the cause, however often each signal is offered there."""
    bot = bot_at(f"http://127.0.0.1:{closed_port}", protocol)
    try_in_vain(bot)
    lines = told(caplog)
    bot.close(timeout_s=0.1)
    assert len(lines) == 1
    assert re.match(rf"127.0.0.1:{closed_port} takes no telemetry: .*[Rr]efused", lines[0])


def test_the_end_of_an_outage_is_told(grpc_peer: GrpcPeer, caplog) -> None:
    """How long it was and what became of the records; an outage right after another is not spoken of."""
    with bot_at(grpc_peer.endpoint, "grpc") as bot:
        for _ in range(2):
            grpc_peer.stop()
            try_in_vain(bot)
            grpc_peer.start()
            assert bot.flush(60)
    begin, end = told(caplog)
    assert "takes no telemetry" in begin
    assert re.search(r"answers again after \d+\.\d s: \d+ records wait to be sent, 0 were dropped meanwhile", end)


def test_other_exports_of_the_process_keep_their_lines(closed_port: int, caplog) -> None:
    """What the author's own exporter says of its failures is left alone, as are other lines of ours."""
    exporters = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
    bot = bot_at(f"http://127.0.0.1:{closed_port}", "grpc")
    try_in_vain(bot)
    exporters.error("Failed to export %s to %s", "traces", "the author's")
    bot.close(timeout_s=0.1)
    assert "Failed to export traces to the author's" in told(caplog)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_silent_door_holds_nobody_up(protocol: str, monkeypatch) -> None:
    """flush() and close() end in their time, though every export waits for the exporter's own ten seconds."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        bot = bot_at(f"http://127.0.0.1:{silent.getsockname()[1]}", protocol)
        begin_s = time.monotonic()
        assert not bot.flush(0.2)
        bot.transfer("sim", "t-1", 1, "USDT")
        assert not bot.flush(0.2)
        bot.close(0.2)
        assert time.monotonic() - begin_s < 8
