"""How entropy moves, and what moves with it: the numbers that both entropy detectors judge by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analyses import trend
from analyses.contract import Bools, Floats
from analyses.series import Series, middle

WIDTH = 30  # rows of a trend
SHORT = 12  # rows of a trend that dies young or logs seldom
LAG = 30  # rows that a reference stays behind, so that an event cannot hide in it
REACH = 90  # rows that a reference reaches back
KEEP = REACH + 10
FLOOR = 1e-4  # nats below which a logarithm says nothing
NAMES = ("entropy_token_mean", "entropy_estimate")
SPOKEN = {"entropy_token_mean": "Entropy", "entropy_estimate": "The entropy estimate"}


@dataclass(frozen=True, slots=True)
class Line:
    """Trends of one quantity per new row, NaN where none was fitted. gain: slope times the steps it spans."""

    slope: Floats
    low: Floats
    high: Floats
    level: Floats
    gain: Floats


def recent(series: Series, values: Floats, width: int = 3) -> Floats:
    """The median of the last `width` rows, fewer in a young run."""
    return middle(series.past(values, width))


def reference(series: Series, values: Floats) -> Floats:
    """The median of the rows -90..-30 of the segment; in a young one, of its first third."""
    lag = np.clip(2 * series.ages[series.new] // 3, 3, LAG)
    window = series.past(values, REACH)
    late = np.arange(REACH)[::-1] < lag[:, None]
    return middle(np.where(late, np.nan, window))


def start(series: Series) -> Floats:
    """The run's own first level: the median of its first 5 rows."""
    known: list[float] = series.memory.get("first", [])
    first = known + series.main[series.new][: max(0, 5 - len(known))].tolist()
    series.memory["first"] = first
    levels = np.array([float(np.median(first[:count])) for count in range(1, 6)], np.float64)
    begun: Floats = levels[np.minimum(series.born[series.new], 5) - 1]
    return begun


def line(series: Series, values: Floats, where: Bools, width: int) -> Line:
    """Theil-Sen over the last `width` rows (8 at least) of the new rows `where`."""
    rows = np.flatnonzero(where) + series.fresh
    widths = np.minimum(series.ages[rows], width)
    lines = trend.ending_at(series.steps, values, rows, widths)
    span = series.steps[rows] - series.steps[np.maximum(rows - widths + 1, 0)]
    parts = [lines.slope, lines.low, lines.high, lines.level, lines.slope * span]
    return Line(*(_spread(part, where) for part in parts))


def _spread(part: Floats, where: Bools) -> Floats:
    whole = np.full(len(where), np.nan)
    whole[where] = part
    return whole


def logs(series: Series) -> Floats:
    """The logarithm of entropy, floored."""
    return np.log(np.maximum(series.main, FLOOR))


@dataclass(frozen=True, slots=True)
class Sign:
    """Whether a companion of entropy rises or falls in the new rows, and whether it is logged there."""

    rises: Bools
    falls: Bools
    measured: Bools


def sign(series: Series, values: Floats, where: Bools, width: int, *, trend_of: float, shift_of: float) -> Sign:
    """By a trend that surely gains `trend_of` over `width` rows, or a shift of `shift_of` from the reference."""
    fitted = line(series, values, where, width)
    shift = recent(series, values) - reference(series, values)
    return Sign(
        where & (((fitted.low > 0) & (fitted.gain > trend_of)) | (shift > shift_of)),
        where & (((fitted.high < 0) & (fitted.gain < -trend_of)) | (shift < -shift_of)),
        where & np.isfinite(shift),
    )


def reward_sign(series: Series, where: Bools, width: int) -> Sign:
    """Reward, in units of its own row-to-row noise: its range is not known."""
    reward = series.column("reward_mean", "score_mean")
    noise = np.maximum(wobble(series, reward), 1e-9)
    fitted = line(series, reward, where, width)
    shift = (recent(series, reward) - reference(series, reward)) / noise
    gain = fitted.gain / noise
    return Sign(
        where & (((fitted.low > 0) & (gain > 1)) | (shift > 3)),
        where & (((fitted.high < 0) & (gain < -1)) | (shift < -4)),
        where & np.isfinite(shift),
    )


def wobble(series: Series, values: Floats) -> Floats:
    """A row's noise, from row-to-row differences: trends leave it alone. NaN under 3 rows."""
    window = series.past(values, WIDTH)
    noise: Floats = 1.4826 / np.sqrt(2) * middle(np.abs(np.diff(window, axis=-1)))
    return noise


def onset(series: Series, fitted: Line, home: float, i: int) -> int:
    """The step at which the fitted line of new row i leaves `home` (nats), within the rows at hand."""
    at = series.fresh + i
    back = (fitted.level[i] - np.log(max(home, FLOOR))) / fitted.slope[i]
    first = int(series.steps[max(0, at - min(int(series.ages[at]), KEEP) + 1)])
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
