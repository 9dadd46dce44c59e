"""What a detector measures in its rows: recent level, lagged reference, noise, trend, and whether companions move.

Windows are in rows and shrink in a young run: to 8 for trends, 3 for levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analyses import trend
from analyses.contract import Bools, Context, Finding, Floats
from analyses.series import Series, middle
from analyses.words import number, steps_between

WIDTH = 30  # rows of a trend
LAG = 30  # rows that a reference stays behind, so that an event cannot hide in it
REACH = 90  # rows that a reference reaches back
KEEP = REACH + 10
SURE = 2.0  # deviations of one row that the median of three must be off: 3 of its own


def setting(context: Context, name: str, otherwise: float = np.nan) -> float:
    """A number from the run's config; `otherwise` where it is not set, no number or 0."""
    try:
        value = float(context.settings.get(name) or np.nan)
    except (TypeError, ValueError):
        return otherwise
    return value if np.isfinite(value) else otherwise


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


def earlier(series: Series, values: Floats, reach: int = REACH, lag: int = LAG) -> Floats:
    """(new rows, reach): the rows -reach..-lag of the segment, in a young one its first third; NaN for the others."""
    window = series.past(values, reach)
    if len(window) == 1:  # a live run
        window[0, reach - min(max(2 * int(series.ages[-1]) // 3, 3), lag) :] = np.nan
        return window
    behind = np.clip(2 * series.ages[series.new] // 3, 3, lag)
    late = np.arange(reach)[::-1] < behind[:, None]
    return np.where(late, np.nan, window)


def reference(series: Series, values: Floats, reach: int = REACH, lag: int = LAG) -> Floats:
    """The median of the earlier rows: what the segment was like before."""
    return middle(earlier(series, values, reach, lag))


def lowest(series: Series, values: Floats, reach: int = REACH, lag: int = 3) -> Floats:
    """The 20th percentile of the rows -reach..-lag: the calm that there has been, also in a run that began badly."""
    ordered = np.sort(earlier(series, values, reach, lag), axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    calm: Floats = ordered[np.arange(len(ordered)), np.maximum(count - 1, 0) // 5]
    return calm


def line(series: Series, values: Floats, where: Bools, width: int) -> Line:
    """Theil-Sen over the last `width` rows (8 at least) of the new rows `where`."""
    if not where.any():
        return Line(*[np.full(len(where), np.nan)] * 5)
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


@dataclass(frozen=True, slots=True)
class Sign:
    """Whether a companion of entropy rises or falls in the new rows, and whether it is logged there."""

    rises: Bools
    falls: Bools
    measured: Bools

    def __or__(self, other: Sign) -> Sign:
        return Sign(self.rises | other.rises, self.falls | other.falls, self.measured | other.measured)


def sign(series: Series, values: Floats, where: Bools, width: int, *, trend_of: float, shift_of: float) -> Sign:
    """By a trend that surely gains `trend_of` over `width` rows, or a shift of `shift_of` from the reference."""
    if not where.any():
        return Sign(where, where, where)
    fitted = line(series, values, where, width)
    shift = recent(series, values) - reference(series, values)
    far = np.fmax(shift_of, SURE * wobble(series, values))
    up, down = (fitted.low > 0) & (fitted.gain > trend_of), (fitted.high < 0) & (fitted.gain < -trend_of)
    return _sign(where, up, down, shift > far, shift < -far, np.isfinite(shift))


def steady(series: Series, values: Floats, width: int = WIDTH) -> Bools:
    """New rows at which `values` rise no faster, over their last `width` rows, than twice as fast as over those before:
    what has grown all along is no sign of what has just begun."""
    now, before, long_before = (middle(series.past(values, 5, lag)) for lag in (0, width, 2 * width))
    old: Bools = (before > long_before) & (now - before <= 2 * (before - long_before))
    return old


def leaves(series: Series, values: Floats, reach: int, least: float) -> Bools:
    """New rows whose recent level is above that of the rows nearby, by `least` and by 3 deviations of its own."""
    shift = recent(series, values) - reference(series, values, reach, 5)
    beyond: Bools = (shift > least) & (shift > SURE * wobble(series, values))
    return beyond


def _sign(where: Bools, up: Bools, down: Bools, higher: Bools, lower: Bools, measured: Bools) -> Sign:
    """Where trend and shift disagree the trend is right: the shift is of the past."""
    return Sign(where & (up | (higher & ~down)), where & (down | (lower & ~up)), where & measured)


def reward_sign(series: Series, where: Bools, width: int) -> Sign:
    """Reward, in units of its own row-to-row noise: its range is not known."""
    if not where.any():
        return Sign(where, where, where)
    reward = series.column("reward_mean", "score_mean")
    noise = np.maximum(wobble(series, reward), 1e-9)
    fitted = line(series, reward, where, width)
    shift = (recent(series, reward) - reference(series, reward)) / noise
    gain = fitted.gain / noise
    up, down = (fitted.low > 0) & (gain > 1), (fitted.high < 0) & (gain < -1)
    return _sign(where, up, down, shift > 3, shift < -4, np.isfinite(shift))


def wobble(series: Series, values: Floats) -> Floats:
    """A row's noise, from row-to-row differences: trends leave it alone. NaN under 3 rows."""
    window = series.past(values, WIDTH)
    noise: Floats = 1.4826 / np.sqrt(2) * middle(np.abs(np.diff(window, axis=-1)))
    return noise


def interval(series: Series, values: Floats, i: int) -> dict[str, float]:
    """Between what the recent level of new row i surely lies (95 %): the median of three rows scatters by two thirds of
    a row's noise. No more than the rows themselves say where there are fewer than three differences."""
    level, noise = float(recent(series, values)[i]), float(wobble(series, values)[i])
    return {"level_low": level - 1.96 * 0.67 * noise, "level_high": level + 1.96 * 0.67 * noise}


def growth(fitted: Line, i: int, target: float) -> tuple[str, dict[str, float]]:
    """What a line through logarithms says at new row i: how often it doubles, with its interval, and when it passes
    `target`. Nothing where it is not sure that it grows."""
    if not fitted.low[i] > 0:
        return "", {}
    time, low, high = (float(np.log(2) / slope) for slope in (fitted.slope[i], fitted.high[i], fitted.low[i]))
    evidence = {"slope_per_step": float(fitted.slope[i]), "time": time, "time_low": low, "time_high": high}
    said = f", doubling every {steps_between(time, low, high)}"
    ahead = float(trend.steps_until(np.log(target), fitted.level[i], fitted.slope[i]))
    if 0 < ahead < AHEAD:
        said += f"; at this rate it passes {number(target)} in about {ahead:.0f} steps"
        evidence |= {"forecast": target, "forecast_steps": ahead}
    return said, evidence


AHEAD = 1000.0  # steps: further ahead nobody can see
CARRY = 8


def carried(values: Floats) -> Floats:
    """NaN filled with the last finite value, at most CARRY rows old (so that what is forgotten never matters)."""
    places = np.arange(len(values))
    last = np.maximum.accumulate(np.where(np.isfinite(values), places, -1))
    near = (last >= 0) & (places - last <= CARRY)
    return np.where(near, values[np.maximum(last, 0)], np.nan)


def jitter(series: Series, values: Floats, width: int = WIDTH) -> Floats:
    """A row's noise by the mean square of row-to-row differences: heavier than `wobble` where rows come in lumps."""
    steps = np.diff(series.past(values, width), axis=-1)
    there = np.isfinite(steps)
    count = there.sum(axis=-1)
    noise: Floats = np.sqrt(np.where(there, steps**2, 0).sum(axis=-1) / np.maximum(2 * count, 1))
    return np.where(count >= 3, noise, np.nan)


def departure(
    series: Series, values: Floats, i: int, home: float, edge: float, *, raised: Finding | None = None
) -> int:
    """The step from which `values` stayed beyond `edge`, away from `home`, up to new row i; single rows forgiven.

    Of an episode that is open already (`raised`) the onset is known.
    """
    if raised is not None:
        return raised.onset_step
    at = series.fresh + i
    row = at
    away = values >= edge if edge >= home else values <= edge
    for back in range(1, min(int(series.ages[at]), series.keep + 1)):
        if away[at - back]:
            row = at - back
        elif back > 1 and not away[at - back + 1]:
            break
    return int(series.steps[row])


def best_so_far(series: Series, name: str, values: Floats, keeps: np.ufunc) -> Floats:
    """The running extreme (np.fmax or np.fmin) of a stage over the new rows, remembered under `name`."""
    return _by_stage(series, name, values, lambda known, part: keeps.accumulate(np.concatenate([[known], part]))[1:])


def first_of_stage(series: Series, name: str, values: Floats) -> Floats:
    """The first finite value of the stage, remembered under `name`."""

    def first(known: float, part: Floats) -> Floats:
        row = np.concatenate([[known], part])
        seen = np.maximum.accumulate(np.isfinite(row))
        start = row[np.argmax(seen)] if seen.any() else np.nan
        return np.where(seen, start, np.nan)[1:]

    return _by_stage(series, name, values, first)


def _by_stage(series: Series, name: str, values: Floats, step: Callable[[float, Floats], Floats]) -> Floats:
    stages = series.stages[series.new]
    stage, known = series.memory.get(name, (None, None))
    out = np.empty(len(values))
    for each in np.unique(stages) if stages[0] != stages[-1] else stages[:1]:
        mine = stages == each
        before = np.nan if known is None or stage != int(each) else known
        out[mine] = step(before, values[mine])
    last = float(out[-1])
    series.memory[name] = [int(stages[-1]), last if np.isfinite(last) else None]
    return out
