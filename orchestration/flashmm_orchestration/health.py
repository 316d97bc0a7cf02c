"""Health as a state machine, one component at a time, after the OpenTelemetry Collector's component status."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Status(StrEnum):
    """What state a component is in."""

    STARTING = "starting"
    OK = "ok"
    RECOVERABLE_ERROR = "recoverable_error"
    """It failed and is being started again."""
    PERMANENT_ERROR = "permanent_error"
    """It will not come back without a person."""
    STOPPING = "stopping"
    STOPPED = "stopped"


_LEGAL: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {
        Status.STARTING: frozenset(
            {Status.OK, Status.RECOVERABLE_ERROR, Status.PERMANENT_ERROR, Status.STOPPING, Status.STOPPED}
        ),
        Status.OK: frozenset({Status.RECOVERABLE_ERROR, Status.PERMANENT_ERROR, Status.STOPPING}),
        Status.RECOVERABLE_ERROR: frozenset({Status.STARTING, Status.PERMANENT_ERROR, Status.STOPPING}),
        Status.PERMANENT_ERROR: frozenset({Status.STOPPING}),
        Status.STOPPING: frozenset({Status.STOPPED}),
        Status.STOPPED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class Component:
    """One component's state. since_ns: UTC nanoseconds of its last transition; restarts: how often it came back."""

    name: str
    status: Status
    since_ns: int
    detail: str = ""
    restarts: int = 0


@dataclass
class IllegalTransition(Exception):
    """A component was told to enter a state that cannot follow the one it is in."""

    component: str
    before: Status
    after: Status

    def __str__(self) -> str:
        return f"{self.component} cannot go from {self.before} to {self.after}"


class Health:
    """The board that holds every component's state.

    clock: returns UTC nanoseconds.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._components: dict[str, Component] = {}
        self._listeners: list[Callable[[Health], None]] = []

    def on_change(self, listener: Callable[["Health"], None]) -> None:
        """Call the listener after every transition."""
        self._listeners.append(listener)

    def add(self, name: str) -> None:
        """Enter a component, starting."""
        self._components[name] = Component(name, Status.STARTING, self._clock())

    def move(self, name: str, status: Status, detail: str = "") -> None:
        """Move a component to another state. Raises IllegalTransition."""
        before = self._components[name]
        if status is before.status:
            return
        if status not in _LEGAL[before.status]:
            raise IllegalTransition(name, before.status, status)
        again = before.status is Status.RECOVERABLE_ERROR and status is Status.STARTING
        self._components[name] = replace(
            before, status=status, since_ns=self._clock(), detail=detail, restarts=before.restarts + again
        )
        for listener in self._listeners:
            listener(self)

    @property
    def components(self) -> tuple[Component, ...]:
        """All components, in the order in which they were added."""
        return tuple(self._components.values())

    @property
    def ready(self) -> bool:
        """True when every component is OK."""
        return all(component.status is Status.OK for component in self._components.values())
