"""R(C) = R0 + (A - R0) / (1 + (Cmid / C)^B): fitted to many series, or at many ceilings, in one call (ScaleRL).

Given Cmid and B the curve is linear in A and R0, so a grid over the two is cheap; but a coarse grid alone gives profile
intervals that cover the ceiling in 65 to 85 % of runs: each cell is polished by Levenberg and Marquardt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BENDS = (float(np.log(0.3)), float(np.log(8.0)))  # bounds of ln B: flatter is a logarithm, steeper a step
TURNS = 60  # cells of the grid over ln Cmid
SLOPES = 12  # and over ln B
BEFORE = -1000.0  # ln C of an evaluation before the first step
FAR = np.log(30.0)  # how far beyond the data Cmid is looked for
ROUNDS = 25


@dataclass(frozen=True, slots=True)
class Fits:
    """m curves. ceiling, start, middle (ln Cmid), steep (ln B): (m,); cost (m,): weighted sum of squares."""

    ceiling: Floats
    start: Floats
    middle: Floats
    steep: Floats
    cost: Floats

    def at(self, logs: Floats) -> Floats:
        """(m, k) values at ln C (k,)."""
        rise = _rise(logs, self.middle[:, None], self.steep[:, None])
        return self.start[:, None] + (self.ceiling - self.start)[:, None] * rise

    def of(self, which: NDArray[np.int64] | Bools) -> Fits:
        return Fits(self.ceiling[which], self.start[which], self.middle[which], self.steep[which], self.cost[which])


def logs_of(compute: Floats) -> Floats:
    """ln C, BEFORE where nothing was spent yet."""
    return np.where(compute > 0, np.log(np.maximum(compute, 1e-300)), BEFORE)


def _first(logs: Floats) -> float:
    return float(logs[logs > BEFORE].min())


def _floor(values: Floats) -> float:
    """R0 at least: a range below what was seen. Where no evaluation before the first step holds it, it could
    else go down without end, and the curve be a logarithm."""
    return float(values.min() - np.ptp(values))


def _rise(logs: Floats, middle: Floats, steep: Floats) -> Floats:
    rise: Floats = 1 / (1 + np.exp(np.clip(-np.exp(steep) * (logs - middle), -500, 500)))
    return rise


@dataclass(frozen=True, slots=True)
class Grid:
    """Every cell (Cmid, B) of the coarse search: middle, steep (g,) and the sums that give the best R0 for any A."""

    middle: Floats
    steep: Floats
    rise: Floats  # (g, n)


def grid(logs: Floats) -> Grid:
    middles = np.linspace(_first(logs) - np.log(3.0), logs[-1] + FAR, TURNS)
    steeps = np.linspace(*BENDS, SLOPES)
    middle, steep = (each.ravel() for each in np.meshgrid(middles, steeps, indexing="ij"))
    return Grid(middle, steep, _rise(logs, middle[:, None], steep[:, None]))


def costs(cells: Grid, values: Floats, weights: Floats, ceilings: Floats) -> tuple[Floats, Floats]:
    """(m, g) weighted sum of squares and R0 of each ceiling (m,) in each cell, R0 at its best."""
    low, high = 1 - cells.rise, cells.rise
    ww, wv = (weights * low * low).sum(1), (weights * values * low).sum(1)
    wh, vh, hh = (weights * low * high).sum(1), (weights * values * high).sum(1), (weights * high * high).sum(1)
    a = ceilings[:, None]
    start = np.clip((wv - a * wh) / np.maximum(ww, 1e-12), _floor(values), a)
    vv = float((weights * values**2).sum())
    return vv + a * a * hh + start**2 * ww + 2 * a * start * wh - 2 * a * vh - 2 * start * wv, start


def profile(logs: Floats, values: Floats, weights: Floats, ceilings: Floats) -> Fits:
    """The best curve for each ceiling (m,): from the grid, then polished."""
    cells = grid(logs)
    cost, start = costs(cells, values, weights, ceilings)
    best = cost.argmin(axis=1)
    first = start[np.arange(len(ceilings)), best]
    fits = Fits(ceilings, first, cells.middle[best], cells.steep[best], cost.min(axis=1))
    return polish(logs, values, weights, fits, moving=(START, MIDDLE, STEEP))


def profile_middle(logs: Floats, values: Floats, weights: Floats, best: Fits, middles: Floats, top: float) -> Fits:
    """The best curve for each Cmid: ln Cmid (m,), from the best curve of all, then polished."""
    one = np.zeros(len(middles), np.int64)
    first = Fits(best.ceiling[one], best.start[one], middles, best.steep[one], best.cost[one])
    return polish(logs, values, weights, first, moving=(START, STEEP, CEILING), top=top)


START, MIDDLE, STEEP, CEILING = range(4)


def polish(
    logs: Floats,
    values: Floats,
    weights: Floats,
    first: Fits,
    *,
    moving: tuple[int, ...] = (START, MIDDLE, STEEP, CEILING),
    top: float = np.inf,
    rounds: int = ROUNDS,
) -> Fits:
    """Levenberg and Marquardt from `first`, m problems at once, over the parameters that are `moving`; the ceiling up
    to `top`. values: (n,) or (m, n)."""
    p = np.stack([first.start, first.middle, first.steep, first.ceiling], 1)
    low = np.array([_floor(values), _first(logs) - np.log(10.0), BENDS[0], -np.inf])
    high = np.array([np.inf, logs[-1] + FAR, BENDS[1], top])
    damping, (cost, rest, jacobian) = np.full(len(p), 1e-3), _slopes(p, logs, values, weights, moving)
    for _ in range(rounds):
        turned = jacobian.swapaxes(1, 2)
        normal = turned @ jacobian
        scale = np.diagonal(normal, axis1=1, axis2=2) + 1e-12
        damped = normal + (damping[:, None] * scale)[:, :, None] * np.eye(len(moving))
        step = np.linalg.solve(damped, turned @ rest[..., None])[..., 0]
        moved = p.copy()
        moved[:, moving] += step
        moved[:, moving] = np.clip(moved, low, high)[:, moving]
        moved[:, START] = np.minimum(moved[:, START], moved[:, CEILING])
        new = _slopes(moved, logs, values, weights, moving)
        better = new[0] < cost
        p, cost = np.where(better[:, None], moved, p), np.where(better, new[0], cost)
        rest = np.where(better[:, None], new[1], rest)
        jacobian = np.where(better[:, None, None], new[2], jacobian)
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-9, 1e9)
    return Fits(p[:, CEILING], p[:, START], p[:, MIDDLE], p[:, STEEP], cost)


def _slopes(
    p: Floats, logs: Floats, values: Floats, weights: Floats, moving: tuple[int, ...]
) -> tuple[Floats, Floats, Floats]:
    """Cost (m,), weighted residuals (m, n) and Jacobian (m, n, moving) in R0, ln Cmid, ln B, A."""
    start, middle, steep, ceiling = (p[:, i, None] for i in range(4))
    rise = _rise(logs, middle, steep)
    bend = (ceiling - start) * rise * (1 - rise) * np.exp(steep)
    root = np.sqrt(weights)
    rest = (values - start - (ceiling - start) * rise) * root
    parts = (1 - rise, -bend, bend * (logs - middle), rise)
    return (rest**2).sum(1), rest, np.stack([parts[i] * root for i in moving], -1)
