"""Where a score is heading, and whether more compute is worth it: ScaleRL's sigmoid, where the data can tell (6.3).

Nothing is said of a ceiling that the data do not pin down: a run that has seen half of the way up fits any of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyses import sigmoid
from analyses.evaluations import student
from analyses.resample import redrawn, stickiness, tails

Floats = NDArray[np.float64]
Advice = Literal["stop", "go on", "cannot tell"]

LEAST = 8  # evaluations for a fit
ENOUGH = 12  # for a ceiling
EARLY = 0.05  # of the compute so far is left out: the curve holds from there on (a tenth left the ceiling less sure)
BINS = 120  # longer series are averaged down to so many
STEP = 0.005  # of the ceilings that are tried
WIDEST = 0.15  # interval of the ceiling, as a share of the score's range
NEXT = 1.25  # times the compute so far: how far ahead is looked
DRAWS = 1_000
IN_A_ROW = 3
SURE = 0.9
FLAT = "the score does not rise"


@dataclass(frozen=True, slots=True)
class Known:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """n evaluations, compute (C) in whatever unit they came. why: what keeps the ceiling from being told, else "".

    ceiling, middle: A and Cmid; None without a fit. steepness, start: B and R0. errors: RMSE on the last 20 % of a fit
    to the rest: sigmoid, power law, line. gain: of a quarter more compute, its bounds one-sided 90 %. noise: standard
    error of one evaluation. x, fit, low, high (k,): the curve to NEXT times C with its pointwise interval.
    spent (m,): compute of every score, where the caller keeps it.
    """

    n: int
    why: str
    ceiling: Known | None = None
    middle: Known | None = None
    steepness: float = math.nan
    start: float = math.nan
    errors: tuple[tuple[str, float], ...] = ()
    gain: Known | None = None
    noise: float = math.nan
    advice: Advice = "cannot tell"
    because: str = ""
    x: tuple[float, ...] = ()
    fit: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    spent: tuple[float, ...] = ()

    @property
    def identifiable(self) -> bool:
        return not self.why

    @property
    def best(self) -> str:
        """The law with the smallest hold-out error; "" where none was held out."""
        return min(self.errors, key=lambda error: error[1])[0] if self.errors else ""


@dataclass(frozen=True, slots=True)
class _Data:
    """Averaged rows: compute, logs, values, weights, all (n,)."""

    compute: Floats
    logs: Floats
    values: Floats
    weights: Floats

    def first(self, n: int) -> _Data:
        return _Data(self.compute[:n], self.logs[:n], self.values[:n], self.weights[:n])


def forecast(
    compute: ArrayLike,
    scores: ArrayLike,
    errors: ArrayLike | None = None,
    *,
    top: float = 1.0,
    least_gain: float = 0.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Forecast:
    """compute (n,) ascending, 0 for evaluations before the first step; scores (n,); errors (n,): their standard errors.

    top: the highest score there is (inf: none is known). One stage of one run: a switch makes a second sigmoid. Better
    of validation scores: hacked rewards have a sigmoid too.
    """
    data = _prepare(compute, scores, errors)
    n = len(data.values)
    if n < LEAST:
        return Forecast(n, f"{n} evaluations after the early part, {LEAST} are needed")
    best, cells = _fit(data, top)
    spread = math.sqrt(float(best.cost[0]) / max(n - 4, 1))
    ceiling, middle = _profile(data, top, best, cells)
    drawn = _redraw(data, best, top, draws, seed)
    x = np.geomspace(max(data.compute[data.compute > 0].min(), data.compute[-1] / 1e3), NEXT * data.compute[-1], 60)
    logs = np.log(x)
    low, high = np.quantile(drawn.at(logs), [0.025, 0.975], axis=0)
    held = _hold_out(data, top)
    why = _blocked(data, best, ceiling, middle, top, held)
    noise = float(np.sqrt(1 / np.median(data.weights))) if errors is not None else spread
    gain = _gain(data, best, drawn)
    advice: Advice = "cannot tell"
    because = why
    if why in ("", FLAT):
        advice, because = _advise(data, top, gain, max(noise, least_gain), seed)
    return Forecast(
        n, why, ceiling, middle, float(np.exp(best.steep[0])), float(best.start[0]), held,
        gain, noise, advice, because, tuple(x), tuple(best.at(logs)[0]), tuple(low), tuple(high),
    )  # fmt: skip


def _prepare(compute: ArrayLike, scores: ArrayLike, errors: ArrayLike | None) -> _Data:
    spent, values = np.asarray(compute, np.float64), np.asarray(scores, np.float64)
    noise = np.ones(len(values)) if errors is None else np.asarray(errors, np.float64)
    good = np.isfinite(spent) & np.isfinite(values) & (spent >= 0)
    typical = np.nanmedian(noise[good]) if good.any() and np.isfinite(noise[good]).any() else 1.0
    noise = np.where(np.isfinite(noise) & (noise > 0), noise, typical if typical > 0 else 1.0)
    good &= (spent == 0) | (spent > EARLY * np.max(spent[good], initial=0.0))
    order = np.flatnonzero(good)[np.argsort(spent[good], kind="stable")]
    spent, values, weights = spent[order], values[order], 1 / noise[order] ** 2
    each = -(-len(spent) // BINS)
    if each > 1:
        begin = np.arange(0, len(spent), each)
        size = np.diff(np.append(begin, len(spent)))
        spent, values, weights = (np.add.reduceat(part, begin) / size for part in (spent, values, weights))
        weights = weights * size
    return _Data(spent, sigmoid.logs_of(spent), values, weights)


def _fit(data: _Data, top: float, *, width: float = STEP) -> tuple[sigmoid.Fits, sigmoid.Fits]:
    """(the best curve, the best one for each ceiling). Without a known top ceilings reach five ranges up."""
    seen = float(np.ptp(data.values)) or 1e-9
    highest = top if math.isfinite(top) else float(data.values.max()) + 5 * seen
    lowest = float(np.median(data.values))
    count = int(np.clip((highest - lowest) / width if math.isfinite(top) else 200, 2, 240))
    cells = sigmoid.profile(data.logs, data.values, data.weights, np.linspace(lowest, highest, count))
    start = cells.of(np.array([int(cells.cost.argmin())]))
    return sigmoid.polish(data.logs, data.values, data.weights, start, top=top), cells


def _profile(data: _Data, top: float, best: sigmoid.Fits, cells: sigmoid.Fits) -> tuple[Known, Known]:
    """Profile intervals of ceiling and Cmid: what raises the cost less than noise does, more where residuals stick."""
    n, lowest = len(data.values), min(float(best.cost[0]), float(cells.cost.min()))
    rest = (data.values - best.at(data.logs)[0]) * np.sqrt(data.weights)
    allowed = lowest * (1 + student(max(n - 4, 1)) ** 2 / max(n - 4, 1) * stickiness(rest))
    ceiling = _within(cells.ceiling, cells.cost, float(best.ceiling[0]), allowed)
    middle, width = float(best.middle[0]), 3.0
    for _ in range(2):  # once wide, then where the first look found it
        tried = middle + np.linspace(-width, width, 41)
        fits = sigmoid.profile_middle(data.logs, data.values, data.weights, best, tried, top)
        found = _within(tried, fits.cost, middle, allowed)
        width = min(max(found.high - middle, middle - found.low) * 1.2, 4.0)
    return ceiling, Known(math.exp(middle), math.exp(found.low), math.exp(found.high))


def _within(tried: Floats, cost: Floats, best: float, allowed: float) -> Known:
    """Between the first and the last crossing of what is allowed, interpolated; the best is always within."""
    inside = np.flatnonzero(cost <= allowed)
    if not len(inside):
        half = float(tried[1] - tried[0]) / 2
        return Known(best, best - half, best + half)
    low, high = int(inside[0]), int(inside[-1])
    ends = [float(tried[low]), float(tried[high])]
    if low > 0:
        ends[0] = float(np.interp(-allowed, -cost[[low - 1, low]], tried[[low - 1, low]]))
    if high < len(tried) - 1:
        ends[1] = float(np.interp(allowed, cost[[high, high + 1]], tried[[high, high + 1]]))
    return Known(best, min(ends[0], best), max(ends[1], best))


def _blocked(
    data: _Data, best: sigmoid.Fits, ceiling: Known, middle: Known, top: float, errors: tuple[tuple[str, float], ...]
) -> str:
    now, third = float(data.compute[-1]), max(len(data.values) // 3, 1)
    reach = 1.0 if top == 1.0 else float(np.ptp(data.values)) / 0.5
    held = dict(errors)
    if best.ceiling[0] <= best.start[0] or data.values[-third:].mean() <= data.values[:third].mean():
        return FLAT
    if len(data.values) < ENOUGH:
        return f"{len(data.values)} evaluations are few, a ceiling needs {ENOUGH}"
    if middle.high > now:
        return "the half-way point of the rise may still lie ahead"
    if ceiling.value > top - STEP / 5:
        return "nothing but the highest score there is bounds the ceiling"
    if ceiling.high - ceiling.low >= WIDEST * reach:
        return "the ceiling fits anywhere in a wide range"
    if held and held["line"] < held["sigmoid"]:
        return "a straight line foretells the last fifth better than the curve"
    return ""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Curves that could have been. widened: t over normal, for how few rows there are."""

    fits: sigmoid.Fits
    best: sigmoid.Fits
    widened: float

    def at(self, logs: Floats) -> Floats:
        middle = self.best.at(logs)
        return middle + self.widened * (self.fits.at(logs) - middle)


