"""Doors that refuse: what they will take later is kept and sent again; what they never will is counted."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from tests import otlp_peer
from tests.otlp_peer import GrpcPeer, HttpPeer, Received, Refusal, attributes

from flashmm_instrumentation import BUY, MAKER, Bot
from flashmm_instrumentation._assembly import Parts, assemble
from flashmm_instrumentation._exporters import Destination, exporters
from flashmm_instrumentation._extras import Extras, Wanted
from flashmm_instrumentation._flow import Flow
from flashmm_instrumentation._identity import Identity
from flashmm_instrumentation._pump import PumpLimits

Door = GrpcPeer | HttpPeer
RETRY_S = 0.02
HINT = (("google.rpc.retryinfo-bin", RetryInfo(retry_delay=Duration(nanos=10_000_000)).SerializeToString()),)
LATER = {
    "unavailable": ("grpc", Refusal(grpc.StatusCode.UNAVAILABLE)),
    "exhausted": ("grpc", Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED)),
    "exhausted-with-a-hint": ("grpc", Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=HINT)),
    "429": ("http/protobuf", Refusal(http=429)),
    "503": ("http/protobuf", Refusal(http=503, headers=(("Retry-After", "1"),))),
}
NEVER = {
    "invalid": ("grpc", Refusal(grpc.StatusCode.INVALID_ARGUMENT), "INVALID_ARGUMENT"),
    "denied": ("grpc", Refusal(grpc.StatusCode.PERMISSION_DENIED), "OTEL_EXPORTER_OTLP_HEADERS"),
    "400": ("http/protobuf", Refusal(http=400), "400"),
    "401": ("http/protobuf", Refusal(http=401), "OTEL_EXPORTER_OTLP_HEADERS"),
    "a redirect": ("http/protobuf", Refusal(http=302), "OTEL_EXPORTER_OTLP_ENDPOINT"),
}


@contextmanager
def door(protocol: str) -> Iterator[Door]:
    with otlp_peer.grpc_peer() if protocol == "grpc" else otlp_peer.http_peer() as peer:
        yield peer


def bot_at(endpoint: str, protocol: str, capacity: int = 32_768, batch: int = 512, wait_s: float = RETRY_S) -> Bot:
    """A bot that tries again within milliseconds."""
    limits = PumpLimits(capacity, batch=batch, gather_s=0.001, retry_s_first=wait_s, retry_s_max=wait_s)
    parts = Parts(lambda: exporters(Destination(endpoint, protocol)), flow=Flow(limits, limits, limits))
    who = Identity("maker-1", "main", "mm", None, "flashmm")
    return assemble(who, parts, Extras(Wanted(logging.INFO)), None)


def trade(bot: Bot, fills: range) -> None:
    market = bot.market("sim", "BTCUSDT", tick="0.1", lot="0.001", base="BTC", quote="USDT")
    for number in fills:
        order = market.order(BUY, "100.1", 1, f"o-{number}")
        order.acked()
        order.filled(f"f-{number}", "100.1", 1, "-0.01", "USDT", MAKER)


def in_order(received: Received, kind: str, count: int) -> bool:
    """Each of count events once, and in their order: redelivery repeats at most what came already."""
    return [body["seq"] for body in received.bodies(kind)] == list(range(1, count + 1))


def lost(received: Received) -> dict[str, int]:
    """Records dropped by reason, of all signals."""
    metric = received.metrics().get("flashmm.records.dropped")
    points = metric.sum.data_points if metric is not None else ()
    return {str(attributes(point.attributes)["flashmm.reason"]): point.as_int for point in points}


@pytest.mark.parametrize(("protocol", "refusal"), LATER.values(), ids=LATER)
def test_what_is_refused_for_now_arrives_later(protocol: str, refusal: Refusal) -> None:
    """Fills, spans and log lines made while the door refuses arrive once it takes them, whole and in order."""
    with door(protocol) as peer, bot_at(peer.endpoint, protocol, batch=100) as bot:
        received = peer.received
        trade(bot, range(3))
        received.wait(lambda: len(received.events("flashmm.fill")) == 3)
        peer.refuse(refusal)
        trade(bot, range(3, 500))
        logging.getLogger("my.bot").warning("while away")
        received.wait(lambda: received.refused["logs"] >= 6 and received.refused["traces"] >= 6)
        peer.refuse(None)
        received.wait(lambda: len(received.events("flashmm.fill")) == 500)
        received.wait(lambda: "while away" in received.log_texts())
        received.wait(lambda: sum(span.name == "order" for span in received.spans()) == 500)
    assert in_order(received, "flashmm.fill", 500)
    assert lost(received) == {}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_flush_during_an_outage_drops_nothing(protocol: str) -> None:
    """flush() that ends in vain leaves every record where it was."""
    with door(protocol) as peer, bot_at(peer.endpoint, protocol) as bot:
        peer.refuse(Refusal(grpc.StatusCode.UNAVAILABLE, 503))
        trade(bot, range(50))
        assert not bot.flush(0.1)
        assert not bot.flush(0.1)
        peer.refuse(None)
        assert bot.flush(60)
        assert in_order(peer.received, "flashmm.fill", 50)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_close_goes_on_until_its_deadline(protocol: str) -> None:
    """A bot that ends while the door refuses has its records taken when the door opens within the deadline."""
    with door(protocol) as peer:
        received = peer.received
        bot = bot_at(peer.endpoint, protocol, wait_s=30)
        peer.refuse(Refusal(grpc.StatusCode.UNAVAILABLE, 503), times=4)
        trade(bot, range(700))
        received.wait(lambda: received.refused["logs"] >= 1)
        bot.close(60)
        assert in_order(received, "flashmm.fill", 700)
        marks = [body for body in received.bodies("flashmm.stream") if body["mark"] == "close"]
        assert {"flashmm.fill": 700}.items() <= {body["kind"]: body["high_water"] for body in marks}.items()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_close_ends_in_time_at_a_door_that_never_answers(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    """A port that accepts and says nothing holds a bot no longer than the deadline; the loss is told."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        bot = bot_at(f"http://127.0.0.1:{deaf.getsockname()[1]}", protocol)
        trade(bot, range(50))
        begin_s = time.monotonic()
        bot.close(timeout_s=0.5)
        assert time.monotonic() - begin_s < 8
    told = [record.getMessage() for record in caplog.records if record.name == "flashmm_instrumentation"]
    assert any("events" in text and "closed" in text for text in told)


