"""Where entropy is going: since when, how fast, and when it reaches its limit (dynamics 2.1, 2.2).

Told of the newest stretch of one stage, with hindsight: for a picture and a sentence. What alerts is the detectors'
business; they judge row by row without looking ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyses import trend
from analyses.forecast import Known
from analyses.onset import Moved, bend
from analyses.resample import redrawn, tails

Floats = NDArray[np.float64]
Way = Literal["growing", "falling", "flat", "unclear", "none"]

FLOOR = 1e-4  # nats below which a logarithm says nothing
WINDOWS = (30, 120, 10**9)  # rows of a trend that has no known beginning: longer ones where the shorter see none
RECENT = 10  # rows that a level is taken over where there is no trend
RISE, FALL = math.log(1.35), math.log(1.25)  # smaller changes are nothing to speak of
HIGH = 2.0  # nats: text falls apart
LOW = 0.05  # nats: next to nothing is left to choose
PLATEAU = math.log(1.1) / 100  # per step
AHEAD = 60  # steps
FAR = 3.0  # how many times its own past a forecast may reach
DRAWS = 400


@dataclass(frozen=True, slots=True)
class Course:
    """way: what entropy does. level: nats at the last step, of the line where there is one. since: the bend it began
    with, None without one.

    time: steps to double (or halve); limit: where it is heading; until: steps to the limit, None where it will not get
    there or is beyond; chance: that it is beyond the limit AHEAD steps on. first: the step the fit begins at.
    began: nats in the first rows. before: what it did until a bend that ended it, where it does little now.
    steps, fit, low, high (k,): the fitted line and its forecast; steps beyond `last` are the forecast.
    """

    way: Way
    rows: int
    level: float = math.nan
    last: float = math.nan
    first: float = math.nan
    since: Moved | None = None
    time: Known | None = None
    limit: float = math.nan
    until: Known | None = None
    chance: float = math.nan
    began: float = math.nan
    before: Course | None = None
    steps: tuple[float, ...] = ()
    fit: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


def course(at: ArrayLike, entropy: ArrayLike, *, seed: int = 0) -> Course:
    """at (n,) steps, entropy (n,) nats, of one stage and attempt; what is not finite is left out."""
    steps, values = np.asarray(at, np.float64), np.asarray(entropy, np.float64)
    good = np.isfinite(values) & np.isfinite(steps)
    steps, logs = steps[good], np.log(np.maximum(values[good], FLOOR))
    if len(steps) < trend.LEAST:
        return Course("none" if not len(steps) else "unclear", len(steps), *_last(steps, logs))
    since, starts = _beginning(steps, logs, seed)
    start, line, way = _chosen(steps, logs, starts)
    level = float(line.level)
    x, y = _thinned(steps[start:], logs[start:])
    here = x - steps[-1]
    level = level if way in ("growing", "falling") else float(np.median(logs[-RECENT:]))
    told = Course(way, len(steps), math.exp(level), float(steps[-1]), float(steps[start]), since)
    told = replace(told, began=math.exp(float(np.median(logs[:3]))))
    if way in ("growing", "falling"):
        return _ahead(told, line, here, y, seed)
    return replace(told, before=_before(steps, logs, seed))


def _chosen(steps: Floats, logs: Floats, starts: list[int]) -> tuple[int, trend.Lines, Way]:
    """(first row, line, way) of the shortest window that sees entropy move; else of the first that sees it rest.

    In a longer window the newer half must go on at half the pace at least: an early fall is no fall any more.
    """
    seen: list[tuple[int, trend.Lines, Way]] = []
    for start in starts:
        line, way = _fitted(steps[start:], logs[start:])
        if way in ("growing", "falling"):
            if not seen or _goes_on(line, steps[start:], logs[start:]):
                return start, line, way
            way = "unclear"
        seen.append((start, line, way))
    return next((one for one in seen if one[2] == "flat"), seen[0])


def _goes_on(line: trend.Lines, steps: Floats, logs: Floats) -> bool:
    """Whether the newer half surely goes the way of the whole, at half its pace at least."""
    half = len(steps) // 2
    newer = trend.fit(*_thinned(steps[half:], logs[half:]))
    sure = newer.low > 0 if line.slope > 0 else newer.high < 0
    return bool(sure and abs(newer.slope) > abs(line.slope) / 2)


def _fitted(steps: Floats, logs: Floats) -> tuple[trend.Lines, Way]:
    x, y = _thinned(steps, logs)
    line = trend.fit(x - steps[-1], y)
    return line, _way(line, float(steps[-1] - steps[0]))


def _before(steps: Floats, logs: Floats, seed: int) -> Course | None:
    """The growth or fall that a bend put an end to."""
    found = bend("entropy", steps, logs, draws=DRAWS, seed=seed)
    end = 0 if found is None else int(np.searchsorted(steps, found.step)) + 1
    if end < trend.LEAST:
        return None
    x, y = _thinned(steps[:end], logs[:end])
    line = trend.fit(x - steps[end - 1], y)
    way = _way(line, float(steps[end - 1] - steps[0]))
    if way not in ("growing", "falling"):
        return None
    told = Course(way, end, math.exp(float(line.level)), float(steps[end - 1]), float(steps[0]))
    return _ahead(told, line, x - steps[end - 1], y, seed)


def _last(steps: Floats, logs: Floats) -> tuple[float, float]:
    return (math.exp(float(np.median(logs[-3:]))), float(steps[-1])) if len(steps) else (math.nan, math.nan)


def _beginning(steps: Floats, logs: Floats, seed: int) -> tuple[Moved | None, list[int]]:
    """The bend, if entropy has been on its way since; and the rows that a fit may begin with."""
    found = bend("entropy", steps, logs, draws=DRAWS, seed=seed)
    usual = sorted({max(0, len(steps) - window) for window in WINDOWS}, reverse=True)
    if found is None:
        return None, usual
    start = int(np.searchsorted(steps, found.step))
    if len(steps) - start < trend.LEAST:
        return None, usual
    x, y = _thinned(steps[start:], logs[start:])
    line = trend.fit(x, y)
    on_its_way = bool(line.low > 0 if found.up else line.high < 0)
    if on_its_way and len(steps) - start >= 4 * trend.LEAST:
        on_its_way = _goes_on(line, steps[start:], logs[start:])
    return (found, [start]) if on_its_way else (None, usual)


def _thinned(steps: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """At most twice trend.POINTS rows: medians of neighbours."""
    each = max(1, len(steps) // (2 * trend.POINTS))
    cut = len(steps) % each
    return np.median(steps[cut:].reshape(-1, each), axis=1), np.median(logs[cut:].reshape(-1, each), axis=1)


def _way(line: trend.Lines, span: float) -> Way:
    slope, low, high = float(line.slope), float(line.low), float(line.high)
    if low > 0 and slope * span >= RISE:
        return "growing"
    if high < 0 and -slope * span >= FALL:
        return "falling"
    return "flat" if low > -PLATEAU and high < PLATEAU else "unclear"


def _ahead(told: Course, line: trend.Lines, x: Floats, y: Floats, seed: int) -> Course:
    """Doubling time, steps to the limit, and the ribbon from lines through redrawn residuals."""
    slope, level = float(line.slope), float(line.level)
    limit = _limit(told.way, math.exp(level))
    clean = level + slope * x
    again = clean + redrawn(y - clean, DRAWS, spent=2, seed=seed)
    drawn = trend.fit(np.broadcast_to(x, again.shape), again)
    widened = tails(y - clean, spent=2)
    slopes, levels = slope + widened * (drawn.slope - slope), level + widened * (drawn.level - level)
    gap = math.log(limit) - level
    until = _known(gap / slope, _steps_to(math.log(limit) - levels, slopes)) if gap * slope > 0 else None
    # Drawn a little beyond the limit, and no further than the past bears.
    reach = min(max(AHEAD, 1.2 * until.value if until else 0.0), FAR * max(told.last - told.first, 1.0))
    grid = np.concatenate([np.linspace(told.first - told.last, 0, 30), np.linspace(0, reach, 31)[1:]])
    fan = np.quantile(levels[:, None] + slopes[:, None] * grid, [0.025, 0.975], axis=0)
    shown = [tuple(np.exp(np.minimum(part, 6.0)).tolist()) for part in (level + slope * grid, *fan)]
    beyond = levels + slopes * AHEAD
    share = float(np.mean(beyond >= math.log(limit) if slope > 0 else beyond <= math.log(limit)))
    time = _known(math.log(2) / abs(slope), math.log(2) / np.maximum(np.abs(slopes), 1e-12))
    when = tuple((grid + told.last).tolist())
    told = replace(told, time=time, limit=limit, until=until, chance=share)
    return replace(told, steps=when, fit=shown[0], low=shown[1], high=shown[2])


def _limit(way: Way, level: float) -> float:
    """Up: 1 nat, then 2; beyond those the next doubling. Down: LOW, then its half."""
    if way == "growing":
        return next((limit for limit in (1.0, HIGH) if level < 0.95 * limit), 2 * level)
    return LOW if level > LOW else level / 2


def _steps_to(gaps: Floats, slopes: Floats) -> Floats:
    """Infinite where a drawn line goes the other way."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gaps * slopes > 0, gaps / slopes, np.inf)


def _known(value: float, drawn: Floats) -> Known:
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return Known(value, min(float(low), value), max(float(high), value))
