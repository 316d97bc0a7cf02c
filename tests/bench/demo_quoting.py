"""What the demo's quotes earn and lose on each feed: `python -m tests.bench.demo_quoting`.

Whole recordings as fast as they go, on the feed's own times, without an experiment; amounts in basis points of the
notional that was traded. The telemetry goes to a server that throws it away.
"""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import grpc
from tests.bench.demo import Sink

REAL = Path(__file__).parents[3] / "shared" / "data" / "market"
MINUTES = 20
_DEMO = [sys.executable, "-m", "flashmm_demo", "--speed", "max", "--original-times", "--arm", "0"]


@dataclass(frozen=True)
class Row:
    """One run: fills, the notional traded, and what was made of it."""

    fills: int
    notional: Decimal
    trading: Decimal
    """Realized and unrealized, without fees."""
    fees: Decimal
    position: Decimal

    def bp(self, amount: Decimal) -> float:
        """An amount over the notional."""
        return float(amount / self.notional) * 1e4 if self.notional else 0.0


def main() -> None:
    """Print the table."""
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Sink(),))
    endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    print("| feed | fills | notional | spread and inventory, bp | rebates, bp | position at the end |")
    print("|---|---|---|---|---|---|")
    for name, arguments in _feeds():
        row = _measured([*arguments, "--endpoint", endpoint])
        print(
            f"| {name} | {row.fills} | {row.notional:,.0f} | {row.bp(row.trading):+.2f} | {row.bp(row.fees):+.2f}"
            f" | {row.position} |"
        )
    server.stop(None).wait()


def _feeds() -> list[tuple[str, list[str]]]:
    simulated = [
        (f"simulated, seed {seed}, {MINUTES} min", ["--seed", str(seed), "--duration", str(MINUTES * 60)])
        for seed in (11, 12, 13)
    ]
    recorded = [
        (path.name, ["--feed", f"file:{path}", "--symbol", path.name.split("-")[2].upper()])
        for path in sorted(REAL.glob("*usdm*.jsonl.gz"))
    ]
    return simulated + recorded


def _measured(arguments: list[str]) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        books = Path(folder) / "books"
        subprocess.run(
            [*_DEMO, *arguments, "--books", str(books)],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        told = json.loads(books.read_text())
    (symbol,) = told["symbols"].values()
    return Row(
        symbol["fills"],
        Decimal(symbol["notional"]),
        Decimal(told["realized"]) + Decimal(told["unrealized"]),
        Decimal(told["fees"]),
        Decimal(symbol["position"]),
    )


if __name__ == "__main__":
    main()
