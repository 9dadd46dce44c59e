"""Which experts of a mixture matter to a task (ESFT, Wang et al. 2024, arXiv 2407.01906); how evenly they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyses.contract import Floats

Table = NDArray[np.float64]
"""Scores (layers, experts)."""
Chosen = NDArray[np.bool_]
"""Experts that are tuned (layers, experts)."""
Normalisation = Literal["per layer", "over layers", "none"]

PUBLISHED = {"token": 0.2, "gate": 0.1}
"""The share p that the paper selects by, for each kind of score."""
ROUNDING = 5e-5  # of a score in the files, which carry four decimals
DEAD = 0.1  # of an equal share


def normalisation(table: Table) -> Normalisation:
    """How a table of scores was normalised.

    "per layer": the experts of each layer sum to 1, as token scores do by their definition. "over layers": each expert
    number sums to 1 over the layers, as the newest script of ESFT's repository writes them: a layer's scores are no
    shares of its tokens then. "none": mean gate values, whose sum of a layer is below 1.
    """
    layers, experts = table.shape
    if _all_one(table.sum(axis=1), experts):
        return "per layer"
    used = table.sum(axis=0)
    return "over layers" if layers > 1 and used.any() and _all_one(used[used > 0], layers) else "none"


def _all_one(sums: Floats, terms: int) -> bool:
    return bool(np.allclose(sums, 1.0, rtol=0, atol=terms * ROUNDING))


def select(table: Table, p: float) -> Chosen:
    """The smallest set of experts of each layer whose scores, taken from the highest down, reach p.

    Of equal scores the lower expert number comes first. Raises ValueError unless 0 < p <= 1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"the share p must lie in (0, 1], got {p:g}")
    order = np.argsort(-table, axis=1, kind="stable")
    ranked = np.take_along_axis(table, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    chosen = np.zeros(table.shape, bool)
    # A set that misses p by the error of float sums has reached it.
    np.put_along_axis(chosen, order, before < p - 1e-9, axis=1)
    return chosen


def jaccard(one: Chosen, other: Chosen) -> float:
    """Shared experts over all experts that either set holds, each layer's expert for itself; NaN of two empty sets."""
    either = (one | other).sum()
    return float((one & other).sum() / either) if either else float("nan")


@dataclass(frozen=True, slots=True)
class Load:
    """How evenly one layer uses its experts (dynamics 9.2).

    max_violation: largest share over the mean share, less 1 (0 even, E - 1 all on one). variation: standard deviation
    over mean. evenness: entropy of the shares over ln E (1 even, 0 all on one). dead: share of experts with less than
    a tenth of an equal share.
    """

    max_violation: float
    variation: float
    evenness: float
    dead: float


def load(shares: Floats) -> Load:
    """Load of one layer from shares or counts (experts,), not negative. All NaN where nothing was routed."""
    total = float(shares.sum())
    if not total > 0:
        return Load(*[float("nan")] * 4)
    f = shares / total
    even = 1.0 / len(f)
    used = f[f > 0]
    evenness = float(-(used * np.log(used)).sum() / np.log(len(f))) if len(f) > 1 else 1.0
    return Load(float(f.max() / even - 1), float(f.std() / even), max(evenness, 0.0), float(np.mean(f < DEAD * even)))


def router_shift(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """1 less the mean share of common experts of two routings of the same tokens (tokens, K): 0 where all agree.

    Raises ValueError where the shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(f"two routings of the same tokens are needed, got {one.shape} and {other.shape}")
    if not one.size:
        return float("nan")
    common = (one[:, :, None] == other[:, None, :]).any(axis=2)
    return 1.0 - float(common.mean())


def tally(ids: NDArray[np.int64], weights: Floats, experts: int, k: int) -> tuple[Floats, Floats]:
    """Token scores and gate scores (experts,) of one layer from the routing that ESFT's model writes.

    ids, weights: (tokens * k,), the k experts of each token one after the other.
    """
    tokens = max(len(ids) / k, 1)
    count = np.bincount(ids, minlength=experts).astype(np.float64)
    gate = np.bincount(ids, weights=weights, minlength=experts)
    return count / (k * tokens), gate / tokens