def _redraw(data: _Data, best: sigmoid.Fits, top: float, draws: int, seed: int) -> _Drawn:
    """Refits through the fitted curve plus residuals as they could have been."""
    clean, root = best.at(data.logs)[0], np.sqrt(data.weights)
    rest = (data.values - clean) * root
    values = clean + redrawn(rest, draws, spent=4, seed=seed) / root
    first = best.of(np.zeros(draws, np.int64))
    fits = sigmoid.polish(data.logs, values, data.weights, first, top=top, rounds=12)
    return _Drawn(fits, best, tails(rest, spent=4))


def _gain(data: _Data, best: sigmoid.Fits, drawn: _Drawn) -> Known:
    both = np.log(np.array([1.0, NEXT]) * data.compute[-1])
    each = np.diff(drawn.at(both), axis=1)[:, 0]
    low, high = np.quantile(each, [1 - SURE, SURE])
    return Known(float(np.diff(best.at(both), axis=1)[0, 0]), float(low), float(high))


def _advise(data: _Data, top: float, gain: Known, enough: float, seed: int) -> tuple[Advice, str]:
    """Stop only if a quarter more compute would bring less than `enough`, at each of the newest evaluations."""
    highs = [gain.high]
    for back in range(1, IN_A_ROW):
        part = data.first(len(data.values) - back)
        if len(part.values) < LEAST:
            return "cannot tell", f"the rule asks {IN_A_ROW} evaluations in a row for the same"
        best, _ = _fit(part, top, width=4 * STEP)
        highs.append(_gain(part, best, _redraw(part, best, top, 200, seed)).high)
    if max(highs) < enough:
        return "stop", f"a quarter more compute brings at most {gain.high:.3g}, less than {enough:.3g}"
    return "go on", f"a quarter more compute may still bring {gain.high:.3g}"


