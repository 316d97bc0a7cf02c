"""Variance of many windows at once: the operations of Prometheus's running, compensated variance, in columns.

Source: Welford (1962), with both sums Kahan-Neumaier sums; blocks of long windows are joined as in Chan, Golub &
LeVeque (1979).
"""

from dataclasses import dataclass

import numpy as np

from flashmm_backends.promql._kahan import Blocks, Sums
from flashmm_backends.promql._values import Floats, Indices
from flashmm_backends.promql._windows import Windows


@dataclass(frozen=True, slots=True)
class _Moments:
    """Number of samples, their mean, and the sum of their squared distances from it; equal shapes."""

    number: Floats
    mean: Floats
    squares: Floats

    @classmethod
    def none(cls, count: int) -> "_Moments":
        return cls(np.zeros(count), np.zeros(count), np.zeros(count))

    def put(self, at: Indices, other: "_Moments") -> None:
        """Others in place of some."""
        self.number[at], self.mean[at], self.squares[at] = other.number, other.mean, other.squares

    def chosen(self, at: Indices) -> "_Moments":
        """Some of them."""
        return _Moments(self.number[at], self.mean[at], self.squares[at])

    def joined(self, other: "_Moments") -> "_Moments":
        """Of both together; what others are joined to nothing stays as it is."""
        number = self.number + other.number
        delta, share = other.mean - self.mean, other.number / number
        mean = np.where(share == 1.0, other.mean, self.mean + delta * share)
        between = np.where(share == 1.0, 0.0, delta * delta * share * self.number)
        return _Moments(number, mean, self.squares + other.squares + between)


def variances(windows: Windows) -> Floats:
    """Population variance of each window, shape (rows, steps); of nothing 0."""
    blocks = Blocks.of(windows.low, windows.high)
    partial = _Moments.none(len(blocks.starts))
    for chosen in blocks.side_by_side():
        partial.put(chosen, _running(blocks, chosen, windows))
    whole = _Moments.none(windows.low.size)
    for chosen, cells in blocks.in_turn():
        whole.put(cells, whole.chosen(cells).joined(partial.chosen(chosen)))
    return (whole.squares / np.maximum(whole.number, 1.0)).reshape(windows.low.shape)


def _running(blocks: Blocks, chosen: Indices, windows: Windows) -> _Moments:
    """Sample by sample."""
    mean, squares = Sums.zeros(chosen.shape), Sums.zeros(chosen.shape)
    for position, (active, samples) in enumerate(blocks.positions(chosen, windows.budget)):
        value, center, spread = windows.values[samples], mean.leading(active), squares.leading(active)
        delta = value - center.value()
        center.add(delta / (position + 1))
        spread.add(delta * (value - center.value()))
    return _Moments(blocks.lengths[chosen].astype(np.float64), mean.value(), squares.value())
