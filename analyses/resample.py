"""Drawing rows again when rows are no independent draws: blocks of neighbours, long enough to hold what sticks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST = 0.98  # lag-1 autocorrelation at which nothing can be told any more


def correlation(rest: ArrayLike) -> float:
    """Lag-1 autocorrelation of residuals (n,), corrected for the little that a short series underrates it (Kendall:
    -(1 + 3r)/n). 0 for a constant series and under 4 rows."""
    values = np.asarray(rest, np.float64)
    values = values - values.mean() if len(values) else values
    power = float((values**2).sum())
    if len(values) < 4 or power <= 0:
        return 0.0
    r = float((values[1:] * values[:-1]).sum()) / power
    return float(np.clip(r + (1 + 3 * r) / len(values), -MOST, MOST))


def stickiness(rest: ArrayLike) -> float:
    """Integrated autocorrelation time (1+r)/(1-r), at least 1: so many rows tell as much as one independent row."""
    r = max(correlation(rest), 0.0)
    return (1 + r) / (1 - r)


def block_length(n: int, stick: float) -> int:
    """max(n^(1/3), 2 IAT) rows, at most a third of them."""
    return int(np.clip(math.ceil(max(n ** (1 / 3), 2 * stick)), 1, max(1, n // 3)))


def blocks(n: int, draws: int, *, stick: float = 1.0, seed: int = 0) -> Ints:
    """(draws, n) rows of moving blocks of 2 IAT, each draw as long as the series. For residuals of a fit: they have
    little left that sticks, and longer blocks only lose the ends."""
    size = int(np.clip(math.ceil(2 * stick), 1, max(1, n // 3)))
    starts = np.random.default_rng(seed).integers(0, n - size + 1, (draws, -(-n // size)))
    return (starts[..., None] + np.arange(size)).reshape(draws, -1)[:, :n]


def stationary(values: ArrayLike, draws: int, *, stick: float = 1.0, seed: int = 0) -> Floats:
    """(draws,) means of a stationary block bootstrap (Politis and Romano 1994): blocks of geometric length that wrap.

    Only sums are drawn: a block's is the difference of two running sums, so no row is ever copied.
    """
    rows = np.asarray(values, np.float64)
    n, size = len(rows), block_length(len(rows), stick)
    rng, running = np.random.default_rng(seed), np.concatenate([[0.0], np.cumsum(np.concatenate([rows, rows]))])
    count = -(-2 * n // size) + 16
    lengths = np.minimum(rng.geometric(1 / size, (draws, count)), n)
    ends = np.minimum(np.cumsum(lengths, axis=1), n)  # the block that reaches row n is cut there, the rest are empty
    lengths = np.diff(ends, axis=1, prepend=0)
    starts = rng.integers(0, n, (draws, count))
    means: Floats = (running[starts + lengths] - running[starts]).sum(axis=1) / ends[:, -1]
    return means
