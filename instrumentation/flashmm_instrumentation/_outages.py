"""Outages: a door that takes nothing, said once when it begins and once when it is over."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from flashmm_instrumentation._answers import Answer, Verdict
from flashmm_instrumentation._mistakes import told

logger = logging.getLogger("flashmm_instrumentation")

_QUIET_S: Final = 60.0


@dataclass
class _Outage:
    since_s: float
    signals: set[str] = field(default_factory=set[str])
    dropped: int = 0
    said: bool = False


class Outages:
    """What the doors of one bot answered. One that comes and goes is spoken of once a minute.

    waiting: the records that are queued.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.waiting: Callable[[], int] = int
        self._now_s = now_s
        self._open: dict[str, _Outage] = {}
        self._said_s: dict[object, float] = {}
        self._lock = threading.RLock()

    @property
    def any(self) -> bool:
        """Whether there is one now."""
        return bool(self._open)

    def heard(self, signal: str, answer: Answer) -> None:
        """A door's answer to what it was offered of a signal."""
        if answer.failed:
            self._begin(signal, urlsplit(answer.door).netloc or answer.door or "the exporter", answer.why)
        elif answer.verdict is not Verdict.SMALLER:  # of which the parts tell
            self._end(signal)

    def dropped(self, records: int) -> None:
        """So many could not be kept."""
        with self._lock:
            for outage in self._open.values():
                outage.dropped += records

    def once(self, what: object) -> bool:
        """Whether it is to be said: once a minute."""
        with self._lock:
            now_s = self._now_s()
            if now_s < self._said_s.get(what, -_QUIET_S) + _QUIET_S:
                return False
            self._said_s[what] = now_s
            return True

    def restart_in_child(self) -> None:
        """After a fork: another thread may have held the lock, and connections are new."""
        self._lock = threading.RLock()
        self._open.clear()

    def _begin(self, signal: str, door: str, why: str) -> None:
        with self._lock:
            outage = self._open.setdefault(door, _Outage(self._now_s()))
            outage.signals.add(signal)
            say = not outage.said and self.once(door)
            outage.said = outage.said or say
        if say:
            logger.warning(
                "%s takes no telemetry: %s; records wait, and the next line tells when it is over", door, told(why)
            )

    def _end(self, signal: str) -> None:
        with self._lock:
            over = [door for door, outage in self._open.items() if signal in outage.signals]
            ended = [(door, self._open.pop(door)) for door in over]
        for door, outage in ended:
            if outage.said:
                logger.warning(
                    "%s answers again after %.1f s: %d records wait to be sent, %d were dropped meanwhile",
                    *(door, self._now_s() - outage.since_s, self.waiting(), outage.dropped),
                )
