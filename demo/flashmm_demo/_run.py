"""The demo as a program: telemetry, signals, one session."""

import asyncio
import contextlib
import logging
import signal
import time

from flashmm_demo._schedule import FAR_NS
from flashmm_demo._session import Session, open_venue
from flashmm_demo._settings import DemoError, DemoSettings
from flashmm_demo._timeline import SECOND_NS
from flashmm_demo.feeds import Feed, FeedEnded, Recorder
from flashmm_instrumentation import Bot, setup
from flashmm_instrumentation.semconv import attributes


class NothingToRecordTo(DemoError):
    """A recording was asked for without a file to write."""

    def __str__(self) -> str:
        """Says what is missing."""
        return "name the file to record to with --record PATH"


async def main(settings: DemoSettings) -> None:
    """Run the demo until its feed ends, its time is up, or SIGINT or SIGTERM comes.

    Orders are cancelled, books written and telemetry closed before it returns.
    Raises DemoError for settings that make no sense.
    """
    logging.getLogger("flashmm_demo").setLevel(logging.INFO)
    with setup(
        settings.service_name,
        settings.account,
        endpoint=settings.endpoint,
        environment="demo",
        resource={attributes.DEMO_FEED: settings.market},
        set_global=False,
    ) as bot:
        await run_session(settings, bot)


async def record(settings: DemoSettings) -> int:
    """Write a feed's messages to `settings.record` for `settings.duration_s`, without trading; how many there were.

    The simulated feed unshifted gives the same recording for the same seed.
    Raises DemoError for settings that make no sense, OSError for a file that can't be read or written.
    """
    if settings.record is None:
        raise NothingToRecordTo
    venue = open_venue(settings, time.time_ns)
    async with venue.feed as feed:
        with contextlib.closing(Recorder(settings.record, settings.symbols)) as recorder:
            return await _copy(feed, recorder, settings.duration_s)


async def _copy(feed: Feed, recorder: Recorder, duration_s: float | None) -> int:
    end_ns, count = FAR_NS, 0
    with contextlib.suppress(FeedEnded):
        while (message := await feed.next(end_ns)) is not None and message.received_ns < end_ns:
            if not count and duration_s is not None:
                end_ns = message.received_ns + int(duration_s * SECOND_NS)
            recorder.write(message)
            count += 1
    return count


async def run_session(settings: DemoSettings, bot: Bot) -> None:
    """One session with a bot's telemetry; ends early on a signal."""
    session = Session(settings, bot, open_venue(settings, bot.now_ns))
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, session.stop)
            stack.callback(loop.remove_signal_handler, number)
        await session.run()
