"""The boundary between a bot and its telemetry: the bot must survive its telemetry.

::

    Exception
    └── Misuse     the author passed what cannot be (on the hot path; at bind time it is a ValueError at once)
"""

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from flashmm_instrumentation._outages import Outages
from flashmm_instrumentation.semconv.attributes import MisuseReason

logger = logging.getLogger("flashmm_instrumentation")

_ONCE_LIMIT: Final = 1_000


@dataclass
class Misuse(Exception):
    """A call that makes no sense; counted in `flashmm.misuse` by its reason."""

    reason: MisuseReason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}"


class Boundary:
    """Counts and logs once what must not reach the bot; with strict, for tests, raises it.

    on_misuse: told the reason and the number of calls. on_error: told where.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict: Final = strict
        self.on_misuse: Callable[[MisuseReason, int], None] = _ignore
        self.on_error: Callable[[str], None] = _ignore
        self.outages: Final = Outages()
        self._seen: set[tuple[str, str]] = set()
        self._lock = threading.RLock()

    def note(self, reason: MisuseReason, detail: str, calls: int = 1) -> None:
        """Calls that are doubtful but could be carried out."""
        self.on_misuse(reason, calls)
        if self._first(reason, ""):
            logger.warning("%s: %s (logged once, counted in flashmm.misuse)", reason.value, detail)

    def overflowed(self, metric: str) -> None:
        """Say once that a metric has more attribute sets than it may."""
        if self._first("overflow", metric):
            logger.warning("%s: too many attribute sets (logged once, counted in flashmm.metric.overflow)", metric)

    def refused(self, records: str, door: str, why: str, remedy: str) -> None:
        """Say once of each kind of record that a peer refuses it for good, and what to do."""
        if self._first("refused", records):
            logger.error(
                "%s are refused by %s: %s; %s (logged once, counted in flashmm.records.dropped)",
                *(records, door or "the exporter", why, remedy or "see its log"),
            )

    def unsent(self, records: str, count: int) -> None:
        """Say what could not be delivered when the bot was closed, and once of what came later."""
        if self._first("unsent", records):
            logger.warning("%d %s were not delivered when the bot was closed", count, records)

    def caught(self, where: str, error: Exception) -> None:
        """An exception on its way to the bot."""
        if self.strict:
            raise error
        if isinstance(error, Misuse):
            self.note(error.reason, error.detail)
        elif _uncallable(error):
            self.note(MisuseReason.BAD_CALL, str(error))
        elif isinstance(error, ValueError):
            self.note(MisuseReason.BAD_VALUE, f"{where}: {error}")
        else:
            self.on_error(where)
            if self._first("error", where):
                logger.error("telemetry failed in %s (logged once)", where, exc_info=error)

    def restart_in_child(self) -> None:
        """After a fork: another thread may have held the lock."""
        self._lock = threading.RLock()
        self.outages.restart_in_child()

    def _first(self, reason: str, where: str) -> bool:
        with self._lock:
            if (reason, where) in self._seen or len(self._seen) >= _ONCE_LIMIT:
                return False
            self._seen.add((reason, where))
            return True


class SilentBoundary(Boundary):
    """Neither counts nor logs: what it guards is a consequence of what was told already."""

    def _first(self, reason: str, where: str) -> bool:  # noqa: ARG002 as in Boundary
        return False


def _uncallable(error: Exception) -> bool:
    """Whether arguments were too many, too few or of other names: then the call itself was never entered."""
    return isinstance(error, TypeError) and error.__traceback__ is not None and error.__traceback__.tb_next is None


def _ignore(*_what: object, **_named: object) -> None:
    return


class Bounded(Protocol):
    """A handle whose calls stop at a boundary."""

    @property
    def boundary(self) -> Boundary: ...


P = ParamSpec("P")
S = TypeVar("S", bound=Bounded)
T = TypeVar("T")


def survives(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """A method whose failures stay inside: the bot carries on."""
    return _guarded(method, _ignore)


def survives_with(
    instead: Callable[Concatenate[S, ...], T],
) -> Callable[[Callable[Concatenate[S, P], T]], Callable[Concatenate[S, P], T]]:
    """The same for a method that answers. instead: makes the answer to a call that failed, from what was passed."""
    return lambda method: _guarded(method, instead)


def _guarded(
    method: Callable[Concatenate[S, P], T], instead: Callable[Concatenate[S, ...], T]
) -> Callable[Concatenate[S, P], T]:
    @functools.wraps(method)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 the boundary: counts, logs once, raises under test
            self.boundary.caught(method.__qualname__, error)
            return instead(self, *args, **kwargs)

    return guarded
