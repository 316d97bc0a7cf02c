"""`python -m flashmm_demo`: the demo by itself, without the rest of the product."""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from flashmm_demo import DemoError, DemoSettings, main, record
from flashmm_demo._run import CannotSend, NothingToRecordTo
from flashmm_demo._session import open_venue

_Add = Callable[..., object]
_ORDERS: Final = "flashmm_demo._slot"
_EXAMPLES: Final = """examples:
  flashmm demo                                   send to `flashmm up` on this machine
  flashmm demo --endpoint http://10.0.0.5:4317   send elsewhere
  flashmm demo --duration 60 --json              a minute, and its books as JSON
  flashmm demo --feed binance --record day.gz    on the live market, and keep that
  flashmm demo --feed file:day.gz --loop         play it again, for ever"""


def settings_of(given: dict[str, Any]) -> DemoSettings:
    """The settings for what a command line gave; None stands for the default."""
    told: dict[str, Any] = {name: value for name, value in given.items() if value is not None or name == "speed"}
    if "symbols" in told:
        told["symbols"] = tuple(told["symbols"])
    return replace(DemoSettings(), **told)


def parser() -> argparse.ArgumentParser:
    """What the command line takes; its names are the settings'."""
    command = argparse.ArgumentParser(
        prog="flashmm demo",
        description="A paper market maker that talks OTLP.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _market(command.add_argument_group("the market").add_argument)
    _trading(command.add_argument_group("the market maker").add_argument)
    _output(command.add_argument_group("what comes out").add_argument)
    return command


def _market(add: _Add) -> None:
    default = DemoSettings()
    add("--feed", metavar="FEED", help="simulated (default), file:PATH (a recording) or binance (live)")
    add("--symbol", dest="symbols", action="append", metavar="NAME", help="may be repeated; default: BTCUSDT")
    add("--seed", type=int, metavar="N", help="the simulated market's; the same, the same market; default: 7")
    add("--speed", type=_speed, default=default.speed, metavar="X", help="times real time, or max; default: 1")
    add("--original-times", dest="shift", action="store_false", default=None, help="keep the feed's times")
    add("--loop", action="store_true", default=None, help="begin a recording again at its end")
    add("--duration", dest="duration_s", type=float, metavar="S", help="seconds of the feed's time; default: no end")
    add("--binance-stream-url", metavar="URL", help="combined stream of the binance feed")
    add("--binance-rest-url", metavar="URL", help="where the binance feed asks for snapshots")


def _trading(add: _Add) -> None:
    add("--arm", dest="arm_s", type=float, metavar="S", help="seconds of an experiment's arm, 0: none; default: 30")
    add("--loss", dest="loss_probability", type=float, metavar="P", help="share of lost requests; default: 0.01")


def _output(add: _Add) -> None:
    add("--endpoint", metavar="URL", help="OTLP's; `-` reads it from standard input; default: http://localhost:4317")
    add("--books", type=Path, metavar="FILE", help="write the exact books there each second")
    add("--record", type=Path, metavar="FILE", help="write the feed's messages there, gzipped where it ends in .gz")
    add("--record-only", action="store_true", help="record without trading")
    add("--json", action="store_true", help="print a line of JSON at the start and one with the books at the end")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid speed: give a number above 0, or max")
    return speed


def _print_warnings() -> None:
    """On standard error; what is below, and what befalls single orders, goes out by OTLP alone."""
    console = logging.StreamHandler()
    console.setLevel(logging.WARNING)
    console.addFilter(lambda record: record.name != _ORDERS)
    logging.basicConfig(handlers=[console], format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _print_json(value: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _print_line(value: Mapping[str, Any]) -> None:
    """Where it sends and how to end it; then that it has ended."""
    if value["event"] == "ended":
        line = "the demo has ended"
    elif "record" in value:
        line = f"recording {value['feed']} to {value['record']}; Ctrl-C ends it"
    else:
        line = f"{value['bot']} trades on {value['feed']} and sends to {value['endpoint']}; Ctrl-C ends it"
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _print_nothing(_: Mapping[str, Any]) -> None:
    """Whoever tells the endpoint by standard input has a console of its own."""


def _teller(given: dict[str, Any]) -> Callable[[Mapping[str, Any]], None]:
    if given.pop("json"):
        return _print_json
    return _print_nothing if given["endpoint"] == "-" else _print_line


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
    tell = _teller(given)
    try:
        _check(settings_of(given), recording=program is record)
    except DemoError as error:
        return _refused(error, 2)
    if given["endpoint"] == "-":
        given["endpoint"] = sys.stdin.readline().strip()
        if not given["endpoint"]:
            return 0  # whoever was to tell it has ended
    try:
        asyncio.run(program(settings_of(given), tell))
    except CannotSend as error:
        return _refused(error, 2)
    except (DemoError, OSError) as error:
        return _refused(error, 1)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
