"""CPU of the demo with its telemetry, as a process of its own: `python -m tests.bench.demo [RECORDING]`.

Sends to a gRPC server in this process that throws everything away. A core is 100 %.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc

WALL_S = 20.0
REAL = Path(__file__).parents[3] / "shared" / "data" / "market" / "binance-usdm-btcusdt-20240808.jsonl.gz"
SIMULATED = Path(__file__).parents[1] / "integration" / "demo" / "data" / "simulated-btcusdt-7.jsonl.gz"


class Sink(grpc.GenericRpcHandler):
    """Answers every call with an empty message, which is a success in OTLP."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        del handler_call_details
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")


@dataclass(frozen=True)
class Row:
    """One run."""

    feed: str
    speed: float
    cpu_percent: float
    feed_s: float
    orders: int
    fills: int


def main() -> None:
    """Print the table."""
    recording = Path(sys.argv[1]) if len(sys.argv) > 1 else REAL if REAL.exists() else SIMULATED
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Sink(),))
    endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    print("| feed | speed | CPU of a core | acknowledged orders | fills | wall s |")
    print("|---|---|---|---|---|---|")
    for feed, speed in (
        ("simulated", 1.0),
        ("simulated", 10.0),
        (f"file:{recording}", 1.0),
        (f"file:{recording}", 10.0),
    ):
        row = _measured(feed, speed, endpoint)
        name = "simulated" if feed == "simulated" else recording.name
        print(f"| {name} | {speed:g}× | {row.cpu_percent:.0f} % | {row.orders} | {row.fills} | {row.feed_s:.1f} |")
    server.stop(None).wait()


def _measured(feed: str, speed: float, endpoint: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        books = Path(folder) / "books"
        arguments = ["--feed", feed, "--speed", str(speed), "--duration", str(WALL_S), "--endpoint", endpoint]
        before, began_s = _children_cpu_s(), time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "flashmm_demo", *arguments, "--books", str(books), "--arm", "0"],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        wall_s, cpu_s = time.monotonic() - began_s, _children_cpu_s() - before
        told = json.loads(books.read_text())
    fills = sum(symbol["fills"] for symbol in told["symbols"].values())
    return Row(feed, speed, 100 * cpu_s / wall_s, wall_s, told["orders"].get("acked", 0), fills)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
