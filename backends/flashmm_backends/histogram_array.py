"""Many native histograms in columns: sums and differences of them are a few array operations.

Histograms of one resolution are rows of a matrix, a `Stack`. A `HistogramArray` has any shape and says for each of
its cells which row of which stack it is, so that choosing, repeating and regrouping histograms moves integers alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flashmm_backends.histogram import Buckets, FloatArray, NativeHistogram

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Index = int | slice | Indices | Mask | tuple[int | slice | Indices | Mask, ...]

ZERO_COUNT, COUNT, SUM, SCALARS = 0, 1, 2, 3
"""Columns of a stack before its buckets, and how many they are."""

ROWS_AT_ONCE: Final = 4_096
"""Histograms to work on at a time, so that what is made on the way stays in the processor's cache."""

_ELEMENTS_MAX: Final = 64_000_000
_SLACK: Final = 1_000_000
"""Elements (8 bytes) that may stay empty so that histograms of different extent can share a matrix."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which histogram a row of numbers is.

    A row holds zero count, count, sum, then the positive and the negative buckets. positive, negative: the indexes of
    those, empty where the histogram has no bucket of that sign.
    """

    schema: int
    zero_threshold: float
    positive: range
    negative: range

    @property
    def kind(self) -> tuple[int, float, bool, bool]:
        """Resolution, zero bucket and signs: rows of one kind differ in extent at most."""
        return self.schema, self.zero_threshold, len(self.positive) > 0, len(self.negative) > 0

    @property
    def width(self) -> int:
        """Number of columns."""
        return SCALARS + len(self.positive) + len(self.negative)

    def at_schema(self, schema: int) -> "Layout":
        """At a schema not above its own."""
        steps = self.schema - schema
        sides = (_reduced(side, steps) for side in (self.positive, self.negative))
        return self if steps == 0 else Layout(schema, self.zero_threshold, *sides)

    def union(self, other: "Layout") -> "Layout":
        """Wide enough for both, which share schema and zero threshold."""
        return replace(
            self, positive=_hull(self.positive, other.positive), negative=_hull(self.negative, other.negative)
        )

    def places(self, part: "Layout") -> tuple[tuple[slice, slice], ...]:
        """The columns here, and in rows of a layout within this one, that hold the same numbers."""
        split, own = SCALARS + len(part.positive), SCALARS + len(self.positive)
        return (
            (slice(0, SCALARS), slice(0, SCALARS)),
            (_within(self.positive, part.positive, SCALARS), slice(SCALARS, split)),
            (_within(self.negative, part.negative, own), slice(split, part.width)),
        )

    def histogram(self, row: FloatArray) -> NativeHistogram:
        """A row as a histogram, which shares its memory."""
        zero_count, count, total = row[:SCALARS].tolist()
        split = SCALARS + len(self.positive)
        return NativeHistogram(
            self.schema,
            self.zero_threshold,
            zero_count,
            count,
            total,
            Buckets(self.positive.start, row[SCALARS:split]),
            Buckets(self.negative.start, row[split:]),
        )


def layout_of(histogram: NativeHistogram) -> Layout:
    """The layout of one histogram as it is."""
    sides = (range(b.offset, b.offset + len(b.counts)) for b in (histogram.positive, histogram.negative))
    return Layout(histogram.schema, histogram.zero_threshold, *sides)


def _hull(left: range, right: range) -> range:
    if not left or not right:
        return left or right
    return range(min(left.start, right.start), max(left.stop, right.stop))


def _reduced(side: range, steps: int) -> range:
    """2**steps buckets become one."""
    return range(((side.start - 1) >> steps) + 1, ((side.stop - 2) >> steps) + 2) if side else side


def _within(side: range, part: range, first: int) -> slice:
    start = first + part.start - side.start if part else first
    return slice(start, start + len(part))


