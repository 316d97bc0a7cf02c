"""When messages are due, and how they are stamped."""

import asyncio
import time

from flashmm_demo._schedule import FAR_NS, Schedule
from flashmm_demo._timeline import Timeline


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def test_shifted_to_now_the_first_message_is_due_at_once_and_the_others_at_their_distance() -> None:
    """At four times the speed a distance of 1 s is 250 ms."""
    timeline = Timeline(4.0, shift=True, clock=HandClock(10**18))
    assert timeline.due(5_000_000_000) == 10**18
    assert timeline.due(6_000_000_000) == 10**18 + 250_000_000


def test_shifted_stamps_are_the_time_of_delivery_and_never_go_back() -> None:
    """Even when the wall clock does."""
    clock = HandClock(10**18)
    timeline = Timeline(1.0, shift=True, clock=clock)
    due_ns = timeline.due(0)
    clock.now_ns += 7
    assert timeline.stamp(due_ns) == 10**18 + 7
    clock.now_ns -= 100
    assert timeline.stamp(due_ns) == 10**18 + 7


def test_unshifted_stamps_are_the_feeds_own() -> None:
    """Nothing of the wall clock gets into them."""
    timeline = Timeline(None, shift=False, clock=HandClock(10**18))
    assert timeline.due(123) == 123
    assert timeline.stamp(123) == 123


async def test_reach_waits_for_what_is_due_later() -> None:
    """A message 30 ms ahead is not delivered before; at a hundredfold speed it almost is."""
    timeline = Timeline(1.0, shift=True)
    began_ns = time.time_ns()
    timeline.due(0)
    await timeline.reach(timeline.due(30_000_000))
    assert time.time_ns() - began_ns >= 29_000_000


async def test_without_a_speed_nothing_waits_but_others_get_their_turn() -> None:
    """A long burst of due messages lets another task run now and then."""
    timeline = Timeline(None, shift=False)
    ran = asyncio.Event()
    timeline.due(0)
    task = asyncio.create_task(_set(ran))
    for number in range(200):
        await timeline.reach(timeline.due(number * 10**12))
    assert ran.is_set()
    await task


async def _set(event: asyncio.Event) -> None:
    event.set()


def test_the_schedule_runs_what_is_due_in_order_each_at_its_own_time() -> None:
    """Later ones stay; equal times keep the order in which they were given."""
    schedule, ran = Schedule(), list[tuple[str, int]]()
    assert schedule.next_ns() == FAR_NS
    schedule.at(20, lambda due_ns: ran.append(("b", due_ns)))
    schedule.at(10, lambda due_ns: ran.append(("a", due_ns)))
    schedule.at(20, lambda due_ns: ran.append(("c", due_ns)))
    schedule.at(31, lambda due_ns: ran.append(("d", due_ns)))
    schedule.run(30)
    assert ran == [("a", 10), ("b", 20), ("c", 20)]
    assert schedule.next_ns() == 31


def test_a_repeated_action_runs_once_for_each_interval_that_passed() -> None:
    """Even when all are run late, in one go."""
    schedule, ran = Schedule(), list[int]()
    schedule.every(5, 10, ran.append)
    schedule.run(30)
    assert ran == [5, 15, 25]
