"""Where the parts of a bot's telemetry are put together, and put together again after a fork."""

import atexit
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

from opentelemetry.sdk.trace.id_generator import IdGenerator

from flashmm_instrumentation._bot import Bot
from flashmm_instrumentation._boundary import Boundary, logger
from flashmm_instrumentation._clock import AnchoredClock, Clock
from flashmm_instrumentation._core import Core
from flashmm_instrumentation._exporters import Exporters
from flashmm_instrumentation._extras import Extras
from flashmm_instrumentation._flow import Flow, flow_from_environment
from flashmm_instrumentation._identity import Identity
from flashmm_instrumentation._ids import uuid7
from flashmm_instrumentation._pipeline import Pipeline
from flashmm_instrumentation._runfile import exchange_run
from flashmm_instrumentation._streams import EventStreams


@dataclass(frozen=True, slots=True)
class Parts:
    """What the surroundings provide; tests pass their own. strict: failures in telemetry are raised."""

    make_exporters: Callable[[], Exporters]
    clock: Clock = field(default_factory=AnchoredClock)
    random: Random = field(default_factory=SystemRandom)
    flow: Flow = field(default_factory=flow_from_environment)
    ids: IdGenerator | None = None
    strict: bool = False


def assemble(identity: Identity, parts: Parts, extras: Extras, state_dir: Path | None) -> Bot:
    """A running bot handle. It is closed at the interpreter's exit, and begins anew in a forked child."""
    boundary = Boundary(strict=parts.strict)
    run = uuid7(parts.clock.now_ns(), parts.random)
    pipeline = Pipeline(identity.resource(run), parts.make_exporters, boundary, parts.flow, parts.ids)
    streams = EventStreams(pipeline.events.offer)
    core = Core(parts.clock, boundary, pipeline.tracer, streams, pipeline.instruments)
    extras.attach(pipeline)
    previous = _previous_run(state_dir, identity, run)
    bot = Bot(core, pipeline, run, previous, on_close=extras.detach, ticking=parts.flow.threaded)
    bot.at_fork = partial(_begin_anew, bot, pipeline, identity, parts, extras)
    _at_exit_and_fork(weakref.ref(bot))
    return bot


def _previous_run(state_dir: Path | None, identity: Identity, run: str) -> str | None:
    if state_dir is None:
        return None
    try:
        return exchange_run(state_dir, identity.account, identity.bot, run)
    except OSError as error:
        logger.warning("the previous run's id is not known: %s", error)
        return None


def _begin_anew(bot: Bot, pipeline: Pipeline, identity: Identity, parts: Parts, extras: Extras) -> None:
    run = uuid7(parts.clock.now_ns(), parts.random)
    pipeline.restart_in_child(identity.resource(run, forked=True))
    extras.attach_meters(pipeline)
    bot.restart_in_child(run)


def _at_exit_and_fork(watched: weakref.ref[Bot]) -> None:
    # Neither hook can be taken back, so they hold the bot weakly.
    def close() -> None:
        if (bot := watched()) is not None:
            bot.close()

    def begin_anew() -> None:
        if (bot := watched()) is not None and not bot.closed:
            bot.at_fork()

    atexit.register(close)
    os.register_at_fork(after_in_child=begin_anew)
