"""`python -m flashmm_demo`: the demo by itself, without the rest of the product."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flashmm_demo import DemoError, DemoSettings, main


def settings_of(arguments: Sequence[str]) -> DemoSettings:
    """The settings that a command line asks for; leaves the process with a usage message when it makes no sense."""
    given: dict[str, Any] = vars(_parser().parse_args(arguments))
    told: dict[str, Any] = {name: value for name, value in given.items() if value is not None or name == "speed"}
    if "symbols" in told:
        told["symbols"] = tuple(told["symbols"])
    return replace(DemoSettings(), **told)


def _parser() -> argparse.ArgumentParser:
    default = DemoSettings()
    parser = argparse.ArgumentParser(prog="flashmm_demo", description="A paper market maker that talks OTLP.")
    parser.add_argument("--feed", help="simulated (default), file:PATH or binance")
    parser.add_argument("--symbol", dest="symbols", action="append", help="may be repeated; BTCUSDT if not given")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--speed", type=_speed, default=default.speed, help="times real time, or `max`")
    parser.add_argument(
        "--original-times", dest="shift", action="store_false", default=None, help="keep the feed's times"
    )
    parser.add_argument("--loop", action="store_true", default=None, help="begin a recording again at its end")
    parser.add_argument("--duration", dest="duration_s", type=float, help="seconds of the feed's time")
    parser.add_argument("--endpoint", help="OTLP endpoint, such as http://127.0.0.1:4317")
    parser.add_argument("--record", type=Path, help="write the feed's messages to this file")
    parser.add_argument("--books", type=Path, help="write the exact books to this file each second")
    parser.add_argument("--arm", dest="arm_s", type=float, help="seconds of a switchback assignment, 0 for none")
    parser.add_argument("--binance-stream-url", help="combined stream of the binance feed")
    parser.add_argument("--binance-rest-url", help="where the binance feed asks for snapshots")
    return parser


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    speed = float(text)
    if not speed > 0:
        raise argparse.ArgumentTypeError(f"not a speed: {text}")
    return speed


def _run() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = settings_of(sys.argv[1:])
    try:
        asyncio.run(main(settings))
    except (DemoError, OSError) as error:
        sys.stderr.write(f"flashmm demo: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_run())
