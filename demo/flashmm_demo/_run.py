"""The demo as a program: telemetry, signals, one session."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from flashmm_demo._schedule import FAR_NS
from flashmm_demo._session import Session, open_venue
from flashmm_demo._settings import DemoError, DemoSettings
from flashmm_demo._timeline import SECOND_NS
from flashmm_demo.feeds import Feed, FeedEnded, Recorder
from flashmm_instrumentation import Bot, setup
from flashmm_instrumentation.semconv import attributes

_STOCK_ENDPOINTS: Final = {"http/protobuf": "http://localhost:4318"}

Tell = Callable[[Mapping[str, Any]], None]
"""Takes what a program has to know of a run: where it sends, at its start, and its books, at its end."""


class CannotSend(DemoError):
    """Telemetry cannot be set up as it was told: it says why itself."""


class NothingToRecordTo(DemoError):
    """A recording was asked for without a file to write."""

    def __str__(self) -> str:
        """Says what is missing."""
        return "name the file to record to with --record PATH"


def _tell_nobody(_: Mapping[str, Any]) -> None:
    pass


async def main(settings: DemoSettings, tell: Tell = _tell_nobody) -> None:
    """Run the demo until its feed ends, its time is up, or SIGINT or SIGTERM comes.

    Orders are cancelled, books written and telemetry closed before it returns.
    Raises DemoError for settings that make no sense.
    """
    logging.getLogger("flashmm_demo").setLevel(logging.INFO)
    with _telemetry(settings) as bot:
        tell(_started(settings) | {"run": bot.run, "endpoint": _endpoint(settings)})
        session = await run_session(settings, bot)
    tell({"event": "ended", **session.trader.document(session.trader.now_ns, final=True)})


def _telemetry(settings: DemoSettings) -> Bot:
    try:
        return setup(
            settings.service_name,
            settings.account,
            endpoint=settings.endpoint,
            environment="demo",
            resource={attributes.DEMO_FEED: settings.market},
            set_global=False,
        )
    except ValueError as error:
        raise CannotSend(str(error)) from None


def _started(settings: DemoSettings) -> dict[str, Any]:
    return {
        "event": "started",
        "bot": settings.service_name,
        "account": settings.account,
        "feed": settings.feed,
        "symbols": settings.symbols,
    }


def _endpoint(settings: DemoSettings) -> str:
    """Where OTLP goes; one that a signal has of its own (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) is not told."""
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    stock = _STOCK_ENDPOINTS.get(protocol, "http://localhost:4317")
    return settings.endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or stock


async def record(settings: DemoSettings, tell: Tell = _tell_nobody) -> int:
    """Write a feed's messages to `settings.record` for `settings.duration_s`, without trading; how many there were.

    The simulated feed unshifted gives the same recording for the same seed.
    Raises DemoError for settings that make no sense, OSError for a file that can't be read or written.
    """
    if settings.record is None:
        raise NothingToRecordTo
    venue = open_venue(settings, time.time_ns)
    tell(_started(settings) | {"record": str(settings.record)})
    async with venue.feed as feed:
        with contextlib.closing(Recorder(settings.record, settings.symbols)) as recorder:
            count = await _copy(feed, recorder, settings.duration_s)
    tell({"event": "ended", "messages": count})
    return count


async def _copy(feed: Feed, recorder: Recorder, duration_s: float | None) -> int:
    end_ns, count = FAR_NS, 0
    with contextlib.suppress(FeedEnded):
        while (message := await feed.next(end_ns)) is not None and message.received_ns < end_ns:
            if not count and duration_s is not None:
                end_ns = message.received_ns + int(duration_s * SECOND_NS)
            recorder.write(message)
            count += 1
    return count


async def run_session(settings: DemoSettings, bot: Bot) -> Session:
    """One session with a bot's telemetry, once it has ended; a signal ends it early."""
    session = Session(settings, bot, open_venue(settings, bot.now_ns))
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, session.stop)
            stack.callback(loop.remove_signal_handler, number)
        await session.run()
    return session
