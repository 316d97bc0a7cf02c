"""`python -m flashmm_demo`: the demo by itself, without the rest of the product."""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flashmm_demo import DemoError, DemoSettings, main, record
from flashmm_demo._run import NothingToRecordTo
from flashmm_demo._session import open_venue


def settings_of(given: dict[str, Any]) -> DemoSettings:
    """The settings for what a command line gave; None stands for the default."""
    told: dict[str, Any] = {name: value for name, value in given.items() if value is not None or name == "speed"}
    if "symbols" in told:
        told["symbols"] = tuple(told["symbols"])
    return replace(DemoSettings(), **told)


def parser() -> argparse.ArgumentParser:
    """What the command line takes; its names are the settings'."""
    default = DemoSettings()
    command = argparse.ArgumentParser(prog="flashmm demo", description="A paper market maker that talks OTLP.")
    command.add_argument("--feed", help="simulated (default), file:PATH or binance")
    command.add_argument("--symbol", dest="symbols", action="append", help="may be repeated; BTCUSDT if not given")
    command.add_argument("--seed", type=int, help="of the simulated market; the same seed, the same market")
    command.add_argument("--speed", type=_speed, default=default.speed, help="times real time, or `max`")
    command.add_argument(
        "--original-times", dest="shift", action="store_false", default=None, help="keep the feed's times"
    )
    command.add_argument("--loop", action="store_true", default=None, help="begin a recording again at its end")
    command.add_argument("--duration", dest="duration_s", type=float, help="seconds of the feed's time")
    command.add_argument(
        "--endpoint", help="OTLP endpoint, such as http://127.0.0.1:4317; `-` reads it from standard input"
    )
    command.add_argument("--record", type=Path, help="write the feed's messages to this file")
    command.add_argument("--record-only", action="store_true", help="record without trading")
    command.add_argument("--books", type=Path, help="write the exact books to this file each second")
    command.add_argument("--arm", dest="arm_s", type=float, help="seconds of a switchback assignment, 0 for none")
    command.add_argument("--loss", dest="loss_probability", type=float, help="share of requests without an answer")
    command.add_argument("--binance-stream-url", help="combined stream of the binance feed")
    command.add_argument("--binance-rest-url", help="where the binance feed asks for snapshots")
    return command


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: give a number above 0, or max")
    return speed


def _print_warnings() -> None:
    """On standard error; what is below goes out by OTLP alone."""
    console = logging.StreamHandler()
    console.setLevel(logging.WARNING)
    logging.basicConfig(handlers=[console], format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _check(settings: DemoSettings, *, recording: bool) -> None:
    """Raises DemoError for what cannot be run."""
    if recording and settings.record is None:
        raise NothingToRecordTo
    open_venue(settings, time.time_ns)


def _refused(error: Exception, code: int) -> int:
    sys.stderr.write(f"flashmm demo: {error}\n")
    return code


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command line: 2 where it is refused, before anything is sent."""
    _print_warnings()
    given = vars(parser().parse_args(arguments))
    program = record if given.pop("record_only") else main
    try:
        _check(settings_of(given), recording=program is record)
    except DemoError as error:
        return _refused(error, 2)
    if given["endpoint"] == "-":
        given["endpoint"] = sys.stdin.readline().strip()
        if not given["endpoint"]:
            return 0  # whoever was to tell it has ended
    try:
        asyncio.run(program(settings_of(given)))
    except (DemoError, OSError) as error:
        return _refused(error, 1)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