@dataclass(frozen=True, slots=True)
class Stack:
    """Histograms as rows of a matrix, shape (n, layout.width)."""

    layout: Layout
    matrix: FloatArray

    def at_schema(self, schema: int) -> "Stack":
        """At a schema not above its own."""
        if schema == self.layout.schema:
            return self
        layout = self.layout.at_schema(schema)
        result = Stack(layout, np.zeros((len(self.matrix), layout.width)))
        result.matrix[:, :SCALARS] = self.matrix[:, :SCALARS]
        steps, at, to = self.layout.schema - schema, SCALARS, SCALARS
        for side, coarse in ((self.layout.positive, layout.positive), (self.layout.negative, layout.negative)):
            if side:
                starts = np.flatnonzero(np.diff((np.arange(side.start, side.stop) - 1) >> steps, prepend=np.inf))
                fine = self.matrix[:, at : at + len(side)]
                result.matrix[:, to : to + len(coarse)] = np.add.reduceat(fine, starts, axis=1)
            at, to = at + len(side), to + len(coarse)
        return result

    def put(self, rows: Indices | slice, part: "Stack") -> None:
        """Write all of a stack whose layout lies within this one's into some rows."""
        for to, at in self.layout.places(part.layout):
            if at.start < at.stop:
                self.matrix[rows, to] = part.matrix[:, at]


def empty_stack(layout: Layout, rows: int) -> Stack:
    """Rows of zeros."""
    return Stack(layout, np.zeros((rows, layout.width)))


