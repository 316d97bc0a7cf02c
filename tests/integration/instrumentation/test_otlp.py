"""What a bot emits, as an OTLP peer receives it."""

import asyncio
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.otlp_peer import GrpcPeer, HttpPeer, attributes

from flashmm_instrumentation import BUY, MAKER, Bot, setup


def trade(bot: Bot, orders: int = 1) -> None:
    """Quote, place and fill."""
    market = bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
    market.book("100.1", 2, "100.3", 2, bot.now_ns())
    market.quoting("100.1", 1, "100.3", 1)
    for number in range(orders):
        order = market.order(BUY, "100.1", 1, f"o-{number}")
        order.decided()
        order.submitted()
        order.acked(bot.now_ns() + 1_270_000_000)
        order.filled(f"f-{number}", "100.1", 1, "-0.01", "USDT", MAKER)


def quiet(endpoint: str, **more: object) -> Bot:
    """A bot without the extras."""
    settings = {"logging_level": None, "instrument_asyncio": False, "system_metrics": False, "set_global": False}
    return setup("maker-1", "main", endpoint=endpoint, **{**settings, **more})


def test_everything_arrives_by_grpc(grpc_peer: GrpcPeer) -> None:
    """Events, spans and metrics leave while the bot runs, with one resource; the close marks come last."""
    received = grpc_peer.received
    with quiet(grpc_peer.endpoint, bot="mm", environment="test") as bot:
        trade(bot)
        received.wait(lambda: received.events("flashmm.fill"))
        received.wait(lambda: len(received.spans()) >= 6)
        received.wait(lambda: "flashmm.order.duration" in received.metrics())
        received.wait(lambda: received.events("flashmm.spread.sample"))
    resource, _ = received.logs()[0]
    assert resource["service.name"] == "maker-1"
    assert resource["service.namespace"] == "flashmm"
    assert resource["flashmm.bot"] == resource["service.instance.id"] == "mm"
    assert resource["flashmm.account"] == "main"
    assert resource["deployment.environment.name"] == "test"
    assert resource["flashmm.run"] == bot.run
    seqs: dict[str, list[int]] = {}
    for event in received.events():
        carried = attributes(event.attributes)
        assert carried["event.name"] == event.event_name
        seqs.setdefault(event.event_name, []).append(carried["flashmm.seq"])
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in seqs.values())
    last = attributes(received.events()[-1].body.kvlist_value.values)
    assert last == {"mark": "close", "kind": "flashmm.stream", "high_water": len(seqs["flashmm.stream"])}


def test_durations_are_exponential_histograms_with_exemplars(grpc_peer: GrpcPeer) -> None:
    """The order duration's exemplar names the placement trace."""
    received = grpc_peer.received
    with quiet(grpc_peer.endpoint) as bot:
        trade(bot)
    metrics = received.metrics()
    point = metrics["flashmm.order.duration"].exponential_histogram.data_points[0]
    root = next(span for span in received.spans() if span.name == "order")
    assert [exemplar.trace_id for exemplar in point.exemplars] == [root.trace_id]
    offset = metrics["flashmm.clock.offset"].gauge.data_points[0].as_double
    assert 1.2 < offset < 1.3


def test_http_and_headers(http_peer: HttpPeer) -> None:
    """Over HTTP each signal goes to its path, with the author's headers."""
    received = http_peer.received
    with quiet(http_peer.endpoint, protocol="http/protobuf", headers={"authorization": "Bearer t"}) as bot:
        trade(bot)
    assert received.events("flashmm.fill")
    assert received.spans()
    assert "flashmm.fills" in received.metrics()
    assert all({k.lower(): v for k, v in each.items()}["authorization"] == "Bearer t" for each in received.headers)


