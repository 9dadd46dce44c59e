"""Is one run better than another? Rows of a run are no independent draws, and one seed is no evidence about the next.

`within` compares stretches of two runs row by row: what it tells is within-run noise only. `between` compares groups of
seeds, where each run counts once. Neither prints a p-value that it cannot stand by (dynamics 6.4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyses.evaluations import student
from analyses.resample import MOST, correlation, stationary, stickiness

Floats = NDArray[np.float64]

LEAST = 30  # independent rows on each side, or no p-value
LAST = 0.2  # of the common stretch that the end is judged by
GRID = 200
DRAWS = 1_000
EXACT = 20_000  # ways to deal the seeds that are all tried
FEW_ROWS = "too few independent rows"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one run over the stretch that all runs have. area: mean height of the curve there; end: of its last
    fifth; n: rows in that fifth; independent: what they amount to."""

    area: float
    end: float
    n: int
    independent: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first, with its 95 % interval. p: two-sided, None where `why` says that it cannot be had."""

    value: float
    low: float
    high: float
    p: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """n seeds of one setting. iqm: their interquartile mean with its interval, None under three seeds."""

    n: int
    mean: float
    sd: float
    iqm: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Better:
    """Second against first over seeds. chance: P(a seed of the second is above one of the first), ties half."""

    difference: Difference
    chance: float
    chance_low: float | None
    chance_high: float | None


@dataclass(frozen=True, slots=True)
class Bands:
    """Curves of n runs at each of k places: mean, sd, lowest and highest, interquartile mean with its 95 % interval.
    NaN where fewer than all runs have something; intervals under three runs."""

    n: int
    mean: Floats
    sd: Floats
    lowest: Floats
    highest: Floats
    iqm: Floats
    iqm_low: Floats
    iqm_high: Floats


def bands(curves: ArrayLike, *, draws: int = 300, seed: int = 0) -> Bands:
    """curves: (n, k), on one grid."""
    table = np.asarray(curves, np.float64)
    n, k = table.shape
    nothing = np.full(k, np.nan)
    sd = table.std(axis=0, ddof=1) if n > 1 else nothing
    middle = _iqms(table.T[:, :, None])
    low, high = nothing, nothing
    if n > 2:
        picked = np.random.default_rng(seed).integers(0, n, (draws, n))
        ordered = np.sort(table[picked], axis=1)
        cut = n // 4
        low, high = np.quantile(ordered[:, cut : n - cut].mean(axis=1), [0.025, 0.975], axis=0)
        widened = student(n - 1) / student(10**9) * (math.sqrt(n / (n - 1)) if n < 4 else 1)
        low, high = middle - widened * (middle - low), middle + widened * (high - middle)
    return Bands(n, table.mean(axis=0), sd, table.min(axis=0), table.max(axis=0), middle, low, high)


def common(xs: Sequence[ArrayLike]) -> tuple[float, float]:
    """The stretch of x (tokens, GPU-hours, steps) that every run has; NaN where there is none."""
    ends = [(float(np.nanmin(x)), float(np.nanmax(x))) for x in map(np.asarray, xs) if np.isfinite(x).any()]
    if len(ends) < len(xs) or not ends:
        return math.nan, math.nan
    low, high = max(first for first, _ in ends), min(last for _, last in ends)
    return (low, high) if high > low else (math.nan, math.nan)


def on_grid(x: ArrayLike, y: ArrayLike, grid: ArrayLike) -> Floats:
    """The curve at `grid` (k,), interpolated; NaN outside of what it has."""
    at, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    good = np.isfinite(at) & np.isfinite(values)
    if not good.any():
        return np.full(len(np.asarray(grid)), np.nan)
    order = np.argsort(at[good], kind="stable")
    return np.interp(np.asarray(grid, np.float64), at[good][order], values[good][order], left=np.nan, right=np.nan)


def stretch(x: ArrayLike, y: ArrayLike, low: float, high: float) -> Stretch:
    """What a run is over low..high of x. NaN and 0 rows where it has nothing there."""
    values = on_grid(x, y, np.linspace(low, high, GRID))
    rows = last_rows(x, y, low, high)
    area = float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
    return Stretch(area, float(rows.mean()) if len(rows) else math.nan, len(rows), independent(rows))


def last_rows(x: ArrayLike, y: ArrayLike, low: float, high: float) -> Floats:
    """The finite rows in the last fifth of low..high, in order of x."""
    at, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    mine = np.flatnonzero((at >= high - LAST * (high - low)) & (at <= high) & np.isfinite(values))
    return values[mine[np.argsort(at[mine], kind="stable")]]


def independent(rows: ArrayLike) -> float:
    """Rows (n,) over their integrated autocorrelation time, after their line was taken out."""
    values = np.asarray(rows, np.float64)
    return len(values) / stickiness(_detrended(values), spent=2) if len(values) > 3 else 0.0


def surely_independent(rows: ArrayLike) -> float:
    """As `independent`, at an autocorrelation one standard error (Bartlett's sqrt((1 - r^2) / n)) above the estimate:
    the runs whose rows look freer than they are would else be those that get a test, and fail it."""
    values = np.asarray(rows, np.float64)
    n = len(values)
    if n < 4:
        return 0.0
    r = correlation(_detrended(values), spent=2)
    r = min(max(r, 0.0) + math.sqrt((1 - r * r) / n), MOST)
    return n * (1 - r) / (1 + r)


def _detrended(values: Floats) -> Floats:
    place = np.arange(len(values)) - (len(values) - 1) / 2
    rest: Floats = values - values.mean() - place * (place @ values) / (place @ place)
    return rest


def within(first: ArrayLike, second: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Difference:
    """Means of two stretches of rows: within-run noise only.

    Stationary block bootstrap in blocks of max(n^(1/3), 2 IAT); the error is not let below that of an AR(1) with as
    many independent rows, and tails are Student's. No p under LEAST independent rows: a test would reject far too
    often (r = .9 and 300 rows: 14 to 69 % instead of 5 %). Raises ValueError for an empty stretch.
    """
    sides = [np.asarray(rows, np.float64) for rows in (first, second)]
    sides = [rows[np.isfinite(rows)] for rows in sides]
    if not all(len(rows) for rows in sides):
        raise ValueError("a stretch without rows cannot be compared")
    value = float(sides[1].mean() - sides[0].mean())
    sure = [surely_independent(rows) for rows in sides]
    if min(sure) < LEAST:
        return Difference(value, math.nan, math.nan, None, f"{FEW_ROWS} ({min(sure):.0f}, a test needs {LEAST})")
    left = [n if n < 2 * LEAST else independent(rows) for n, rows in zip(sure, sides, strict=True)]
    errors = [_error(rows, n, draws, seed + i) for i, (rows, n) in enumerate(zip(sides, left, strict=True))]
    error = math.hypot(*errors)
    if error == 0:
        return Difference(value, value, value, 1.0 if value == 0 else 0.0)
    half = student(min(left) - 1) * error
    return Difference(value, value - half, value + half, tail(value / error, min(left) - 1))


def _error(rows: Floats, left: float, draws: int, seed: int) -> float:
    drawn = stationary(rows, draws, stick=len(rows) / left, seed=seed)
    return max(float(drawn.std(ddof=1)), float(rows.std(ddof=1)) / math.sqrt(left))


def tail(t: float, freedom: float) -> float:
    """Two-sided p of Student's t, by its normal approximation (Wallace 1959), good to 3 digits from 5 degrees on."""
    scale = (8 * freedom + 1) / (8 * freedom + 3)
    z = scale * math.sqrt(freedom * math.log1p(t * t / freedom))
    return math.erfc(z / math.sqrt(2))


def iqm(values: ArrayLike) -> float:
    """Interquartile mean: a quarter of the values, rounded down, is left out on each side (Agarwal et al. 2021)."""
    ordered = np.sort(np.asarray(values, np.float64), axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean()) if len(ordered) else math.nan


def chance(first: ArrayLike, second: ArrayLike) -> float:
    """P(a value of the second > one of the first), ties half, over all pairs."""
    x, y = np.asarray(second, np.float64)[:, None], np.asarray(first, np.float64)[None, :]
    return float(np.mean((x > y) + 0.5 * (x == y)))


def group(scores: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Group:
    """scores (n,), or (n, m) of n seeds on m tasks: tasks are the strata, seeds are drawn anew in each of them."""
    table = _table(scores)
    n, drawn = len(table), _draws(table, draws, seed)
    value, sd = iqm(table), float(table.mean(axis=1).std(ddof=1)) if n > 1 else math.nan
    low, high = _interval(value, _iqms(drawn), n, n - 1) if n > 2 else (None, None)
    return Group(n, float(table.mean()), sd, value, low, high)


def between(first: ArrayLike, second: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Better:
    """Two settings, a score for each seed (n,) or each seed and task (n, m), same tasks in both.

    Interval: stratified bootstrap, widened for few seeds. p: of dealing the seeds anew between the two, exact where
    that can be counted; None where even a clean sweep could not reach 5 %.
    """
    a, b = _table(first), _table(second)
    value = iqm(b) - iqm(a)
    if min(len(a), len(b)) < 2:
        blank = Difference(value, math.nan, math.nan, None, "one seed: within-run noise only")
        return Better(blank, chance(a.mean(axis=1), b.mean(axis=1)), None, None)
    drawn = [_draws(table, draws, seed + i) for i, table in enumerate((a, b))]
    low, high = _interval(value, _iqms(drawn[1]) - _iqms(drawn[0]), min(len(a), len(b)), len(a) + len(b) - 2)
    p = _dealt(a.mean(axis=1), b.mean(axis=1), seed)
    least = 2 / math.comb(len(a) + len(b), len(a))
    why = f"{len(a)} and {len(b)} seeds cannot show a difference at 5 %" if least > 0.05 else ""
    x, y = drawn[1].mean(axis=2)[:, :, None], drawn[0].mean(axis=2)[:, None, :]
    each = np.mean((x > y) + 0.5 * (x == y), axis=(1, 2))
    edges = np.quantile(each, [0.025, 0.975])
    told = Difference(value, low, high, None if why else p, why)
    seen = chance(a.mean(axis=1), b.mean(axis=1))
    if edges[0] == edges[1]:  # a clean sweep in every draw: draws of so few seeds cannot tell how sure that is
        return Better(told, seen, None, None)
    return Better(told, seen, float(edges[0]), float(edges[1]))


def _table(scores: ArrayLike) -> Floats:
    table = np.asarray(scores, np.float64)
    return table[:, None] if table.ndim == 1 else table


def _draws(table: Floats, draws: int, seed: int) -> Floats:
    """(draws, n, m): seeds drawn anew in each task."""
    n, m = table.shape
    picked = np.random.default_rng(seed).integers(0, n, (draws, n, m))
    return np.asarray(np.take_along_axis(table[None], picked, axis=1))


def _iqms(drawn: Floats) -> Floats:
    flat = np.sort(drawn.reshape(len(drawn), -1), axis=1)
    cut = flat.shape[1] // 4
    return np.asarray(flat[:, cut : flat.shape[1] - cut].mean(axis=1), np.float64)


def _interval(value: float, drawn: Floats, n: int, freedom: int) -> tuple[float, float]:
    """Percentiles of the draws, wider where n is small: draws from n seeds scatter too little, and have light tails."""
    widened = student(freedom) / student(10**9)
    if n < 4:  # nothing is trimmed yet, and draws of a plain mean scatter by sqrt((n-1)/n) too little
        widened *= math.sqrt(n / (n - 1))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return value - widened * (value - float(low)), value + widened * (float(high) - value)


def _dealt(a: Floats, b: Floats, seed: int) -> float:
    """Two-sided p of the difference of means when the seeds are dealt anew."""
    pool, n = np.concatenate([a, b]), len(a)
    seen = abs(float(b.mean() - a.mean()))
    if math.comb(len(pool), n) <= EXACT:
        mine = np.array(list(combinations(range(len(pool)), n)))
        sums = pool[mine].sum(axis=1)
    else:
        order = np.argsort(np.random.default_rng(seed).random((DRAWS * 10, len(pool))), axis=1)[:, :n]
        sums = np.append(pool[order].sum(axis=1), a.sum())
    apart = np.abs((pool.sum() - sums) / len(b) - sums / n)
    return float(np.mean(apart >= seen * (1 - 1e-12)))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """p-values that hold together (Holm 1979); None stays None and costs nothing."""
    there = sorted((value, i) for i, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    worst = 0.0
    for rank, (value, i) in enumerate(there):
        worst = max(worst, min(1.0, value * (len(there) - rank)))
        adjusted[i] = worst
    return adjusted
