"""Entropy token by token: the few that fork, where in a response they stand, and what drives the mean down.

RLVR moves mostly the entropy of a high-entropy minority (Wang et al. 2025), so the mean can stand while the top fifth
falls. How fast the mean falls follows the covariance of advantage and log-probability (Cui et al. 2025). Dynamics 2.4
and 2.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOP = 0.2
PARTS = 20  # bins of relative position
QUANTILES = (0.5, 0.8, 0.95, 0.99)
HELD = 0.0002  # share of the tokens that verl's Clip-Cov takes
BAND = (1.0, 5.0)  # its bounds
DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Forks:
    """Of n tokens (nats). edge: entropy that the top fifth begins at; mass: the share of all entropy that it holds.

    top, rest: mean entropy of the top fifth and of the others. quantiles: at QUANTILES.
    """

    n: int
    edge: float
    mass: float
    top: float
    rest: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Driver:
    """mean: covariance of advantage and log-probability over the batch; above: share of tokens whose part of it is over
    1 and over 5; few: the share of the sum that the largest HELD of the tokens hold."""

    mean: float
    above: tuple[float, float]
    few: float


def forks(entropies: ArrayLike) -> Forks:
    """Of one batch (n,), best a fixed probe text: other prompts have other forks. Raises ValueError when empty."""
    values = np.sort(_finite(entropies))
    if not len(values):
        raise ValueError("no token has a finite entropy")
    cut = len(values) - max(1, round(TOP * len(values)))
    edge = float((values[max(cut - 1, 0)] + values[cut]) / 2)
    total, top = float(values.sum()), values[cut:]
    mass = float(top.sum()) / total if total > 0 else TOP
    rest = float(values[:cut].mean()) if cut else float(values.mean())
    told = tuple(float(q) for q in np.quantile(values, QUANTILES))
    return Forks(len(values), edge, mass, float(top.mean()), rest, told)


def overlap(before: ArrayLike, now: ArrayLike) -> float:
    """Share of the top fifth now that was in the top fifth before: entropies (n,) of the same tokens, teacher-forced.

    Raises ValueError where the two are not of one text.
    """
    first, second = np.asarray(before, np.float64), np.asarray(now, np.float64)
    if first.shape != second.shape or not first.size:
        raise ValueError(f"entropies of one text are asked for, found {first.size} and {second.size}")
    return float(_top(first)[_top(second)].mean())


def _top(values: Floats) -> Bools:
    count = max(1, round(TOP * len(values)))
    chosen = np.zeros(len(values), bool)
    chosen[np.argsort(values, kind="stable")[-count:]] = True
    return chosen


def by_position(entropies: ArrayLike, responses: ArrayLike) -> Floats:
    """(PARTS,) mean entropy by relative position, each response counting the same; NaN where no token stands.

    entropies, responses (n,): tokens in order, and which response each belongs to.
    """
    values, whose = np.asarray(entropies, np.float64), np.asarray(responses)
    _, code, counts = np.unique(whose, return_inverse=True, return_counts=True)
    order = np.argsort(code, kind="stable")
    place = np.empty(len(values))
    place[order] = np.concatenate([np.arange(count) / count for count in counts]) if len(counts) else np.zeros(0)
    cell = code * PARTS + np.minimum((place * PARTS).astype(np.int64), PARTS - 1)
    good = np.isfinite(values)
    shape = (len(counts), PARTS)
    sums = np.bincount(cell[good], values[good], shape[0] * PARTS).reshape(shape)
    tokens = np.bincount(cell[good], minlength=shape[0] * PARTS).reshape(shape)
    means = np.divide(sums, tokens, out=np.full(shape, np.nan), where=tokens > 0)
    there = np.isfinite(means)
    total = np.where(there, means, 0).sum(axis=0)
    return np.asarray(np.divide(total, there.sum(axis=0), out=np.full(PARTS, np.nan), where=there.any(axis=0)))


def by_outcome(
    entropies: ArrayLike, right: ArrayLike, prompts: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Mean entropy of wrong responses minus that of right ones, with its 95 % interval: bootstrap over whole prompts.

    entropies (m,): means of the responses; right (m,) bool; prompts (m,). NaN where one of the two is missing.
    """
    values, hit = np.asarray(entropies, np.float64), np.asarray(right, bool)
    _, code = np.unique(np.asarray(prompts), return_inverse=True)
    good = np.isfinite(values)
    n = int(code.max()) + 1 if len(code) else 0
    parts = [
        (np.bincount(code[mine], values[mine], n), np.bincount(code[mine], minlength=n))
        for mine in (good & ~hit, good & hit)
    ]
    if not n or not all(count.sum() for _, count in parts):
        return float("nan"), float("nan"), float("nan")
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        wrong, well = ((weights @ total) / (weights @ count) for total, count in parts)
    low, high = np.nanquantile(wrong - well, [0.025, 0.975])
    seen = [float(total.sum() / count.sum()) for total, count in parts]
    return seen[0] - seen[1], float(low), float(high)


def driver(advantages: ArrayLike, logprobs: ArrayLike) -> Driver:
    """advantages, logprobs (n,): of every token of a batch. Raises ValueError when empty."""
    a, logp = np.asarray(advantages, np.float64), np.asarray(logprobs, np.float64)
    good = np.isfinite(a) & np.isfinite(logp)
    if not good.any():
        raise ValueError("no token has both an advantage and a log-probability")
    each = (a[good] - a[good].mean()) * (logp[good] - logp[good].mean())
    count = max(1, round(HELD * len(each)))
    total = float(each.sum())
    largest = float(np.sort(each)[-count:].sum())
    above = tuple(float((each > edge).mean()) for edge in BAND)
    return Driver(float(each.mean()), (above[0], above[1]), largest / total if total > 0 else float("nan"))


def _finite(values: ArrayLike) -> Floats:
    flat = np.asarray(values, np.float64).ravel()
    return flat[np.isfinite(flat)]