def test_the_environment_decides_what_arguments_leave_open(grpc_peer: GrpcPeer, monkeypatch) -> None:
    """OTEL_* variables choose endpoint, names and resource; OTEL_TRACES_EXPORTER=none switches a signal off."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", grpc_peer.endpoint)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-env")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "flashmm.account=acc,team=a,service.instance.id=i-7")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    with setup(logging_level=None, instrument_asyncio=False, system_metrics=False, set_global=False) as bot:
        trade(bot)
    resource, _ = grpc_peer.received.logs()[0]
    assert resource["service.name"] == resource["flashmm.bot"] == "from-env"
    assert (resource["flashmm.account"], resource["team"]) == ("acc", "a")
    assert resource["service.instance.id"] == "i-7"
    assert grpc_peer.received.spans() == []


def test_disabled_means_silent(grpc_peer: GrpcPeer, monkeypatch) -> None:
    """OTEL_SDK_DISABLED=true: the API works and nothing leaves."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with quiet(grpc_peer.endpoint) as bot:
        trade(bot)
    assert grpc_peer.received.requests == []


def test_an_outage_loses_no_event(grpc_peer: GrpcPeer) -> None:
    """What the peer did not take is offered again: after an outage no sequence number is missing."""
    received = grpc_peer.received
    with quiet(grpc_peer.endpoint) as bot:
        trade(bot, 3)
        received.wait(lambda: len(received.events("flashmm.fill")) == 3)
        grpc_peer.stop()
        trade(bot, 3)
        grpc_peer.start()
        received.wait(lambda: len(received.events("flashmm.fill")) == 6)
    numbers = {attributes(event.attributes)["flashmm.seq"] for event in received.events("flashmm.order")}
    assert numbers == set(range(1, len(numbers) + 1))


def test_logging_goes_out_with_the_trace(grpc_peer: GrpcPeer) -> None:
    """Python's logging is bridged, with the current span's ids and the exception."""
    with quiet(grpc_peer.endpoint, logging_level=logging.INFO) as bot:
        log = logging.getLogger("my.bot")
        log.setLevel(logging.INFO)
        tracer = bot.tracer_provider.get_tracer("my.bot")
        with tracer.start_as_current_span("requote") as span:
            try:
                Path("/nonexistent/book").read_text()
            except FileNotFoundError:
                log.exception("no %s", "book")
        expected = span.get_span_context().trace_id.to_bytes(16, "big")
    record = next(record for _, record in grpc_peer.received.logs() if record.body.string_value == "no book")
    assert record.trace_id == expected
    assert record.severity_text == "ERROR"
    assert attributes(record.attributes)["exception.type"] == "FileNotFoundError"


FORKING = """
import os, sys, time
from flashmm_instrumentation import setup
bot = setup("maker-1", "main", endpoint=sys.argv[1], protocol=sys.argv[2], state_dir=sys.argv[3],
            logging_level=None, instrument_asyncio=False, system_metrics=True)
market = bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
market.book("100.1", 2, "100.3", 2)
order = market.order("buy", "100.1", 1, "parent")
assert bot.flush()
child = os.fork()
market.book("100.1", 2, "100.3", 2)
market.order("buy", "100.1", 1, "child" if not child else "parent-2")
bot.close()
if child:
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
"""


