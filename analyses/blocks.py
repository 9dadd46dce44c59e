"""Block bootstrap of lines and means through autocorrelated rows, for thousands of windows at once.

Residuals are whitened by their lag-1 autocorrelation r, drawn in moving blocks of two, and what the whitening took out
is put back as a factor (prewhitened block bootstrap, Davison and Hinkley 1997, 8.2.3); the tails are widened as t with
the independent rows that are left. Plain moving blocks of five cover a nominal 95 % in 77 to 91 % on windows of 30 to
50 rows; what these cover is in benchmarks/README.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

DRAWS = 1000
BLOCK = 2
STICKIEST = 0.95
Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Drawn:
    """A quantity of k windows. estimate (k,); draws (k, DRAWS): what it could have been (single precision: shares and
    percentiles are all that is asked of them)."""

    estimate: Floats
    draws: Singles

    def above(self, edge: float | Floats) -> Floats:
        """Share of the draws above `edge` (one, or one for each window), (k,)."""
        higher = self.draws > np.asarray(edge, np.float32).reshape(-1, 1)
        return np.asarray(np.count_nonzero(higher, axis=1) / self.draws.shape[1], np.float64)

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """The central interval of each window, (k,) and (k,)."""
        tail = 50 * (1 - level)
        low, high = np.percentile(self.draws, [tail, 100 - tail], axis=1)
        return low.astype(np.float64), high.astype(np.float64)


def slope_of(w: int) -> Floats:
    """Weights (w,) that give the least-squares slope per row of a window."""
    centred = np.arange(w) - (w - 1) / 2
    return np.asarray(centred / max(float(centred @ centred), 1.0), np.float64)


def end_of(w: int) -> Floats:
    """Weights (w,) that give the least-squares line's level at the last row of a window."""
    weights: Floats = 1 / w + slope_of(w) * (w - 1) / 2
    return weights


def mean_of(w: int) -> Floats:
    """Weights (w,) of the mean."""
    return np.full(w, 1 / w)


def draw(windows: Floats, functionals: Sequence[Floats], *, line: bool = True, seed: int = 0) -> list[Drawn]:
    """What each functional (weights (w,)) of each window (k, w) is, and what it could have been.

    line: residuals are taken from the window's own line, else from its mean. One seed, one choice of rows: functionals
    of the same call, and windows of one width in calls with the same seed, are drawn together, so that joint shares
    mean something. No NaN.
    """
    w = windows.shape[1]
    spent = 2 if line else 1
    rest = _residuals(windows, line)
    r = stickiness(rest, spent)
    white = rest.copy()
    white[:, 1:] -= r[:, None] * rest[:, :-1]
    white[:, 0] *= np.sqrt(1 - r**2)
    white -= white.mean(axis=1, keepdims=True)
    white *= np.sqrt(w / max(w - spent, 1))
    heavy = _tails(w, r, spent)
    picks = _picks(w, seed)
    drawn = []
    for weights in functionals:
        estimate = windows @ weights
        spread = (white * (_coloured(weights, r) * heavy)[:, None]).astype(np.float32)
        noise = spread @ _as_matrix(weights, picks)
        drawn.append(Drawn(estimate, noise + estimate[:, None].astype(np.float32)))
    return drawn


@dataclass(frozen=True, slots=True)
class Noise:
    """How rows scatter around their course. white (m,): innovations; r: of lag 1; heavy: factor of the tails."""

    white: Floats
    r: float
    heavy: float


def noise(stretches: Sequence[Floats], degree: int = 2) -> Noise | None:
    """The noise that several stretches of rows share, each around a polynomial of its own; None under 12 rows in all.

    A level of few rows tells too little of its own noise: take it from more rows than those.
    """
    stretches = [one for one in stretches if len(one) > degree + 1]
    rows = sum(map(len, stretches))
    if rows < 12:
        return None
    rest = [one - _course(one, degree) for one in stretches]
    spent, w = degree + 1, rows / len(rest)
    power = sum(float(one @ one) for one in rest)
    r = sum(float(one[1:] @ one[:-1]) for one in rest) / power if power > 0 else 0.0
    r = float(np.clip(r + (spent + (spent + 2) * r) / w, 0, STICKIEST))
    white = np.concatenate([np.append(one[0] * np.sqrt(1 - r**2), one[1:] - r * one[:-1]) for one in rest])
    white = (white - white.mean()) * np.sqrt(rows / max(rows - spent * len(rest), 1))
    return Noise(white, r, float(_tails(rows, np.array([r]), spent * len(rest))[0]))


