"""What the clip of the policy ratio cuts, and what it would cut if the policy moved evenly both ways.

high = share(A > 0, r > 1 + eps_high), low = share(A < 0, r < 1 - eps_low), asymmetry = (high - low) / (high + low).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SPREADS = (1e-4, 3.0)
"""Standard deviations of the log ratio between which one is looked for."""


def shares(spread: float, low: float, high: float) -> tuple[float, float]:
    """(share clipped below, share clipped above) where ln r is normal around 0 and half of the advantages are positive.

    low, high: the bounds, so that r is clipped to [1 - low, 1 + high].

    >>> "%.5f %.5f" % shares(0.1, 0.2, 0.28)
    '0.00641 0.00339'
    """
    below = 0.5 * _tail(-math.log1p(-low) / spread) if low < 1 else 0.0
    return below, 0.5 * _tail(math.log1p(high) / spread)


def _tail(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2))


def spread_of(total: float, low: float, high: float) -> float | None:
    """The spread of ln r at which so much is clipped in all; None where none does."""
    small, large = SPREADS
    if not 0 < total < sum(shares(large, low, high)):
        return None
    for _ in range(60):
        middle = math.sqrt(small * large)
        small, large = (middle, large) if sum(shares(middle, low, high)) < total else (small, middle)
    return small


def asymmetry(low: Floats, high: Floats) -> Floats:
    """From -1 (all below) to 1 (all above), row by row; NaN where nothing is clipped."""
    both = low + high
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(both > 0, (high - low) / both, np.nan)
