"""Which signal moved first: the bend of each, how sure its place is, and which bends can be told apart.

A signal is a straight line up to its bend and another from there on; the difference of two runs is a level that leaves
for another. The place is drawn anew by redrawing residuals, so
that two signals that bend within each other's uncertainty count as a tie. That one moved before another is no proof
that it moved it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analyses.resample import redrawn, stickiness

Floats = NDArray[np.float64]

LEAST = 20  # rows
BINS = 150
PLACES = 60
DRAWS = 400
MARGIN = 4  # rows before the first and after the last place of a bend
SURE = 0.95
MOVED = 4.0  # standard errors of the bend: many places are tried


@dataclass(frozen=True, slots=True)
class Moved:
    """A signal's bend. step with its 95 % interval; up: it goes up from there on (rather than down). draws (d,): where
    it could have been; rank: 1 moved first; signals of one rank cannot be told apart."""

    name: str
    step: float
    low: float
    high: float
    up: bool
    strength: float
    draws: tuple[float, ...] = ()
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """moved: by rank, then step. still: names without a bend that could be told from noise."""

    moved: tuple[Moved, ...]
    still: tuple[str, ...]


def order(
    signals: Mapping[str, tuple[ArrayLike, ArrayLike]], *, sloped: bool = True, draws: int = DRAWS, seed: int = 0
) -> Order:
    """signals: name -> (steps (n,), values (n,)). sloped: they may already have been moving before; False: they
    lay flat, and moved to where they are (the difference of two runs)."""
    found, still = list[Moved](), list[str]()
    for name, (steps, values) in signals.items():
        one = bend(name, steps, values, sloped=sloped, draws=draws, seed=seed)
        if one is None:
            still.append(name)
        else:
            found.append(one)
    return Order(tuple(_ranked(found)), tuple(still))


def bend(
    name: str, steps: ArrayLike, values: ArrayLike, *, sloped: bool = True, draws: int = DRAWS, seed: int = 0
) -> Moved | None:
    """Where a signal bends; None where it is too short or nothing bends beyond noise."""
    t, y = _thinned(np.asarray(steps, np.float64), np.asarray(values, np.float64))
    if len(t) < LEAST or np.ptp(y) == 0:
        return None
    bases, places = _bends(t) if sloped else _ramps(t)
    best = int(_explained(bases, y[None, :]).argmax())
    basis = bases[best]
    fitted = basis.T @ (basis @ y)
    rest = y - fitted
    spent = len(basis) + (1 if sloped else 2)
    sigma = math.sqrt(float((rest**2).sum()) / max(len(t) - spent, 1) * stickiness(rest, spent=spent))
    bent = float(basis[-1] @ y)  # the part that no line explains, in units of one row's noise
    strength = abs(bent) / sigma if sigma > 0 else math.inf
    if strength < MOVED:
        return None
    again = fitted + redrawn(rest, draws, spent=spent, seed=seed)
    drawn = places[_explained(bases, again).argmax(axis=1)]
    cell = float(np.ptp(t)) / PLACES  # no place is known better than the grid of places
    drawn = drawn + np.random.default_rng(seed).uniform(-cell / 2, cell / 2, draws)
    low, high = np.quantile(drawn, [0.025, 0.975])
    up = bool(basis[-1, -1] * bent > 0)
    place = float(places[best])
    return Moved(
        name,
        place,
        min(float(low), place - cell / 2),
        max(float(high), place + cell / 2),
        up,
        strength,
        tuple(drawn.tolist()),
    )


def _thinned(t: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Finite rows in order of steps, averaged down to BINS."""
    good = np.isfinite(t) & np.isfinite(y)
    order = np.argsort(t[good], kind="stable")
    t, y = t[good][order], y[good][order]
    each = -(-len(t) // BINS)
    if each > 1:
        begin = np.arange(0, len(t) - each + 1, each)
        t, y = (np.add.reduceat(part[: len(begin) * each], begin) / each for part in (t, y))
    return t, y


def _bends(t: Floats) -> tuple[Floats, Floats]:
    """Lines that bend: bases (p, 3, n) and the place of each (p,)."""
    places = np.unique(np.quantile(t[MARGIN:-MARGIN], np.linspace(0, 1, PLACES)))
    return _bases([np.ones(len(t)), t - t[0]], np.maximum(t[None, :] - places[:, None], 0)), places


def _ramps(t: Floats) -> tuple[Floats, Floats]:
    """Levels that leave for another, at once or slowly: bases (p, 2, n) and where each leaves (p,)."""
    ends = np.unique(np.quantile(t, np.linspace(0, 1, PLACES // 2)))
    leaves, arrives = (part.ravel() for part in np.meshgrid(ends[1:-2], ends, indexing="ij"))
    leaves, arrives = leaves[leaves < arrives], arrives[leaves < arrives]
    ramps = np.clip((t[None, :] - leaves[:, None]) / (arrives - leaves)[:, None], 0, 1)
    return _bases([np.ones(len(t))], ramps), leaves


def _bases(columns: list[Floats], shapes: Floats) -> Floats:
    """(p, columns + 1, n) orthonormal: the columns, and last what only the shape (p, n) explains."""
    table = np.stack([np.broadcast_to(one, shapes.shape) for one in columns] + [shapes], axis=2)
    q, r = np.linalg.qr(table)
    sign = np.sign(np.einsum("pii->pi", r))[:, None, :]  # so that a shape that goes up is positive
    return np.asarray(np.swapaxes(q * np.where(sign == 0, 1, sign), 1, 2))


def _explained(bases: Floats, y: Floats) -> Floats:
    """(d, places) sum of squares that the broken line at each place explains, of series (d, n)."""
    d, (places, columns, n) = len(y), bases.shape
    parts = y @ bases.reshape(places * columns, n).T
    return np.asarray((parts.reshape(d, places, columns) ** 2).sum(axis=2))


def earlier(first: Moved, second: Moved) -> float:
    """P(the first moved before the second), ties half."""
    a, b = np.asarray(first.draws)[:, None], np.asarray(second.draws)[None, :]
    return float(np.mean((a < b) + 0.5 * (a == b)))


def _ranked(found: Sequence[Moved]) -> list[Moved]:
    """A signal opens a new rank where it surely moved after the one that opened the last."""
    ranked = list[Moved]()
    for one in sorted(found, key=lambda moved: (moved.step, moved.name)):
        head = next((other for other in ranked if other.rank == ranked[-1].rank), None) if ranked else None
        rank = 1 if head is None else head.rank + (earlier(head, one) >= SURE)
        ranked.append(replace(one, rank=rank))
    return ranked
