"""Sets of numbers that mostly follow each other."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence


class Intervals:
    """A set of integers as sorted, disjoint, inclusive intervals."""

    def __init__(self, intervals: Sequence[tuple[int, int]] = ()) -> None:
        self._first = [first for first, _ in intervals]
        self._last = [last for _, last in intervals]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._first, self._last, strict=True)))

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and number <= self._last[at]

    @property
    def last(self) -> int:
        """The greatest number; 0 where empty."""
        return self._last[-1] if self._last else 0

    def add(self, number: int) -> bool:
        """Add a number; False where it was there already."""
        at = bisect_right(self._first, number)
        if at and number <= self._last[at - 1]:
            return False
        joins_left = at > 0 and self._last[at - 1] == number - 1
        joins_right = at < len(self._first) and self._first[at] == number + 1
        if joins_left and joins_right:
            self._last[at - 1] = self._last.pop(at)
            del self._first[at]
        elif joins_left:
            self._last[at - 1] = number
        elif joins_right:
            self._first[at] = number
        else:
            self._first.insert(at, number)
            self._last.insert(at, number)
        return True

    def add_range(self, first: int, last: int) -> None:
        """Add first … last, none of which overlaps what is there only in part."""
        at = bisect_right(self._first, first)
        self._first.insert(at, first)
        self._last.insert(at, last)
        self._normalise()

    def _normalise(self) -> None:
        first: list[int] = []
        last: list[int] = []
        for a, b in zip(self._first, self._last, strict=True):
            if last and a <= last[-1] + 1:
                last[-1] = max(last[-1], b)
            else:
                first.append(a)
                last.append(b)
        self._first, self._last = first, last

    def discard(self, number: int) -> None:
        """Take a number out."""
        at = bisect_right(self._first, number) - 1
        if at < 0 or number > self._last[at]:
            return
        first, last = self._first[at], self._last[at]
        parts = [(a, b) for a, b in ((first, number - 1), (number + 1, last)) if a <= b]
        self._first[at : at + 1] = [a for a, _ in parts]
        self._last[at : at + 1] = [b for _, b in parts]

    def keep(self, count_max: int) -> None:
        """Forget the lowest intervals beyond so many."""
        excess = len(self._first) - count_max
        if excess > 0:
            del self._first[:excess], self._last[:excess]

    def has_all(self, upto: int) -> bool:
        """Whether the set is 1 … n with n >= upto, or empty with nothing to expect."""
        return upto <= self.last and self._first in ([], [1])

    def missing(self, upto: int) -> list[tuple[int, int]]:
        """Intervals of 1 … max(upto, last) that are not in the set."""
        gaps: list[tuple[int, int]] = []
        expected = 1
        for first, last in self:
            if first > expected:
                gaps.append((expected, first - 1))
            expected = last + 1
        if upto >= expected:
            gaps.append((expected, upto))
        return gaps
