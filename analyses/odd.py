"""Which steps of a run look unlike the rest over all its metrics, and which metrics make them so.

For the eye after the fact, never an alert: "odd" is not "bad", and the forest has seen the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analyses.series import middle, spread

if TYPE_CHECKING:
    from analyses.contract import Bools, Floats, Ints

WINDOW = 31  # rows: slower changes are the run's course, not odd steps
LEAST_ROWS, MOST_METRICS = 30, 200
WIDEST = 50.0  # deviations at which a value is as odd as can be
TREES, SEED = 200, 0


@dataclass(frozen=True, slots=True)
class Odd:
    """One step. score: 0 (like the rest) to 1, Liu et al. 2008. why: metric -> deviations from its course, the
    farthest first, signed."""

    step: int
    score: float
    why: Mapping[str, float]


def odd_steps(steps: Ints, metrics: Mapping[str, Floats], *, most: int = 10, reasons: int = 3) -> list[Odd]:
    """The steps least like the others, oddest first; none in a run under 30 rows or without a metric that moves.

    steps: (n,); metrics: name -> (n,), NaN where absent. A step is named only where some metric is 4 of its robust
    deviations off its course. Isolation forest on what is left of each metric without its running median.
    """
    names, table = _table(metrics)
    if len(steps) < LEAST_ROWS or not names:
        return []
    scores = _scores(table)
    far = np.abs(table).max(axis=1) >= 4
    order = [i for i in np.argsort(-scores, kind="stable") if far[i]][:most]
    return [Odd(int(steps[i]), float(scores[i]), _why(names, table[i], reasons)) for i in order]


def _scores(table: Floats) -> Floats:
    """(n,) isolation scores: how few random cuts part a row from the others."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=TREES, random_state=SEED).fit(table)
    scores: Floats = -forest.score_samples(table)
    return scores


def _table(metrics: Mapping[str, Floats]) -> tuple[list[str], Floats]:
    """(n, m) signed deviations of the metrics that move; 0 where a value is absent, the widest where it is infinite."""
    columns = {name: _deviations(np.asarray(values, np.float64)) for name, values in metrics.items()}
    moving = {name: column for name, column in columns.items() if column is not None}
    names = sorted(moving, key=lambda name: -float(np.abs(moving[name]).max()))[:MOST_METRICS]
    return names, np.column_stack([moving[name] for name in names]) if names else np.zeros((0, 0))


def _deviations(values: Floats) -> Floats | None:
    """Off the running median, in robust deviations of the whole run; None for what is constant or hardly logged."""
    finite = np.isfinite(values)
    if finite.sum() < LEAST_ROWS:
        return None
    clipped = np.where(finite, np.clip(values, -1e100, 1e100), np.nan)
    off = clipped - _course(clipped)
    jumps = np.abs(
        np.diff(clipped)
    )  # on a slope the running median goes through the rows themselves: `off` is too small
    size = max(float(spread(off[None, :])[0]), float(1.0484 * middle(jumps[None, :])[0]))
    if size <= 0:  # mostly one value: measure by the mean distance of those that differ
        size = float(np.nanmean(np.abs(off)))
    if not size > 0:
        return None
    deviations = np.clip(np.nan_to_num(off / size), -WIDEST, WIDEST)
    return np.where(np.isinf(values), np.sign(values) * WIDEST, deviations)


def _course(values: Floats) -> Floats:
    """The centred running median. Past both ends the run goes on mirrored, so that a slope has no odd ends."""
    half = WINDOW // 2
    first, last = middle(values[None, :5])[0], middle(values[None, -5:])[0]
    padded = np.concatenate([2 * first - values[half + 4 : 4 : -1], values, 2 * last - values[-6 : -half - 6 : -1]])
    return middle(np.lib.stride_tricks.sliding_window_view(padded, WINDOW))


def _why(names: list[str], row: Floats, reasons: int) -> dict[str, float]:
    order = np.argsort(-np.abs(row), kind="stable")[:reasons]
    odd: Bools = np.abs(row[order]) >= 2
    return {names[i]: float(row[i]) for i, far in zip(order, odd, strict=True) if far}