def forked(peer: GrpcPeer | HttpPeer, protocol: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-c", FORKING, peer.endpoint, protocol, str(tmp_path)]
    subprocess.run(command, check=True, timeout=120, env=environment)
    runs: dict[str, list[str]] = {}
    for resource, record in peer.received.logs():
        if record.event_name == "flashmm.order":
            body = attributes(record.body.kvlist_value.values)
            runs.setdefault(str(resource["flashmm.run"]), []).append(str(body["order_id"]))
    assert sorted(runs.values()) == [["child"], ["parent", "parent-2"]]
    opens = [
        attributes(record.body.kvlist_value.values).get("previous_run")
        for _, record in peer.received.logs()
        if record.event_name == "flashmm.stream" and attributes(record.body.kvlist_value.values)["mark"] == "open"
    ]
    assert opens[0] is None
    assert opens[1] in runs


def test_a_forked_child_is_a_run_of_its_own_over_http(http_peer: HttpPeer, tmp_path: Path) -> None:
    """After a fork parent and child emit under different runs, each with its own sequence numbers."""
    forked(http_peer, "http/protobuf", tmp_path)


def test_a_forked_child_is_a_run_of_its_own_over_grpc(grpc_peer: GrpcPeer, tmp_path: Path) -> None:
    """The same over gRPC, whose channels do not survive a fork."""
    forked(grpc_peer, "grpc", tmp_path)


UNCLOSED = """
import sys
from flashmm_instrumentation import setup
bot = setup("maker-1", "main", endpoint=sys.argv[1])
bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT").book("100.1", 2, "100.3", 2)
"""


def test_the_interpreters_exit_closes_the_bot(grpc_peer: GrpcPeer) -> None:
    """A bot that ends without close() loses nothing, its marks say so, and nothing is complained of."""
    command = [sys.executable, "-W", "error", "-c", UNCLOSED, grpc_peer.endpoint]
    ended = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert ended.stderr == ""
    marks = [attributes(each.body.kvlist_value.values) for each in grpc_peer.received.events("flashmm.stream")]
    assert {"mark": "close", "kind": "flashmm.spread.sample", "high_water": 1} in marks


def test_nobody_listening_is_no_obstacle() -> None:
    """With no peer at all the bot goes on, closes within its time, and counts what was lost."""
    bot = quiet("http://127.0.0.1:9")
    trade(bot)
    begin_s = time.monotonic()
    bot.close(timeout_s=0.5)
    assert time.monotonic() - begin_s < 8


def test_system_metrics_and_asyncio_report(grpc_peer: GrpcPeer) -> None:
    """By default the process's and asyncio's own metrics go out beside ours."""

    async def nothing() -> None: ...

    async def gathered() -> None:
        await asyncio.gather(nothing(), nothing())

    with quiet(grpc_peer.endpoint, instrument_asyncio=True, system_metrics=True):
        asyncio.run(gathered())
    names = set(grpc_peer.received.metrics())
    assert {"process.thread.count", "asyncio.process.duration", "asyncio.process.created"} <= names


def test_without_the_asyncio_extra_everything_else_reports(grpc_peer: GrpcPeer, monkeypatch) -> None:
    """The package is released later than its siblings; where it is not installed a bot has no asyncio metrics."""
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.asyncio", None)
    with quiet(grpc_peer.endpoint, instrument_asyncio=True, system_metrics=True):
        pass
    names = set(grpc_peer.received.metrics())
    assert "process.thread.count" in names
    assert not any(name.startswith("asyncio.") for name in names)


SLOW_END = """
import sys, threading
from flashmm_instrumentation import setup
bot = setup("maker-1", "main", endpoint=sys.argv[1], logging_level=None, instrument_asyncio=False)
market = bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
def trade():
    for number in range(200):
        market.book("100.1", 2, "100.3", 2)
        market.order("buy", "100.1", 1, f"{threading.get_ident()}-{number}").acked()
threads = [threading.Thread(target=trade) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
raise RuntimeError("the author's own")
"""


def test_a_bot_that_ends_by_an_error_of_its_own_still_tells_all(grpc_peer: GrpcPeer) -> None:
    """Four threads, then an exception: every event is numbered once and sent, the streams are closed."""
    command = [sys.executable, "-W", "error", "-c", SLOW_END, grpc_peer.endpoint]
    ended = subprocess.run(command, check=False, timeout=120, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("RuntimeError: the author's own")
    orders = grpc_peer.received.bodies("flashmm.order")
    assert [body["seq"] for body in orders] == list(range(1, 1_601))
    assert "close" in {body["mark"] for body in grpc_peer.received.bodies("flashmm.stream")}


def test_two_bots_in_one_process_keep_apart(grpc_peer: GrpcPeer, http_peer: HttpPeer) -> None:
    """Each has its own run, streams, metrics and destination."""
    with (
        quiet(grpc_peer.endpoint, bot="one", system_metrics=True) as one,
        quiet(http_peer.endpoint, bot="two", protocol="http/protobuf", system_metrics=True) as two,
    ):
        trade(one, 2)
        trade(two, 1)
    for received, bot, fills in ((grpc_peer.received, one, 2), (http_peer.received, two, 1)):
        assert {resource["flashmm.run"] for resource, _ in received.logs()} == {bot.run}
        assert [body["seq"] for body in received.bodies("flashmm.fill")] == list(range(1, fills + 1))
        assert received.metrics()["flashmm.fills"].sum.data_points[0].as_int == fills


async def test_tasks_and_threads_share_a_bot(grpc_peer: GrpcPeer) -> None:
    """Orders placed from the loop and from threads at once: no number is missing or given twice."""
    with quiet(grpc_peer.endpoint) as bot:
        market = bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")

        def place(who: str) -> None:
            for number in range(100):
                market.order(BUY, "100.1", 1, f"{who}-{number}").acked()

        async def task(who: str) -> None:
            for number in range(100):
                market.order(BUY, "100.1", 1, f"{who}-{number}").acked()
                await asyncio.sleep(0)

        await asyncio.gather(task("a"), task("b"), asyncio.to_thread(place, "c"), asyncio.to_thread(place, "d"))
    orders = grpc_peer.received.bodies("flashmm.order")
    assert [body["seq"] for body in orders] == list(range(1, 801))
    assert len({body["order_id"] for body in orders}) == 400


def test_a_port_that_speaks_something_else_is_no_obstacle(http_peer: HttpPeer) -> None:
    """gRPC to an HTTP port: the bot goes on, ends in time, and says what it could not deliver."""
    bot = quiet(http_peer.endpoint)
    trade(bot)
    assert not bot.flush(0.5)
    begin_s = time.monotonic()
    bot.close(timeout_s=0.5)
    assert time.monotonic() - begin_s < 8
    assert http_peer.received.requests == []


def test_a_dead_peer_costs_records_not_the_bot(grpc_peer: GrpcPeer, monkeypatch) -> None:
    """A small queue overflows while nobody listens; what was lost is counted once the peer is back."""
    monkeypatch.setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "100")
    received = grpc_peer.received
    with quiet(grpc_peer.endpoint) as bot:
        trade(bot)
        received.wait(lambda: received.events("flashmm.fill"))
        grpc_peer.stop()
        slowest_s = 0.0
        for number in range(300):
            begin_s = time.monotonic()
            bot.transfer("sim", f"t-{number}", 1, "USDT")
            slowest_s = max(slowest_s, time.monotonic() - begin_s)
        assert slowest_s < 8
        grpc_peer.start()
        received.wait(lambda: received.events("flashmm.transfer"))
    points = received.metrics()["flashmm.records.dropped"].sum.data_points
    lost = sum(p.as_int for p in points if attributes(p.attributes)["flashmm.reason"] == "queue_full")
    seqs = [body["seq"] for body in received.bodies("flashmm.transfer")]
    assert lost > 0
    assert len(seqs) + lost >= 300
    closing = [
        b for b in received.bodies("flashmm.stream") if b["mark"] == "close" and b["kind"] == "flashmm.transfer"
    ]
    assert closing[0]["high_water"] == 300


SETUP_AFTER_FORK = """
import os, sys
from flashmm_instrumentation import setup
child = os.fork()
name = "parent" if child else "child"
with setup("maker-1", "main", bot=name, endpoint=sys.argv[1], logging_level=None) as bot:
    bot.transfer("sim", "t-1", 1, "USDT")
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_workers_that_set_up_after_the_fork_are_bots_of_their_own(grpc_peer: GrpcPeer) -> None:
    """As pre-forking servers do it: two runs, both whole."""
    subprocess.run([sys.executable, "-c", SETUP_AFTER_FORK, grpc_peer.endpoint], check=True, timeout=120)
    sent = [
        (resource["flashmm.bot"], resource["flashmm.run"])
        for resource, record in grpc_peer.received.logs()
        if record.event_name == "flashmm.transfer"
    ]
    assert sorted(bot for bot, _ in sent) == ["child", "parent"]
    assert len({run for _, run in sent}) == 2
