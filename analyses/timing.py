"""Where the time of a step goes, and what it costs to wait for the longest response."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analyses.level import ROWS, Level, level

Floats = NDArray[np.float64]

ALIKE = 1.5  # x: lengths further from those of before than this are no comparison
OTHER = 0.15  # of a step: more than this that no stage accounts for is worth a look


def shares(step: Floats, parts: dict[str, Floats], rows: int = ROWS) -> tuple[dict[str, float], float]:
    """(part -> its share of the time of the newest steps, how much all parts add up to); all arrays (n,).

    Rows count where the step and every part are known. A sum above 1 means that parts overlap or contain each other.
    """
    known = np.isfinite(step) & (step > 0)
    for seconds in parts.values():
        known &= np.isfinite(seconds)
    at = np.flatnonzero(known)[-rows:]
    whole = float(step[at].sum())
    if not parts or whole <= 0:
        return {}, 0.0
    found = {name: float(seconds[at].sum()) / whole for name, seconds in parts.items()}
    return found, sum(found.values())


def bubble(mean: Floats, longest: Floats) -> Floats:
    """Share of the generation's slots that wait for the longest response: 1 - mean / max, row by row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(longest > 0, 1 - mean / longest, np.nan)


def straggling(spread: float, responses: float) -> float:
    """max / mean that so many lognormal lengths have: exp(s sqrt(2 ln K) - s^2 / 2). spread: s, of ln length.

    >>> round(straggling(0.6, 256), 1)
    6.2
    """
    return math.exp(spread * math.sqrt(2 * math.log(responses)) - spread**2 / 2)


def log_spread(mean: float, std: float) -> float:
    """s of the lognormal with this mean and standard deviation."""
    return math.sqrt(math.log1p((std / mean) ** 2)) if mean > 0 and std >= 0 else float("nan")


def change(speed: Floats, length: Floats, rows: int = ROWS) -> Level | None:
    """Change of the throughput of the newest rows against the rows before, as a fraction, at equal response length.

    The slope of ln speed on ln length is that of the rows before. None where there are too few of them, or where the
    lengths have left what those had, by a factor of ALIKE: then nothing can be compared.
    """
    good = np.isfinite(speed) & (speed > 0) & np.isfinite(length) & (length > 0)
    y, x = np.log(speed[good]), np.log(length[good])
    old, new = slice(max(0, len(y) - 10 * rows), max(0, len(y) - rows)), slice(max(0, len(y) - rows), None)
    if len(y[old]) < rows or len(y[new]) < rows:
        return None
    low, high = x[old].min() - math.log(ALIKE), x[old].max() + math.log(ALIKE)
    middle = float(np.median(x[new]))
    if not low <= middle <= high:
        return None
    dx = x[old] - x[old].mean()
    power = float((dx**2).sum())
    slope = float(np.clip((dx * y[old]).sum() / power, -1, 1)) if power > 1e-4 else 0.0
    rest = y[new] - (np.median(y[old] - slope * x[old]) + slope * x[new])
    found = level(rest, rows)
    if found is None:
        return None
    return Level(math.expm1(found.value), math.expm1(found.low), math.expm1(found.high), found.rows)