@dataclass(frozen=True, slots=True)
class HistogramArray:
    """Native histograms in an array of any shape.

    cells: the row that each is, counted over all stacks in order; -1 where there is none. Stacks are never changed.
    """

    stacks: tuple[Stack, ...]
    cells: Indices

    @property
    def held(self) -> Mask:
        """Where there is a histogram."""
        return self.cells >= 0

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: Index) -> "HistogramArray":
        """The cells that a numpy index selects."""
        cells: Indices = np.asarray(self.cells[index], dtype=np.intp)
        return HistogramArray(self.stacks, cells)

    def where(self, mask: Mask) -> "HistogramArray":
        """The same, without the cells that are not set."""
        return HistogramArray(self.stacks, np.where(mask, self.cells, -1))

    def objects(self) -> list[NativeHistogram]:
        """Those that there are, row-major, one object each."""
        cells = self.cells[self.held]
        starts = self._starts()
        numbers = np.searchsorted(starts, cells, side="right") - 1
        rows: list[int] = (cells - starts[numbers]).tolist()
        owners: list[int] = numbers.tolist()
        stacks = [self.stacks[owner] for owner in owners]
        return [stack.layout.histogram(stack.matrix[row]) for stack, row in zip(stacks, rows, strict=True)]

    def scalars(self) -> FloatArray:
        """Zero count, count and sum of each, shape (…, 3); 0 where there is none."""
        rows = [stack.matrix[:, :SCALARS] for stack in self.stacks]
        return np.concatenate([*rows, np.zeros((1, SCALARS))])[self.cells]

    def schemas(self) -> npt.NDArray[np.int64]:
        """Schema of each; any where there is none."""
        return self._of_stacks(np.array([s.layout.schema for s in self.stacks], dtype=np.int64))

    def zero_thresholds(self) -> FloatArray:
        """Zero threshold of each; any where there is none."""
        return self._of_stacks(np.array([s.layout.zero_threshold for s in self.stacks], dtype=np.float64))

    def kinds(self) -> Indices:
        """A number of the kind of each (see Layout.kind); any where there is none."""
        numbers: dict[tuple[int, float, bool, bool], int] = {}
        kinds = [numbers.setdefault(s.layout.kind, len(numbers)) for s in self.stacks]
        return self._of_stacks(np.array(kinds, dtype=np.intp))

    def blocks(self) -> Iterator[tuple[Stack, Indices]]:
        """All of them as rows, some at a time, with the flat cells that those are of."""
        for stack, rows, mask in self.by_stack():
            cells = np.flatnonzero(mask)
            for first in range(0, len(rows), ROWS_AT_ONCE):
                part = slice(first, first + ROWS_AT_ONCE)
                yield Stack(stack.layout, _chosen(stack.matrix, rows[part])), cells[part]

    def by_stack(self) -> Iterator[tuple[Stack, Indices, Mask]]:
        """Each stack of which there are cells, the rows of those (row-major), and where they are."""
        starts = self._starts()
        for number, stack in enumerate(self.stacks):
            mask = (self.cells >= starts[number]) & (self.cells < starts[number + 1])
            rows = self.cells[mask] - starts[number]
            if len(rows):
                yield stack, rows, mask

    def aligned(self, schema: int) -> Stack | None:
        """The histograms as rows of one matrix, which may be a view; None where that would be too large.

        One-dimensional, one in every cell, of one zero threshold and none coarser than the schema.
        """
        parts = [(Stack(stack.layout, _chosen(stack.matrix, rows)), mask) for stack, rows, mask in self.by_stack()]
        if len(parts) == 1:
            return parts[0][0].at_schema(schema)
        layout = _union([stack.layout.at_schema(schema) for stack, _ in parts])
        if layout.width * len(self) > _ELEMENTS_MAX:
            return None
        result = empty_stack(layout, len(self))
        for stack, mask in parts:
            result.put(np.flatnonzero(mask), stack.at_schema(schema))
        return result

    def _starts(self) -> Indices:
        return np.cumsum([0, *(len(stack.matrix) for stack in self.stacks)], dtype=np.intp)

    def _of_stacks(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        number = np.searchsorted(self._starts()[1:-1], self.cells, side="right")
        return values[number] if len(values) else np.zeros(self.cells.shape, dtype=values.dtype)


def _chosen(matrix: FloatArray, rows: Indices) -> FloatArray:
    """Rows of a matrix, without a copy where they are neighbours."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and bool((np.diff(rows) == 1).all()):
        return matrix[first : last + 1]
    return matrix[rows]


def _union(layouts: Sequence[Layout]) -> Layout:
    union = layouts[0]
    for layout in layouts[1:]:
        union = union.union(layout)
    return union


def no_histograms(shape: tuple[int, ...]) -> HistogramArray:
    """An array without a histogram."""
    return HistogramArray((), np.full(shape, -1, dtype=np.intp))


def concatenated(arrays: Sequence[HistogramArray]) -> HistogramArray:
    """One below the other, along the first axis."""
    stacks: list[Stack] = []
    first: dict[tuple[int, ...], int] = {}
    cells: list[Indices] = []
    rows = 0
    for array in arrays:
        key = tuple(map(id, array.stacks))
        if key not in first:
            first[key] = rows
            stacks.extend(array.stacks)
            rows += sum(len(stack.matrix) for stack in array.stacks)
        cells.append(np.where(array.held, array.cells + first[key], -1))
    return HistogramArray(tuple(stacks), np.concatenate(cells))


def array_of(histograms: Iterable[NativeHistogram]) -> HistogramArray:
    """The same histograms in columns, shape (n,)."""
    found = list(histograms)
    layouts = [layout_of(histogram) for histogram in found]
    stacks: list[Stack] = []
    cells = np.empty(len(found), dtype=np.intp)
    rows = 0
    for layout, members in shared_layouts(layouts, [1] * len(layouts)):
        stack = empty_stack(layout, len(members))
        for row, member in enumerate(members):
            stack.put(np.array([row]), _single(found[member], layouts[member]))
        cells[members] = np.arange(rows, rows + len(members))
        rows += len(members)
        stacks.append(stack)
    return HistogramArray(tuple(stacks), cells)


def _single(histogram: NativeHistogram, layout: Layout) -> Stack:
    scalars = [histogram.zero_count, histogram.count, histogram.sum]
    return Stack(layout, np.concatenate((scalars, histogram.positive.counts, histogram.negative.counts))[None, :])


def shared_layouts(layouts: Sequence[Layout], rows: Sequence[int]) -> Iterator[tuple[Layout, list[int]]]:
    """Layouts that hold several others each, and which: of one kind, and near each other, so that little is empty.

    rows: how many rows each of the layouts has. Members ascend.
    """
    order = sorted(
        range(len(layouts)),
        key=lambda i: (layouts[i].kind, layouts[i].positive.start, layouts[i].negative.start, i),
    )
    members: list[int] = []
    union, number, needed = layouts[0] if layouts else None, 0, 0
    for i in order:
        layout = layouts[i]
        if members and union is not None:
            wider = union.union(layout)
            fits = wider.width * (number + rows[i]) <= 2 * (needed + layout.width * rows[i]) + _SLACK
            if layout.kind == union.kind and fits:
                members.append(i)
                union, number, needed = wider, number + rows[i], needed + layout.width * rows[i]
                continue
            yield union, sorted(members)
        members, union, number, needed = [i], layout, rows[i], layout.width * rows[i]
    if members and union is not None:
        yield union, sorted(members)