@pytest.mark.parametrize(("protocol", "refusal", "remedy"), NEVER.values(), ids=NEVER)
def test_what_is_refused_for_good_is_counted_and_told_once(
    protocol: str, refusal: Refusal, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch is dropped, what comes after arrives, and one line a signal names the door and the remedy."""
    with door(protocol) as peer, bot_at(peer.endpoint, protocol) as bot:
        received = peer.received
        peer.refuse(refusal, signal="logs")
        trade(bot, range(5))
        received.wait(lambda: received.refused["logs"] >= 3)
        peer.refuse(None)
        bot.transfer("sim", "t-1", 1, "USDT")
        received.wait(lambda: received.events("flashmm.transfer"))
        received.wait(lambda: lost(received).get("refused", 0) > 0)
    assert lost(received).keys() == {"refused"}
    told = [
        record.getMessage()
        for record in caplog.records
        if record.name == "flashmm_instrumentation" and record.getMessage().startswith("events")
    ]
    assert len(told) == 1
    assert peer.endpoint.removeprefix("http://") in told[0]
    assert remedy in told[0]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_partial_refusal_is_final_and_counted(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    """What the door says it rejected isn't sent again; its reason is logged once."""
    with door(protocol) as peer, bot_at(peer.endpoint, protocol) as bot:
        received = peer.received
        rejected = logs_pb.ExportLogsServiceResponse(
            partial_success=logs_pb.ExportLogsPartialSuccess(rejected_log_records=2, error_message="no such bot")
        )
        received.answers["logs"] = rejected
        bot.transfer("sim", "t-1", 1, "USDT")
        received.wait(lambda: received.events("flashmm.transfer"))
        received.answers.clear()
        received.wait(lambda: lost(received).get("refused", 0) >= 2)
    assert len(received.events("flashmm.transfer")) == 1
    assert sum("no such bot" in record.getMessage() for record in caplog.records) >= 1


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_batch_too_large_for_the_door_is_sent_in_parts(protocol: str) -> None:
    """A door with a limit gets smaller requests; a record that is alone too large is dropped and counted."""
    with door(protocol) as peer, bot_at(peer.endpoint, protocol) as bot:
        received = peer.received
        peer.refuse(Refusal(grpc.StatusCode.UNAVAILABLE, 503), signal="logs")
        trade(bot, range(100))
        received.wait(lambda: received.refused["logs"] >= 1)
        peer.limit(6_000)
        received.wait(lambda: len(received.events("flashmm.fill")) == 100)
        logging.getLogger("my.bot").warning("x" * 10_000)
        received.wait(lambda: lost(received).get("refused") == 1)
    assert in_order(received, "flashmm.fill", 100)


def test_only_the_bound_of_the_queue_drops(grpc_peer: GrpcPeer) -> None:
    """Refused for long, a small queue keeps the oldest, counts the others, and the close marks show the gap."""
    received = grpc_peer.received
    with bot_at(grpc_peer.endpoint, "grpc", capacity=100, batch=10) as bot:
        grpc_peer.refuse(Refusal(grpc.StatusCode.UNAVAILABLE))
        for number in range(300):
            bot.transfer("sim", f"t-{number}", 1, "USDT")
        received.wait(lambda: received.refused["logs"] >= 3)
        grpc_peer.refuse(None)
        assert bot.flush(60)
    seqs = [body["seq"] for body in received.bodies("flashmm.transfer")]
    assert seqs == sorted(set(seqs))
    assert lost(received)["queue_full"] == 300 - len(seqs) + other_drops(received)
    marks = {body["kind"]: body["high_water"] for body in received.bodies("flashmm.stream") if "kind" in body}
    assert marks["flashmm.transfer"] == 300


def other_drops(received: Received) -> int:
    """Numbers missing from the other streams."""
    marks = [body for body in received.bodies("flashmm.stream") if body["mark"] == "close"]
    others = {str(body["kind"]): int(str(body["high_water"])) for body in marks}
    return sum(high - len(received.events(kind)) for kind, high in others.items() if kind != "flashmm.transfer")


FORKING = """
import os, sys
from flashmm_instrumentation import setup
bot = setup("maker-1", "main", endpoint=sys.argv[1], protocol=sys.argv[2],
            logging_level=None, instrument_asyncio=False, system_metrics=False)
for number in range(20):
    bot.transfer("sim", f"parent-{number}", 1, "USDT")
sys.stdin.readline()
child = os.fork()
bot.transfer("sim", "parent-20" if child else "child-0", 1, "USDT")
bot.close(30)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_fork_during_an_outage_shares_nothing_out_twice(protocol: str) -> None:
    """What waited stays the parent's and is sent once by it; the child sends its own."""
    with door(protocol) as peer:
        received = peer.received
        peer.refuse(Refusal(grpc.StatusCode.UNAVAILABLE, 503))
        command = [sys.executable, "-c", FORKING, peer.endpoint, protocol]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
            received.wait(lambda: received.refused["logs"] >= 2)
            assert process.stdin is not None
            process.stdin.write("fork\n")
            process.stdin.close()
            before = received.refused["logs"]
            received.wait(lambda: received.refused["logs"] >= before + 6)
            peer.refuse(None)
            assert process.wait(120) == 0
    sent: dict[object, list[object]] = {}
    for resource, record in received.logs():
        if record.event_name == "flashmm.transfer":
            body = attributes(record.body.kvlist_value.values)
            sent.setdefault(resource["flashmm.run"], []).append(body["transfer_id"])
    assert sorted(sent.values()) == [["child-0"], [f"parent-{number}" for number in range(21)]]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_record_that_cannot_be_encoded_is_dropped_alone(protocol: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its neighbours in the batch arrive at once and in order; it is counted, and told once with the reason."""
    with door(protocol) as peer, bot_at(peer.endpoint, protocol) as bot:
        received = peer.received
        peer.refuse(Refusal(grpc.StatusCode.UNAVAILABLE, 503), signal="logs")
        trade(bot, range(50))
        bot._core.streams.emit("flashmm.transfer", bot.now_ns(), {"amount": object()})
        trade(bot, range(50, 100))
        received.wait(lambda: received.refused["logs"] >= 1)
        peer.refuse(None)
        received.wait(lambda: len(received.events("flashmm.fill")) == 100)
        received.wait(lambda: lost(received).get("refused") == 1)
    assert in_order(received, "flashmm.fill", 100)
    told = [record.message for record in caplog.records if "none that OTLP can carry" in record.message]
    assert [each.split()[0] for each in told] == ["events"]
