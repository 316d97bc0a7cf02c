"""The product is killed while a market maker trades, and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tests.parts import free_ports
from tests.product import Product, running_product

from flashmm_instrumentation.semconv import EVENT_KINDS, events


def fills(product: Product, column: str = "fill_id") -> list[str]:
    """The fills that the ledger has."""
    parameters = {"start": "1h", "limit": "10000"}
    answer = httpx.get(f"{product.http}/api/events/{events.FILL.name}", params=parameters, timeout=30)
    return answer.raise_for_status().json()["columns"][column]


def wait_for_a_fill(product: Product, after_ns: int = 0, deadline_s: float = 120) -> None:
    """Ask until there is one of a later time."""
    end = time.monotonic() + deadline_s
    while not any(int(time_ns) > after_ns for time_ns in fills(product, "time_ns")[-1:]):
        assert time.monotonic() < end, "no fill came"


def test_a_killed_product_misses_no_event_of_a_bot_that_went_on(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The bot delivers again what was not acknowledged; nothing is lost, nothing doubled."""
    ports = free_ports("grpc", "http")
    same = {
        "FLASHMM_RECEIVER__GRPC_BIND": f"127.0.0.1:{ports['grpc']}",
        "FLASHMM_RECEIVER__HTTP_BIND": f"127.0.0.1:{ports['http']}",
    }
    books = tmp_path / "books.json"
    command = [sys.executable, "-m", "flashmm_demo", "--endpoint", f"http://127.0.0.1:{ports['grpc']}"]
    command += ["--books", str(books), "--arm", "0", "--seed", "5"]
    with running_product(tmp_path / "data", **same) as product:
        demo = subprocess.Popen(command, env=os.environ)
        request.addfinalizer(demo.kill)
        wait_for_a_fill(product)
        product.process.kill()
        product.process.wait()
    with running_product(tmp_path / "data", **same) as product:
        wait_for_a_fill(product, time.time_ns())
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(120) == 0
        expected = [json.loads(line)["fill_id"] for line in (tmp_path / "books.json.fills").read_text().splitlines()]
        assert fills(product) == expected
        for kind in EVENT_KINDS:
            answer = httpx.get(f"{product.http}/api/events/{kind}", params={"start": "1h"}, timeout=30).json()
            assert answer["completeness"]["ratio"] == 1.0, kind
