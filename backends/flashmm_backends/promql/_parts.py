"""Series in parts, so that what is computed beside a result stays small whatever the query's size."""

from collections.abc import Iterator

from flashmm_backends.promql.source import HistogramSamples, Selection

CELLS_AT_ONCE = 65_536
"""Rows times steps for which intermediate arrays are made at a time: some 6 MB of them."""


def parts(selection: Selection, steps: int) -> Iterator[tuple[slice, Selection]]:
    """The rows of a selection in slices of a bounded number of cells, with the samples of each slice alone."""
    at_once = max(1, CELLS_AT_ONCE // max(steps, 1))
    for first in range(0, len(selection.labels), at_once):
        rows = slice(first, min(first + at_once, len(selection.labels)))
        yield rows, _rows(selection, rows)


def _rows(selection: Selection, rows: slice) -> Selection:
    offsets = selection.offsets[rows.start : rows.stop + 1]
    samples = slice(int(offsets[0]), int(offsets[-1]))
    return Selection(
        selection.labels[rows],
        offsets - offsets[0],
        selection.times_ms[samples],
        selection.values[samples],
        None if selection.histograms is None else _histogram_rows(selection.histograms, rows),
    )


def _histogram_rows(samples: HistogramSamples, rows: slice) -> HistogramSamples:
    offsets = samples.offsets[rows.start : rows.stop + 1]
    held = slice(int(offsets[0]), int(offsets[-1]))
    return HistogramSamples(offsets - offsets[0], samples.times_ms[held], samples.histograms[held])
