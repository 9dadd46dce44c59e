"""What a run had spent by each of its steps: GPU-hours, hours, tokens, or steps where nothing else is logged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from answers.curves import Curves

Floats = NDArray[np.float64]

NEEDED = ("time_step", "tokens_total", "tokens_per_step")
HOUR = 3600.0


class Spent(NamedTuple):
    """unit; at (n,): steps, ascending; spent (n,): since the start, ascending."""

    unit: str
    at: Floats
    spent: Floats

    def by(self, steps: Floats | NDArray[np.int64]) -> Floats:
        """What was spent by these steps."""
        return np.interp(steps, self.at, self.spent) if len(self.at) else np.full(len(steps), np.nan)


def steps(curves: Curves) -> Spent:
    every = [curve.steps for curve in curves.held.values()] or [np.zeros(1, np.int64)]
    at = np.unique(np.concatenate(every)).astype(np.float64)
    return Spent("steps", at, at)


def tokens(curves: Curves) -> Spent | None:
    """None where the log counts none."""
    at, total = live(curves, "tokens_total")
    if len(at) < 2:
        at, total = _summed(curves, "tokens_per_step")
    return Spent("tokens", at, np.maximum.accumulate(total)) if len(at) > 1 else None


def hours(curves: Curves, gpus: int | None, *, short: bool = False) -> Spent | None:
    """GPU-hours where it is known how many GPUs there are, else hours: from the time of each step, else from the
    clock. None where the log has neither. short: minutes, where it is less than half an hour in all."""
    at, seconds = _summed(curves, "time_step")
    if len(at) < 2:
        at, seconds = _clock(curves)
    if len(at) < 2:
        return None
    spent = seconds * (gpus or 1)
    word, per = ("minutes", HOUR / 60) if short and spent[-1] < HOUR / 2 else ("hours", HOUR)
    return Spent(f"GPU-{word}" if gpus else word, at, spent / per)


def dearest(curves: Curves, gpus: int | None) -> Spent:
    """The best measure of cost that there is."""
    return hours(curves, gpus, short=True) or tokens(curves) or steps(curves)


def live(curves: Curves, name: str, first: int = 0) -> tuple[Floats, Floats]:
    """(steps, values) of the finite live points from step `first` on."""
    if name not in curves:
        return np.zeros(0), np.zeros(0)
    curve = curves.held[name]
    mine = curve.live & (curve.steps >= first) & np.isfinite(curve.values)
    return curve.steps[mine].astype(np.float64), curve.values[mine]


def _summed(curves: Curves, name: str) -> tuple[Floats, Floats]:
    """(steps, running sum) of what each step took; a row that stands for several steps counts as often."""
    at, values = live(curves, name)
    if len(at) < 2:
        return at, values
    return at, np.cumsum(values * np.diff(at, prepend=at[0] - np.median(np.diff(at))))


def _clock(curves: Curves) -> tuple[Floats, Floats]:
    """(steps, seconds since the first) by the longest curve's wall times; nothing where they stand still."""
    longest = max(curves.held.values(), key=len, default=None)
    if longest is None:
        return np.zeros(0), np.zeros(0)
    mine = longest.live & np.isfinite(longest.walls)
    at, walls = longest.steps[mine].astype(np.float64), longest.walls[mine]
    if not len(at) or np.ptp(walls) == 0:
        return np.zeros(0), np.zeros(0)
    return at, np.maximum.accumulate(walls - walls[0])
