"""`flashmm up`: the whole product in one process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

import typer

from flashmm_orchestration.cli._help import DEMO, examples
from flashmm_orchestration.cli._options import JsonOption, say, say_json

if TYPE_CHECKING:
    from flashmm_orchestration.demo import DemoCommand, DemoService
    from flashmm_orchestration.embedded import Embedded
    from flashmm_orchestration.health import Health
    from flashmm_orchestration.relay import Relay
    from flashmm_orchestration.settings import Settings
    from flashmm_orchestration.supervisor import Service

_SERVICES: Final = ("receiver", "http")
_FEED, _SPEED = "simulated", "1"
_RELAY_SERVICES: Final = ("followers", "http")
EXAMPLES: Final = examples(
    "flashmm up                         receive from a bot at 127.0.0.1:4317",
    "flashmm up --demo                  with a bot on a simulated market",
    "flashmm up --demo --feed binance   with one on the live public feed",
    "flashmm up --port 0 --json         on a free port, told once it listens",
)

Announce = Callable[[Mapping[str, str]], None]


def up(
    demo: Annotated[
        bool, typer.Option("--demo", help="Run the demo market maker beside it.", rich_help_panel=DEMO)
    ] = False,
    feed: Annotated[
        str, typer.Option(metavar="FEED", help="simulated, file:PATH or binance.", rich_help_panel=DEMO)
    ] = _FEED,
    speed: Annotated[
        str, typer.Option(metavar="X", help="Of the feed: times real time, or max.", rich_help_panel=DEMO)
    ] = _SPEED,
    binance_stream_url: Annotated[
        str, typer.Option(metavar="URL", help="Combined stream of the binance feed.", rich_help_panel=DEMO)
    ] = "",
    binance_rest_url: Annotated[
        str, typer.Option(metavar="URL", help="Where that feed asks for snapshots.", rich_help_panel=DEMO)
    ] = "",
    services: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Only these, separated by commas: receiver, http; with ledgers.urls: followers, http. Default: all.",
        ),
    ] = "",
    data_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the ledger is; default: the settings' data_dir.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Of page and API, 0 for a free one; default: the settings' http.port."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run receiver, ledger, live page and API until Ctrl-C.

    With ledgers.urls set: live page and API over those ledgers, with neither a receiver nor a ledger.
    """
    from flashmm_backends.memory import hold_little

    hold_little()  # before anything starts a thread
    import uvloop

    from flashmm_orchestration._ground import check_ground
    from flashmm_orchestration._open_files import allow_open_files
    from flashmm_orchestration.settings import load

    settings = load(data_dir=data_dir, http=None if port is None else {"port": port})
    wanted = _wanted(services, settings)
    of_the_demo = _demo_options(feed, speed, binance_stream_url, binance_rest_url)
    if of_the_demo and not demo:
        raise typer.BadParameter("only works with --demo", param_hint=", ".join(of_the_demo))
    if demo and settings.ledgers.urls:
        raise typer.BadParameter("there is no receiver here to send to (ledgers.urls)", param_hint="--demo")
    os.umask(0o077)  # the ledger is the user's own: orders, positions, P&L
    check_ground(settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    allow_open_files(settings)
    arguments = (*(word for option in of_the_demo.items() for word in option), "--loop") if demo else ()
    uvloop.run(_run(settings, wanted, arguments, say_json if json else _welcome))


def _demo_options(feed: str, speed: str, stream_url: str, rest_url: str) -> Mapping[str, str]:
    """What was given for the demo, by the names that its own command line has too."""
    urls = {"--binance-stream-url": stream_url, "--binance-rest-url": rest_url}
    given = {"--feed": "" if feed == _FEED else feed, "--speed": "" if speed == _SPEED else speed, **urls}
    return {option: value for option, value in given.items() if value}


def _wanted(services: str, settings: Settings) -> frozenset[str]:
    known = _RELAY_SERVICES if settings.ledgers.urls else _SERVICES
    wanted = frozenset(name.strip() for name in services.split(",")) if services else frozenset(known)
    if unknown := wanted.difference(known):
        names = ", ".join(sorted(unknown))
        raise typer.BadParameter(f"{names!r} is not one of {', '.join(known)}", param_hint="--services")
    return wanted


async def _run(settings: Settings, wanted: frozenset[str], demo: Sequence[str], announce: Announce) -> None:
    task = asyncio.current_task()
    assert task
    with _signals_cancel(task), contextlib.suppress(asyncio.CancelledError):
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(gc.unfreeze)  # what is frozen at the end is never let go, and DuckDB's bindings say so
            command = await stack.enter_async_context(_demo_command(settings, demo)) if demo else None
            from flashmm_orchestration.embedded import Embedded, embedded  # heavy: the demo's process imports too
            from flashmm_orchestration.garbage import full_passes_when_calm
            from flashmm_orchestration.own_metrics import OwnMetrics
            from flashmm_orchestration.relay import relay
            from flashmm_orchestration.supervisor import Supervisor

            product = await stack.enter_async_context((relay if settings.ledgers.urls else embedded)(settings))
            services: list[Service] = [each for each in product.services if each.name in wanted | {OwnMetrics.name}]
            if command and isinstance(product, Embedded):
                services.append(_demo_service(product, command))
            product.health.on_change(_once_ready(product, announce))
            await stack.enter_async_context(full_passes_when_calm())
            await Supervisor(services, product.health).run()


def _demo_command(settings: Settings, arguments: Sequence[str]) -> DemoCommand:
    from flashmm_orchestration.demo import DemoCommand
    from flashmm_orchestration.supervisor import CannotStart

    told = settings.receiver
    if told.tls_certificate:
        raise CannotStart("demo", "it talks plain OTLP: start without --demo, or without receiver.tls_certificate")
    environment = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{quote(told.token)}"} if told.token else {}
    return DemoCommand(arguments, environment)


def _demo_service(product: Embedded, command: DemoCommand) -> DemoService:
    from flashmm_orchestration.demo import DemoService

    async def endpoint() -> str:
        await product.receiver.listening.wait()
        return f"http://{product.addresses()['otlp_grpc']}"

    return DemoService(command, endpoint)


def _once_ready(product: Embedded | Relay, announce: Announce) -> Callable[[Health], None]:
    announced = False

    def changed(health: Health) -> None:
        nonlocal announced
        if health.ready and not announced:
            announced = True
            gc.collect()
            gc.freeze()  # what starting has made stays: a collection that looks at it all stops the loop for 0.1 s
            announce(product.addresses())

    return changed


@contextlib.contextmanager
def _signals_cancel(task: asyncio.Task[object]) -> Generator[None]:
    loop = asyncio.get_running_loop()

    def end() -> None:
        if not task.cancelling():  # a second one would cut short what the first one began
            typer.echo("flashmm: ending; what was received is kept", err=True)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _welcome(addresses: Mapping[str, str]) -> None:
    say(f"\n  live page   {addresses['http']}/")
    if "otlp_grpc" in addresses:
        say(f"  OTLP        {addresses['otlp_grpc']} (gRPC), {addresses['otlp_http']} (HTTP): point your bot here")
    say(f"  API         {addresses['http']}/docs    PromQL in a shell: {sys.argv[0]} query up")
    say("  Ctrl-C ends it; what was received is kept.\n")
