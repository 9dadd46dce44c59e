"""R = b - a e^H: the score that entropy is spent on, and the ceiling when none remains (Cui et al. 2025, dynamics 2.3).

The law holds for plain policy gradients. Whatever steers entropy (a bonus, a wider upper clip, a target, covariance
clipping) breaks it, and that is said instead of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyses.forecast import Known
from analyses.resample import redrawn, tails

Floats = NDArray[np.float64]

LEAST = 6  # pairs
MOST = 15.0  # nats: ln of three million tokens
RANGE = 0.15  # of e^H: over less, a and b cannot be told apart
FIT = 0.8  # R^2
NEAR = 5  # steps before and after an evaluation over which its entropy is averaged
DRAWS = 1_000
HELD = 0.6  # of the pairs are fitted for the hold-out error


@dataclass(frozen=True, slots=True)
class Law:
    """n pairs. why: what keeps the law from being applied, "" if nothing. ceiling: b - a, the score at H = 0.

    spent: share of the way from the first score to the ceiling. held_out: RMSE on the last 40 % of a fit to the rest.
    """

    n: int
    why: str
    a: Known | None = None
    b: Known | None = None
    ceiling: Known | None = None
    spent: float = math.nan
    fit: float = math.nan
    held_out: float = math.nan
    entropies: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    @property
    def applies(self) -> bool:
        return not self.why


def pairs(at: ArrayLike, scores: ArrayLike, steps: ArrayLike, entropy: ArrayLike) -> tuple[Floats, Floats]:
    """(entropies, scores) of the evaluations at steps `at`: entropy is the mean of the NEAR steps on both sides.
    Evaluations without a finite score or entropy nearby are left out."""
    when, said = np.asarray(at, np.float64), np.asarray(scores, np.float64)
    axis, level = np.asarray(steps, np.float64), np.asarray(entropy, np.float64)
    good = np.isfinite(level)
    axis, running = axis[good], np.concatenate([[0.0], np.cumsum(level[good])])
    first, last = np.searchsorted(axis, when - NEAR), np.searchsorted(axis, when + NEAR, "right")
    kept = (last > first) & np.isfinite(said)
    sums: Floats = running[last[kept]] - running[first[kept]]
    return sums / (last - first)[kept], said[kept]


def intervention(settings: Mapping[str, Any]) -> str:
    """What in the run's config steers entropy; "" where it says of nothing."""
    low, high = _number(settings, "clip_low"), _number(settings, "clip_high")
    if _number(settings, "entropy_target") > 0:
        return "entropy is held at a target"
    if _number(settings, "entropy_coef") > 0:
        return f"an entropy bonus of {_number(settings, 'entropy_coef'):g} is added"
    if high > low:
        return f"the upper clip ({high:g}) is wider than the lower ({low:g})"
    if any(word in str(settings.get("loss_mode", "")).lower() for word in ("cov",)):
        return "tokens of high covariance are held back"
    return ""


def _number(settings: Mapping[str, Any], name: str) -> float:
    value = settings.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def law(
    entropies: ArrayLike,
    scores: ArrayLike,
    errors: ArrayLike | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    top: float = math.inf,
    draws: int = DRAWS,
    seed: int = 0,
) -> Law:
    """entropies, scores (n,) in the order of their steps; errors (n,): standard errors of the scores.
    top: the highest score there is."""
    h, r = np.asarray(entropies, np.float64), np.asarray(scores, np.float64)
    n, bare = len(h), Law(len(h), "", entropies=tuple(h.tolist()), scores=tuple(r.tolist()))
    if n < LEAST:
        return replace(bare, why=f"{n} evaluations with entropy beside them, {LEAST} are needed")
    if np.max(h) > MOST:
        return replace(bare, why=f"{np.max(h):.3g} nats are more than any vocabulary has")
    if np.ptp(np.exp(h)) < RANGE:
        return replace(bare, why=f"entropy moved too little: e^H by {np.ptp(np.exp(h)):.2f}, {RANGE} are needed")
    weights: Floats = np.ones(n) if errors is None else 1 / np.asarray(errors, np.float64) ** 2
    table = np.stack([-np.exp(h), np.ones(n)], 1)
    solve = _solver(table, weights)
    a, b = (float(part) for part in solve @ r)
    rest = r - table @ np.array([a, b])
    spread = float((weights * (r - np.average(r, weights=weights)) ** 2).sum())
    fit = 1 - float((weights * rest**2).sum()) / spread if spread > 0 else 0.0
    drawn = _redraw(solve, rest, draws, seed)
    ceiling = _known(b - a, drawn[1] - drawn[0])
    spent = (float(r[-1]) - float(r[0])) / (b - a - float(r[0])) if b - a > r[0] else math.nan
    told = replace(bare, a=_known(a, drawn[0]), b=_known(b, drawn[1]), ceiling=ceiling, spent=spent, fit=fit)
    why = _why(a, fit, settings or {})
    if not why and b - a > top:
        why = f"the line ends at {b - a:.2f}, beyond the highest score there is"
    return replace(told, why=why, held_out=_hold_out(table, r, weights))


def _why(a: float, fit: float, settings: Mapping[str, Any]) -> str:
    steered = intervention(settings)
    if steered:
        return steered
    if a <= 0:
        return "the score does not rise as entropy falls"
    return f"the line explains {fit:.0%} of the scores' variance, {FIT:.0%} are needed" if fit < FIT else ""


def _solver(table: Floats, weights: Floats) -> Floats:
    """(2, n): times the scores gives the coefficients of weighted least squares."""
    weighted = table * weights[:, None]
    return np.asarray(np.linalg.solve(table.T @ weighted, weighted.T), np.float64)


def _redraw(solve: Floats, rest: Floats, draws: int, seed: int) -> Floats:
    """(2, draws) by how far the coefficients could be off."""
    off: Floats = tails(rest, spent=2) * (solve @ redrawn(rest, draws, spent=2, seed=seed).T)
    return off


def _known(value: float, off: Floats) -> Known:
    low, high = np.quantile(off, [0.025, 0.975])
    return Known(value, value - float(high), value - float(low))


def _hold_out(table: Floats, scores: Floats, weights: Floats) -> float:
    kept = max(3, int(HELD * len(scores)))
    ahead = table[kept:] @ (_solver(table[:kept], weights[:kept]) @ scores[:kept])
    return float(np.sqrt(np.mean((scores[kept:] - ahead) ** 2)))
