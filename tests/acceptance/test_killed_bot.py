"""A bot is killed while it trades: what it emitted last is unknown, and every completeness of that time says so."""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.product import Product, running_product

from flashmm_instrumentation.semconv import events

BOT = """
import sys, time
from pathlib import Path
from flashmm_instrumentation import setup

bot = setup("maker-1", "main", endpoint=sys.argv[1], system_metrics=False, state_dir=Path(sys.argv[2]))
bot.market("v", "S", tick="0.1", lot="0.001", base="B", quote="Q")
print("trading", flush=True)
sys.stdin.read()
bot.close()
"""


@contextmanager
def running_bot(product: Product, state: Path) -> Generator[subprocess.Popen[bytes]]:
    """A bot that ends well when its input does."""
    command = [sys.executable, "-c", BOT, f"http://{product.otlp_grpc}", str(state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bot:
        try:
            assert bot.stdout
            assert bot.stdout.readline() == b"trading\n"
            yield bot
        finally:
            bot.kill()


def completeness(product: Product) -> dict[str, float]:
    """Of the marks themselves."""
    address = f"{product.http}/api/events/{events.STREAM.name}"
    answer = httpx.get(address, params={"start": "1h", "rows": "false"}, timeout=30)
    return answer.raise_for_status().json()["completeness"]


def wait_for(product: Product, received: int, unclosed: int, deadline_s: float = 60) -> None:
    """Ask until so many marks have come, and so many runs are known to have ended without a word."""
    end = time.monotonic() + deadline_s
    while (told := completeness(product))["received"] < received or told["unclosed_runs"] != unclosed:
        assert time.monotonic() < end, told


def test_a_killed_bot_is_told_with_every_completeness(tmp_path: Path) -> None:
    """Once its next run names it; a run that closes is not told, nor is one that still trades."""
    with running_product(tmp_path / "data") as product:
        with running_bot(product, tmp_path) as bot:
            wait_for(product, 1, 0)
            bot.kill()
            bot.wait()
        with running_bot(product, tmp_path) as bot:
            wait_for(product, 2, 1)
            bot.communicate()
            assert bot.returncode == 0
        with running_bot(product, tmp_path):
            wait_for(product, 5, 1)
