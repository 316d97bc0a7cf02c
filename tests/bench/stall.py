"""The loop's longest stall beside senders of what is large or hostile: how long `/livez` takes, asked all the time.

`python -m tests.bench.stall [SECONDS]`; the product is another process, with a load of 2,000 points a second in it
(10,000 while events are read).
"""

import asyncio
import gzip
import http.client
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from tests.bench._load import request as metrics_of
from tests.product import Product, running_product

_PROTOBUF = {"content-type": "application/x-protobuf"}
_JSON = {"content-type": "application/json"}
_GZIP = {**_PROTOBUF, "content-encoding": "gzip"}
_EVENTS = 100_000
_READERS = 20
_READER = {"accept": "application/vnd.apache.arrow.stream"}


def fills(count: int, run: str = "0198f5a0-0000-7000-8000-000000000000") -> ExportLogsServiceRequest:
    """Events as a bot sends them."""
    message = ExportLogsServiceRequest()
    resource = message.resource_logs.add()
    for name, value in (("flashmm.bot", "m"), ("flashmm.account", "a"), ("flashmm.run", run)):
        resource.resource.attributes.add(key=name).value.string_value = value
    records = resource.scope_logs.add().log_records
    now_ns = time.time_ns()
    for number in range(count):
        records.append(_fill(number, now_ns - (count - number) * 1000))
    return message


def _fill(number: int, time_ns: int) -> LogRecord:
    record = LogRecord(event_name="flashmm.fill", time_unix_nano=time_ns)
    record.attributes.add(key="flashmm.seq").value.int_value = number + 1
    body = {"venue": "bench", "symbol": "BTCUSDT", "order_id": f"o{number}", "fill_id": f"f{number}", "side": "buy"}
    body |= {"price": "100.5", "quantity": "0.25", "liquidity": "maker", "fee": "0.01", "fee_currency": "USDT"}
    for name, value in body.items():
        record.body.kvlist_value.values.add(key=name).value.string_value = value
    return record


def bodies() -> dict[str, Callable[[], Sequence[tuple[str, dict[str, str], bytes]]]]:
    """What each kind of sender sends, over and over: path, headers, body."""
    return {
        "large protobuf": lambda: [
            ("/v1/logs", _PROTOBUF, fills(40_000).SerializeToString()),
            ("/v1/logs", _PROTOBUF, _records(100_000)),
            ("/v1/metrics", _PROTOBUF, _points(100_000)),
        ],
        "dense protobuf": lambda: [
            ("/v1/logs", _PROTOBUF, b"\x0a\x84\x80\x08\x12\x80\x80\x08" + b"\x12\x00" * 65_536),
            ("/v1/metrics", _PROTOBUF, _nested()),
            ("/v1/logs", _PROTOBUF, _deep_record()),
        ],
        "large JSON": lambda: [
            ("/v1/logs", _JSON, _json_records(16_000)),
            ("/v1/logs", _JSON, b'{"a":[' + b"[]," * 1_300_000 + b"1]}"),
            ("/v1/logs", _JSON, b'{"a":[' + b"1," * 500_000 + b"1]}"),
        ],
        "gzip bombs": lambda: [
            ("/v1/metrics", _GZIP, gzip.compress(b"\0" * (200 << 20))),
            ("/v1/metrics", _GZIP, gzip.compress(b"") * 500_000),
            ("/v1/metrics", _GZIP, gzip.compress(b"\x0a\x00" * (8 << 20))),
        ],
    }


def _records(count: int) -> bytes:
    message = ExportLogsServiceRequest()
    records = message.resource_logs.add().scope_logs.add().log_records
    for number in range(count):
        records.add(observed_time_unix_nano=time.time_ns()).body.string_value = f"line {number} of what a bot says"
    return message.SerializeToString()


def _points(count: int) -> bytes:
    return metrics_of(0, count, time.time_ns(), 1.0).SerializeToString()[: 16 << 20]


def _nested() -> bytes:
    """A histogram of empty points."""
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="h")
    for _ in range(60_000):
        metric.histogram.data_points.add()
    return message.SerializeToString()


def _deep_record() -> bytes:
    """One record of millions of values."""
    message = ExportLogsServiceRequest()
    body = message.resource_logs.add().scope_logs.add().log_records.add().body
    body.array_value.values.extend([type(body)()] * 4_000_000)
    return message.SerializeToString()


def _json_records(count: int) -> bytes:
    record = {"timeUnixNano": "1", "body": {"stringValue": "x"}}
    return orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record] * count}]}]})


@contextmanager
def repeated(works: Sequence[Callable[[], object]]) -> Generator[list[int]]:
    """Each in a thread of its own, again and again, while the context lasts. Yields how often they were done."""
    stop = threading.Event()
    done = [0] * len(works)

    def run(number: int) -> None:
        while not stop.is_set():
            works[number]()
            done[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def send(address: str, path: str, headers: dict[str, str], body: bytes) -> int:
    """Post it. Returns the status."""
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def read(address: str, path: str) -> int:
    """Get it as an Arrow stream. Returns how many bytes came."""
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request("GET", path, headers=_READER)
        return len(connection.getresponse().read())
    finally:
        connection.close()


async def heartbeat(address: str, seconds: float) -> list[float]:
    """Seconds that each `/livez` took, asked one after the other on one connection with 2 ms between them."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    took: list[float] = []
    end = time.perf_counter() + seconds
    try:
        while (begin := time.perf_counter()) < end:
            writer.write(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            took.append(time.perf_counter() - begin)
            await asyncio.sleep(0.002)
    finally:
        writer.close()
        await writer.wait_closed()
    return took


@contextmanager
def load(product: Product, points_per_s: int) -> Generator[None]:
    """Steady metrics while the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench._load", product.otlp_grpc, str(points_per_s), "3600"]
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def report(name: str, took: list[float], done: Sequence[int]) -> None:
    """One line."""
    low, high, most = np.percentile(np.array(took) * 1e3, [50, 99, 100])
    print(f"{name:<28} p50 {low:6.1f} ms   p99 {high:6.1f} ms   longest {most:6.1f} ms   requests {sum(done)}")


def main(seconds: float = 10.0) -> None:
    """Start the product, then measure beside each kind of sender."""
    with tempfile.TemporaryDirectory() as folder, running_product(Path(folder)) as product:
        address = product.http.removeprefix("http://")
        kinds = bodies()
        with load(product, 2_000):
            report("small load", asyncio.run(heartbeat(address, seconds)), [])
            for name, sent in kinds.items():
                works = [lambda each=each: send(product.otlp_http, *each) for each in sent()]
                with repeated(works) as done:
                    report(f"+ {name}", asyncio.run(heartbeat(address, seconds)), done)
        for number in range(_EVENTS // 20_000):
            send(product.otlp_http, "/v1/logs", _PROTOBUF, fills(20_000, f"run-{number}").SerializeToString())
        works = [lambda: read(address, "/api/events/flashmm.fill?start=0")] * _READERS
        with load(product, 10_000), repeated(works) as done:
            report(f"{_READERS} readers, 10,000 points/s", asyncio.run(heartbeat(address, seconds)), done)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
