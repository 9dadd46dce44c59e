"""How entropy moves: the numbers that both entropy detectors speak about."""

from __future__ import annotations

import math

import numpy as np

from analyses import trend
from analyses.contract import Floats
from analyses.measure import Line
from analyses.series import Series

SHORT = 12  # rows of a trend that dies young or logs seldom
FLOOR = 1e-4  # nats below which a logarithm says nothing
NAMES = ("entropy_token_mean", "entropy_estimate")
SPOKEN = {"entropy_token_mean": "Entropy", "entropy_estimate": "The entropy estimate"}


def start(series: Series) -> Floats:
    """The run's own first level: the median of its first 5 rows."""
    known: list[float] = series.memory.get("first", [])
    first = known + series.main[series.new][: max(0, 5 - len(known))].tolist()
    series.memory["first"] = first
    levels = np.array([float(np.median(first[:count])) for count in range(1, 6)], np.float64)
    begun: Floats = levels[np.minimum(series.born[series.new], 5) - 1]
    return begun


def logs(series: Series) -> Floats:
    """The logarithm of entropy, floored."""
    return np.log(np.maximum(series.main, FLOOR))


def onset(series: Series, fitted: Line, home: float, i: int) -> int:
    """The step at which the fitted line of new row i leaves `home` (nats), within the rows at hand."""
    at = series.fresh + i
    back = (fitted.level[i] - np.log(max(home, FLOOR))) / fitted.slope[i]
    first = int(series.steps[max(0, at - min(int(series.ages[at]), series.keep) + 1)])
    return int(np.clip(round(float(series.steps[at] - back)), first, series.steps[at]))


def forecast(fitted: Line, i: int, target: float) -> dict[str, float]:
    """Doubling time (half-life) with its interval and the steps until `target` nats, for new row i."""
    bounds = sorted((float(trend.doubling(fitted.low[i])), float(trend.doubling(fitted.high[i]))))
    if fitted.low[i] * fitted.high[i] < 0:  # a bound of the other sign: it may take for ever
        bounds = [bounds[0], math.inf]
    ahead = float(trend.steps_until(np.log(target), fitted.level[i], fitted.slope[i]))
    time = float(trend.doubling(fitted.slope[i]))
    return {
        "time": time,
        "time_low": bounds[0],
        "time_high": bounds[1],
        "forecast_nats": target,
        "forecast_steps": ahead,
    }
