"""Smoothing over steps, not over points: a gap in the log counts as the steps that it spans.

Points that are not finite take no part, and the smoothed curve has no value where the raw one has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["none", "ema", "mean", "gauss"]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """span, in steps: half-life of the EMA, width of the running mean, standard deviation of the Gaussian."""

    kind: Kind = "ema"
    span: int = 10

    @property
    def name(self) -> str:
        """What the legend says."""
        return {
            "none": "as logged",
            "ema": f"EMA, half-life {self.span} steps",
            "mean": f"mean of the last {self.span} steps",
            "gauss": f"Gaussian, σ {self.span} steps",
        }[self.kind]


def smooth(steps: Ints, values: Floats, how: Smoothing) -> Floats:
    """The smoothed curve (n,) of values (n,) at ascending steps (n,); NaN where a value is not finite."""
    result = np.full(len(values), np.nan)
    finite = np.isfinite(values)
    if not finite.any():
        return result
    kernel: dict[str, Callable[[Ints, Floats, int], Floats]] = {"ema": _ema, "mean": _mean, "gauss": _gauss}
    result[finite] = kernel[how.kind](steps[finite], values[finite], how.span) if how.kind != "none" else values[finite]
    return result


def _ema(steps: Ints, values: Floats, span: int) -> Floats:
    """Every older value counts half as much per `span` steps; weights sum to one from the first point on."""
    clock = pd.DatetimeIndex((steps - steps[0]).astype("datetime64[s]"))
    halved = pd.Timedelta(seconds=span)
    return np.asarray(pd.Series(values).ewm(halflife=halved, times=clock).mean(), np.float64)


def _mean(steps: Ints, values: Floats, span: int) -> Floats:
    """Looks back only: what happened later must not move the curve."""
    return _convolved(steps, values, np.concatenate([np.zeros(span - 1), np.ones(span)]))


def _gauss(steps: Ints, values: Floats, span: int) -> Floats:
    reach = np.arange(-3 * span, 3 * span + 1)
    return _convolved(steps, values, np.exp(-0.5 * (reach / span) ** 2))


def _convolved(steps: Ints, values: Floats, kernel: Floats) -> Floats:
    """Weighted mean around each step, on a grid of steps; kernel has odd length, its centre is the step itself."""
    at = steps - steps[0]
    stride = int(np.gcd.reduce(np.diff(at))) if len(at) > 1 else 1
    if stride == 0 or at[-1] / stride > 8 * len(at) + 10_000:  # steps too far apart for a grid: count points instead
        at, stride = np.arange(len(values)), 1
    at = at // stride
    kernel = kernel[(len(kernel) // 2) % stride :: stride]  # the grid's own places in the kernel
    total, weight = np.zeros(at[-1] + 1), np.zeros(at[-1] + 1)
    np.add.at(total, at, values)
    np.add.at(weight, at, 1.0)
    summed, weights = (np.convolve(grid, kernel)[len(kernel) // 2 :][: len(grid)] for grid in (total, weight))
    return np.asarray(summed[at] / weights[at], np.float64)
