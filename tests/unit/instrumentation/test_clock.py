"""The anchored clock."""

from flashmm_instrumentation._clock import AnchoredClock

S = 1_000_000_000


class Clocks:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_000 * S
        self.monotonic = 5 * S

    def pass_(self, ns: int, *, drift: int = 0) -> None:
        self.wall += ns + drift
        self.monotonic += ns

    def anchored(self) -> AnchoredClock:
        return AnchoredClock(lambda: self.wall, lambda: self.monotonic)


def test_differences_are_durations() -> None:
    """Between two anchors the clock runs at the monotonic clock's pace, whatever the wall clock does."""
    clocks = Clocks()
    clock = clocks.anchored()
    clocks.pass_(3 * S, drift=-7 * S)
    assert clock.now_ns() == 1_003 * S


def test_a_small_difference_is_slewed_away() -> None:
    """After an anchor the clock nears the wall clock by at most 500 ppm, and never runs backwards."""
    clocks = Clocks()
    clock = clocks.anchored()
    clocks.pass_(10 * S, drift=-1_000_000)
    last = clock.now_ns()
    assert last == 1_010 * S
    for _ in range(50):
        clocks.pass_(S // 10)
        now = clock.now_ns()
        assert last < now
        assert S // 10 - (now - last) <= S // 10 // 2_000 + 1
        last = now
    assert last == clocks.wall


def test_a_step_of_the_wall_clock_is_followed() -> None:
    """A difference above two seconds is a step, also backwards."""
    clocks = Clocks()
    clock = clocks.anchored()
    clocks.pass_(10 * S, drift=-3_600 * S)
    assert clock.now_ns() == clocks.wall


def test_the_real_clocks_agree_with_time() -> None:
    """With the machine's own clocks it tells UTC."""
    import time

    assert abs(AnchoredClock().now_ns() - time.time_ns()) < S