def _hold_out(data: _Data, top: float) -> tuple[tuple[str, float], ...]:
    """RMSE on the last fifth of three laws that were fitted to the rest."""
    n = len(data.values) - max(1, len(data.values) // 5)
    if n < LEAST:
        return ()
    past, spent, seen = data.first(n), data.compute[n:], data.values[n:]
    curve = _fit(past, top, width=4 * STEP)[0].at(data.logs[n:])[0]
    line = np.polynomial.Polynomial.fit(past.compute, past.values, 1, w=np.sqrt(past.weights))(spent)
    laws = {"sigmoid": curve, "power law": _power_law(past, spent), "line": line}
    return tuple((name, float(np.sqrt(np.mean((seen - said) ** 2)))) for name, said in laws.items())


def _power_law(past: _Data, spent: Floats) -> Floats:
    """A - D C^-B at `spent`: linear once B is chosen, and B is from a fine grid."""
    good, root = past.compute > 0, np.sqrt(past.weights)
    fits = []
    for power in np.geomspace(0.02, 4, 120):
        unit = past.compute[good] / past.compute[-1]
        table = np.stack([np.ones(good.sum()), unit**-power], 1) * root[good, None]
        found, *_ = np.linalg.lstsq(table, past.values[good] * root[good], rcond=None)
        cost = float(((table @ found - past.values[good] * root[good]) ** 2).sum())
        fits.append((cost, float(found[0]), float(found[1]), float(power)))
    _, ceiling, depth, power = min(fits)
    said: Floats = ceiling + depth * (spent / past.compute[-1]) ** -power
    return said