def _course(values: Floats, degree: int) -> Floats:
    x = np.linspace(-1, 1, len(values))
    return np.asarray(np.polynomial.Polynomial.fit(x, values, degree)(x), np.float64)


def level(values: Floats, around: Noise, seed: int = 0) -> Drawn:
    """The mean of rows (n,) and what it could have been under that noise."""
    weights = mean_of(len(values))
    starts = np.random.default_rng([seed, len(values)]).integers(
        0, max(len(around.white) - BLOCK + 1, 1), (DRAWS, -(-len(values) // BLOCK))
    )
    picks = np.minimum(starts[..., None] + np.arange(BLOCK), len(around.white) - 1).reshape(DRAWS, -1)
    drawn = around.white[picks[:, : len(values)]] @ weights
    factor = float(_coloured(weights, np.array([around.r]))[0]) * around.heavy
    return Drawn(np.array([values.mean()]), (values.mean() + factor * drawn[None]).astype(np.float32))


def stickiness(rest: Floats, spent: int) -> Floats:
    """Lag-1 autocorrelation (k,) of residuals (k, w), put right for its bias after `spent` fitted parameters
    (Kendall 1954), within 0 to 0.95."""
    w = rest.shape[1]
    power = (rest**2).sum(axis=1)
    r = (rest[:, 1:] * rest[:, :-1]).sum(axis=1) / np.where(power > 0, power, 1)
    corrected: Floats = np.clip(r + (spent + (spent + 2) * r) / w, 0, STICKIEST)
    return corrected


def _residuals(windows: Floats, line: bool) -> Floats:
    rest: Floats = windows - windows.mean(axis=1, keepdims=True)
    if line:
        w = windows.shape[1]
        rest = rest - (windows @ slope_of(w))[:, None] * (np.arange(w) - (w - 1) / 2)
    return rest


def _picks(w: int, seed: int) -> Ints:
    """(DRAWS, w) rows of a window, in moving blocks."""
    rng = np.random.default_rng([seed, w])
    starts = rng.integers(0, max(w - BLOCK + 1, 1), (DRAWS, -(-w // BLOCK)))
    picks: Ints = np.minimum(starts[..., None] + np.arange(BLOCK), w - 1).reshape(DRAWS, -1)[:, :w]
    return picks


def _as_matrix(weights: Floats, picks: Ints) -> Singles:
    """(w, DRAWS): residuals times this are the functional of what was drawn."""
    draws, w = picks.shape
    cells = (np.arange(draws)[:, None] * w + picks).ravel()
    matrix = np.bincount(cells, np.tile(weights, draws), draws * w).reshape(draws, w).T
    return np.ascontiguousarray(matrix, np.float32)


def _coloured(weights: Floats, r: Floats) -> Floats:
    """By how much a functional scatters more under an AR(1) of r than under the white noise that drives it."""
    grid = np.linspace(0, STICKIEST, 20)
    apart = np.abs(np.subtract.outer(np.arange(len(weights)), np.arange(len(weights))))
    spread = [float(weights @ (one**apart) @ weights) / (1 - one**2) for one in grid]
    factor: Floats = np.interp(r, grid, np.sqrt(np.array(spread) / float(weights @ weights)))
    return factor


def _tails(w: int, r: Floats, spent: int) -> Floats:
    """t's 97.5 % point over the normal's, by Cornish and Fisher, for the independent rows that are left."""
    left = np.maximum(w * (1 - r) / (1 + r) / 1.7 - spent, 2.5)
    z = Z95
    quantile = z + (z**3 + z) / (4 * left) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * left**2)
    widened: Floats = quantile / z
    return widened
