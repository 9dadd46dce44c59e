"""How much of a batch can teach: groups without spread in their rewards have no advantage."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def silent_by_chance(right: Floats | float, rollouts: int) -> float:
    """Expected share of groups without spread where the samples of a prompt are independent: mean of p^G + (1-p)^G.

    right: p of each prompt, 0 to 1. The function is convex, so that p of the whole batch gives a lower bound.

    >>> round(silent_by_chance(0.1, 8), 3), round(silent_by_chance(0.5, 8), 4)
    (0.43, 0.0078)
    """
    p = np.atleast_1d(np.asarray(right, np.float64))
    return float(np.mean(p**rollouts + (1 - p) ** rollouts))


def half_wrong(rollouts: int) -> float:
    """The p at which half of the groups have not one right response: 1 - 2^(-1/G).

    >>> round(half_wrong(8), 3), round(half_wrong(16), 3)
    (0.083, 0.042)
    """
    return float(1 - 2.0 ** (-1 / rollouts))


def advantage_bound(rollouts: int) -> float:
    """The largest advantage that a group of G can hold, with the sample standard deviation: (G - 1) / sqrt(G).

    >>> round(advantage_bound(5), 3)
    1.789
    """
    return (rollouts - 1) / math.sqrt(rollouts)


def effective_sample_size(advantages: Floats) -> float:
    """(sum |A|)^2 / sum A^2: as how many responses of equal weight they count; 0 where all are 0."""
    power = float((advantages**2).sum())
    return float(np.abs(advantages).sum() ** 2 / power) if power > 0 else 0.0


def within_and_mix(before: Floats, after: Floats, share_before: Floats, share_after: Floats) -> tuple[float, float]:
    """The change of a mean over sources as (within the sources, by another mix of them); Kitagawa 1955.

    before, after: mean of each source (k,); shares (k,) sum to one. The two add up to the whole change.
    """
    within = float((0.5 * (share_before + share_after) * (after - before)).sum())
    mix = float((0.5 * (before + after) * (share_after - share_before)).sum())
    return within, mix
