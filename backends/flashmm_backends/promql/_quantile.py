"""Quantiles of samples laid out side by side."""

import numpy as np

from flashmm_backends.promql._values import Floats, Mask


def interpolated(samples: Floats, inside: Mask, wanted: Floats) -> Floats:
    """The wanted quantile of each row, linear between order statistics; NaN sorts below all numbers.

    samples, inside: shape (rows, longest); inside tells which samples count, at least one a row. wanted: (rows,).
    Returns -Inf for a quantile below 0, +Inf above 1, NaN for NaN.
    """
    nans = np.count_nonzero(np.isnan(samples) & inside, axis=1)
    ordered = np.sort(np.where(inside, samples, np.nan), axis=1)
    count = np.count_nonzero(inside, axis=1)
    rank = np.clip(np.nan_to_num(wanted), 0.0, 1.0) * (count - 1)
    lower = np.floor(rank)
    weight = rank - lower
    upper = np.minimum(count - 1, lower + 1)
    values = _order_statistic(ordered, lower, nans) * (1 - weight) + _order_statistic(ordered, upper, nans) * weight
    return np.select([np.isnan(wanted), wanted < 0, wanted > 1], [np.nan, -np.inf, np.inf], values)


def _order_statistic(ordered: Floats, rank: Floats, nans: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    position = rank.astype(np.intp) - nans
    found = np.take_along_axis(ordered, np.maximum(position, 0)[:, None], axis=1)[:, 0]
    return np.where(position < 0, np.nan, found)
