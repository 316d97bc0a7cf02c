"""Stream servers apart from ledgers: processes of their own, over two ledgers behind tokens, one of them killed."""

import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.test_events_port import KIND, deliver
from tests.integration.stack.queries import eventually
from tests.parts import free_ports
from tests.product import BIN, Product, running_product
from tests.waiting import until

from flashmm_streaming.testing import StreamClient, connected

_TOKEN = "a-token-of-the-ledgers"
_AUTHORIZATION = {"authorization": f"Bearer {_TOKEN}"}


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Two `flashmm up`, on the same ports and data each time."""

    stack: ExitStack
    folder: Path
    ports: dict[str, dict[str, int]]

    def start(self, name: str) -> Product:
        told = self.ports[name]
        return self.stack.enter_context(
            running_product(
                self.folder / name,
                FLASHMM_HTTP__TOKEN=_TOKEN,
                FLASHMM_HTTP__PORT=str(told["http"]),
                FLASHMM_RECEIVER__HTTP_BIND=f"127.0.0.1:{told['otlp']}",
            )
        )

    @property
    def urls(self) -> str:
        return ",".join(f"http://127.0.0.1:{told['http']}" for told in self.ports.values())


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Ledgers]:
    with ExitStack() as stack:
        yield Ledgers(stack, tmp_path, {name: free_ports("http", "otlp") for name in "ab"})


@contextmanager
def relay(ledgers: Ledgers, **environment: str) -> Generator[Product]:
    """One stream server over them."""
    settings = {
        "FLASHMM_LEDGERS__URLS": ledgers.urls,
        "FLASHMM_LEDGERS__TOKEN": _TOKEN,
        "FLASHMM_METRICS__KIND": "prometheus",
        "FLASHMM_METRICS__URL": ledgers.urls.partition(",")[0],
        "FLASHMM_METRICS__TOKEN": _TOKEN,
        **environment,
    }
    with running_product(ledgers.folder / "none", **settings) as product:
        yield product


def asked(product: Product, path: str) -> Any:
    return httpx.get(product.http + path, timeout=30).json()


def answered(product: Product, path: str) -> tuple[int, str]:
    """Status and text."""
    answer = httpx.get(product.http + path, timeout=30)
    return answer.status_code, answer.text


def followed(product: Product) -> list[bool]:
    return [each["followed"] for each in asked(product, "/health")["ledgers"]]


async def received(client: StreamClient, count: int) -> None:
    """Wait for a bot's completeness of so many events."""
    while not any(item["received"] >= count for item in client.items.get("completeness", ())):
        await client.hear()


async def test_two_stream_servers_show_all_bots(ledgers: Ledgers) -> None:
    """Live values of both ledgers reach clients of both servers; events and metrics are asked of all."""
    first, second = ledgers.start("a"), ledgers.start("b")
    with relay(ledgers) as one, relay(ledgers) as other:
        for product in (one, other):
            async with connected(int(product.http.rpartition(":")[2])) as client:
                await client.subscribe(["completeness"])
                seqs = range(1, 11) if product is one else range(11, 21)
                for seq in seqs:
                    deliver(first if seq % 2 else second, seq)
                await received(client, 5)
            found = asked(product, f"/api/events/{KIND}?start=0&limit=3")
            assert found["columns"]["seq"] == [1, 2, 3]
            assert found["completeness"]["received"] == len(
                asked(product, f"/api/events/{KIND}?start=0")["columns"]["seq"]
            )
        assert asked(one, "/api/v1/query?query=vector(7)")["data"]["result"][0]["value"][1] == "7"
        assert followed(one) == followed(other) == [True, True]
    assert not (ledgers.folder / "none").exists()


async def test_a_killed_ledger_is_named_and_taken_up_again(ledgers: Ledgers) -> None:
    """The server stays up for the other's bots, says which is away, answers no part for the whole, tells the gap."""
    first, second = ledgers.start("a"), ledgers.start("b")
    with relay(ledgers) as server:
        async with connected(int(server.http.rpartition(":")[2])) as client:
            await client.subscribe(["completeness"])
            deliver(second, 1)
            await received(client, 1)
            os.killpg(second.process.pid, signal.SIGKILL)
            await until(lambda: followed(server) == [True, False])
            assert answered(server, "/readyz")[0] == 200
            status, text = answered(server, f"/api/events/{KIND}?start=0")
            assert (status, second.http in text) == (503, True)
            deliver(first, 2)
            await received(client, 1)
            again = ledgers.start("b")
            await until(lambda: followed(server) == [True, True])
            deliver(again, 3)
            await client.hear_until("gap")


def test_a_wrong_token_is_told_apart_from_a_wrong_address(ledgers: Ledgers) -> None:
    """`/health` and the answers say which ledger, and what to change."""
    ledgers.start("a")
    with relay(ledgers, FLASHMM_LEDGERS__TOKEN="another") as server:
        wrong, away = eventually(lambda: _both_tried(server))
        assert "HTTP 401" in wrong["detail"]
        assert "Connect call failed" in away["detail"] or "refused" in away["detail"].lower()
        status, text = answered(server, f"/api/events/{KIND}")
        assert (status, "FLASHMM_LEDGERS__" in text) == (503, True)
        shown = {name: told_by(name, server) for name in ("status", "doctor")}
        assert all(
            f"{each['url']}" in text and each["detail"] in text for text in shown.values() for each in (wrong, away)
        )
        assert "ledgers.token" in shown["doctor"]


def _both_tried(server: Product) -> list[dict[str, str]]:
    """What is told of each ledger, once both have been asked."""
    ledgers = asked(server, "/health")["ledgers"]
    return ledgers if all(each["detail"] != "not asked yet" for each in ledgers) else []


def told_by(command: str, server: Product) -> str:
    """What a command says of it."""
    done = subprocess.run(
        [BIN / "flashmm", command, "--url", server.http], capture_output=True, text=True, timeout=60
    )
    return done.stdout
