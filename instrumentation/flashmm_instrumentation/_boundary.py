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

logger = logging.getLogger("flashmm_instrumentation")

_ONCE_LIMIT: Final = 1_000


@dataclass
class Misuse(Exception):
    """A call that makes no sense. reason: a word of a bounded set, the attribute of `flashmm.misuse`."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class Boundary:
    """Counts and logs once what must not reach the bot; with strict, for tests, raises it.

    on_misuse, on_error: called with the reason each time.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict: Final = strict
        self.on_misuse: Callable[[str], None] = _ignore
        self.on_error: Callable[[str], None] = _ignore
        self._seen: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def note(self, reason: str, detail: str) -> None:
        """A call that is doubtful but could be carried out."""
        self.on_misuse(reason)
        if self._first(reason, ""):
            logger.warning("%s: %s (logged once, counted in flashmm.misuse)", reason, detail)

    def caught(self, where: str, error: Exception) -> None:
        """An exception on its way to the bot."""
        if self.strict:
            raise error
        if isinstance(error, Misuse):
            self.note(error.reason, error.detail)
        elif isinstance(error, ValueError):
            self.note("bad_value", f"{where}: {error}")
        else:
            self.on_error(where)
            if self._first("error", where):
                logger.error("telemetry failed in %s (logged once)", where, exc_info=error)

    def _first(self, reason: str, where: str) -> bool:
        with self._lock:
            if (reason, where) in self._seen or len(self._seen) >= _ONCE_LIMIT:
                return False
            self._seen.add((reason, where))
            return True


def _ignore(_reason: str) -> None:
    return


class Bounded(Protocol):
    """A handle whose calls stop at a boundary."""

    @property
    def boundary(self) -> Boundary: ...


P = ParamSpec("P")
S = TypeVar("S", bound=Bounded)


def survives(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """A method whose failures stay inside: the bot carries on."""

    @functools.wraps(method)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 the boundary: counts, logs once, raises under test
            self.boundary.caught(method.__qualname__, error)

    return guarded
