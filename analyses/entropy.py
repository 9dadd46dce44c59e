"""How entropy moves: the numbers that both entropy detectors speak about."""

from __future__ import annotations

import math

import numpy as np

from analyses import measure, trend
from analyses.contract import Bools, Floats
from analyses.measure import Line
from analyses.series import Series
from analyses.trend import Lines

SHORT = 12  # rows of a trend that dies young or logs seldom
AHEAD, BLOCK, DRAWS = 60, 5, 200  # steps of a forecast; rows that are drawn together, how often
LEVEL = 40  # rows of a plateau at least
PLATEAU = math.log(1.1) / 100  # per step: a tenth in a hundred steps
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


def settles(series: Series, values: Floats, where: Bools, width: int) -> Bools:
    """New rows of `where` whose newer half surely moves at less than half the pace of their older half (dynamics 2.1):
    a rise that settles, logistic rather than exponential.

    Surely: by 3 standard errors of a slope under the row-to-row noise. Sen's intervals are no help on halves that are
    curved: they take the curve for autocorrelation.
    """
    half = width // 2
    fits = where & (series.ages[series.new] >= width) & (np.arange(len(where)) + series.fresh >= width)
    rows = np.flatnonzero(fits) + series.fresh
    found = np.zeros(len(where), bool)
    if len(rows):
        newer = trend.ending_at(series.steps, values, rows, np.full(len(rows), half))
        older = trend.ending_at(series.steps, values, rows - half, np.full(len(rows), half))
        pace = (series.steps[rows] - series.steps[rows - half]) / half
        error = measure.wobble(series, values)[fits] * np.sqrt(12 / half**3) / pace
        found[fits] = newer.slope < 0.5 * older.slope - 3 * 1.12 * error  # 1.12: of a slope less half of another
    return found


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


def chance(series: Series, i: int, target: float, width: int = 30) -> float:
    """Probability that entropy is beyond `target` nats `AHEAD` steps after new row i, going on as in its last `width`
    rows: lines through the fitted one plus residuals drawn in blocks (they are autocorrelated). NaN under 8 rows."""
    at = series.fresh + i
    width = min(width, int(series.ages[at]), at + 1)
    if width < trend.LEAST:
        return math.nan
    steps = series.steps[at - width + 1 : at + 1].astype(np.float64) - float(series.steps[at])
    values = logs(series)[at - width + 1 : at + 1]
    fitted = trend.fit(steps, values)
    clean = fitted.level + fitted.slope * steps
    rng = np.random.default_rng(int(series.steps[at]))  # the same row, the same number
    starts = rng.integers(0, max(1, width - BLOCK + 1), (DRAWS, -(-width // BLOCK)))
    picked = np.minimum(starts[..., None] + np.arange(BLOCK), width - 1).reshape(DRAWS, -1)[:, :width]
    drawn = trend.fit(np.broadcast_to(steps, picked.shape), clean + (values - clean)[picked])
    ahead = drawn.level + drawn.slope * AHEAD
    goal = math.log(max(target, FLOOR))
    return float(np.mean(ahead >= goal if fitted.slope >= 0 else ahead <= goal))


def rests(fitted: Line | Lines) -> Bools:
    """Rows on a plateau: the slope of ln entropy is surely within a tenth per hundred steps, which is more than that
    no slope was found (an equivalence test, dynamics 2.2)."""
    flat: Bools = (fitted.low > -PLATEAU) & (fitted.high < PLATEAU)
    return flat


def rests_at(series: Series, i: int) -> bool:
    """Whether new row i ends a plateau of as many rows as are at hand, LEVEL at least."""
    at = series.fresh + i
    width = min(int(series.ages[at]), series.keep, at + 1)
    if width < LEVEL:
        return False
    return bool(rests(trend.ending_at(series.steps, logs(series), np.array([at]), np.array([width])))[0])
