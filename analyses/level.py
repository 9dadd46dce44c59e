"""Where a curve stands: the mean of its newest rows with its interval, and how it drifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses import trend

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS = 20
"""Newest rows that a level is taken over."""
T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10)
"""97.5 % quantiles of Student's t with 1, 2, … degrees of freedom; beyond them 2.09 is not far off."""


@dataclass(frozen=True, slots=True)
class Level:
    """Mean of the newest finite rows. low, high: 95 % interval, NaN where there are too few rows; rows: how many."""

    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Drift:
    """Theil-Sen slope per 100 steps with its 99 % interval; clear: whether that leaves out zero.

    span: steps that it was fitted over.
    """

    slope: float
    low: float
    high: float
    span: int

    @property
    def moved(self) -> float:
        """By how much the curve has gone over the span."""
        return self.slope * self.span / 100

    @property
    def clear(self) -> bool:
        return self.low > 0 or self.high < 0


def level(values: Floats, rows: int = ROWS) -> Level | None:
    """Of values (n,) in order of steps; None without a finite one.

    The interval is widened for the rows' lag-1 autocorrelation r (Bartlett: n (1 - r) / (1 + r) of n rows count), with
    r corrected for its bias in short series (Kendall 1954).
    """
    found = values[np.isfinite(values)][-rows:]
    n = len(found)
    if n == 0:
        return None
    mean = float(found.mean())
    if n < 4:
        return Level(mean, float("nan"), float("nan"), n)
    rest = found - mean
    power = float((rest**2).sum())
    r = float((rest[1:] * rest[:-1]).sum()) / power if power > 0 else 0.0
    r = min(max(r + (1 + 3 * r) / n, 0.0), 0.95) if power > 0 else 0.0
    error = np.sqrt(power / (n - 1) / n * (1 + r) / (1 - r))
    wide = float((T95[n - 2] if n - 2 < len(T95) else 2.09) * error)
    return Level(mean, mean - wide, mean + wide, n)


def drift(steps: Ints, values: Floats, rows: int = 200) -> Drift | None:
    """How the newest rows go; None where they are too few for a trend."""
    at = np.flatnonzero(np.isfinite(values))[-rows:]
    if len(at) < trend.LEAST:
        return None
    lines = trend.ending_at(
        steps[at].astype(np.float64), values[at], np.array([len(at) - 1]), np.array([len(at)], np.int64)
    )
    slope, low, high = (100 * float(each[0]) for each in (lines.slope, lines.low, lines.high))
    return Drift(slope, low, high, int(steps[at[-1]] - steps[at[0]]))
