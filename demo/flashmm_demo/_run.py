"""The demo as a program: telemetry, signals, one session."""

import asyncio
import contextlib
import logging
import signal

from flashmm_demo._session import Session, open_venue
from flashmm_demo._settings import DemoSettings
from flashmm_instrumentation import Bot, setup


async def main(settings: DemoSettings) -> None:
    """Run the demo until its feed ends, its time is up, or SIGINT or SIGTERM comes.

    Orders are cancelled, books written and telemetry closed before it returns.
    Raises DemoError for settings that make no sense, OSError for a recording that can't be read.
    """
    logging.getLogger("flashmm_demo").setLevel(logging.INFO)
    with setup(
        settings.service_name, settings.account, endpoint=settings.endpoint, environment="demo", set_global=False
    ) as bot:
        await run_session(settings, bot)


async def run_session(settings: DemoSettings, bot: Bot) -> None:
    """One session with a bot's telemetry; ends early on a signal."""
    session = Session(settings, bot, open_venue(settings, bot.now_ns))
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, session.stop)
            stack.callback(loop.remove_signal_handler, number)
        await session.run()
