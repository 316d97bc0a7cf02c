"""The health board."""

import pytest

from flashmm_orchestration.health import Health, IllegalTransition, Status


def board() -> Health:
    ticks = iter(range(1, 1000))
    health = Health(lambda: next(ticks))
    health.add("receiver")
    return health


def test_a_component_begins_starting_and_the_board_is_not_ready() -> None:
    """Nothing is ready before it says so."""
    health = board()
    assert health.components[0].status is Status.STARTING
    assert not health.ready


def test_ready_means_every_component_is_ok() -> None:
    """One component that is down makes the whole not ready."""
    health = board()
    health.add("http")
    health.move("receiver", Status.OK)
    assert not health.ready
    health.move("http", Status.OK)
    assert health.ready


def test_a_restart_is_counted_and_the_reason_kept_until_then() -> None:
    """The board says how often a component came back, and why it is down."""
    health = board()
    health.move("receiver", Status.OK)
    health.move("receiver", Status.RECOVERABLE_ERROR, "port lost")
    assert health.components[0].detail == "port lost"
    health.move("receiver", Status.STARTING)
    health.move("receiver", Status.OK)
    assert (health.components[0].restarts, health.components[0].detail) == (1, "")


def test_the_same_state_again_changes_nothing() -> None:
    """The time of the last transition stays."""
    health = board()
    health.move("receiver", Status.OK)
    since = health.components[0].since_ns
    health.move("receiver", Status.OK)
    assert health.components[0].since_ns == since


@pytest.mark.parametrize(
    ("path", "illegal"),
    [
        ((Status.OK,), Status.STARTING),
        ((Status.OK, Status.STOPPING, Status.STOPPED), Status.OK),
        ((Status.PERMANENT_ERROR,), Status.OK),
        ((Status.RECOVERABLE_ERROR,), Status.OK),
    ],
)
def test_illegal_transitions_are_refused(path: tuple[Status, ...], illegal: Status) -> None:
    """A component cannot jump: the error names it and both states."""
    health = board()
    for status in path:
        health.move("receiver", status)
    with pytest.raises(IllegalTransition, match=f"receiver cannot go from {path[-1]} to {illegal}"):
        health.move("receiver", illegal)
