"""Thinning a curve for the eye: in every pixel column the lowest and the highest point stay, so a spike stays.

LTTB, sampling and strides can lose the one point that matters; minimum and maximum per column cannot.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def extremes(x: Floats, y: Floats, columns: int, *, log: bool = False) -> Ints:
    """Positions (k,) to draw of a curve x (n,), y (n,), both finite, x ascending; k <= 2 * columns + 2.

    A column is a pixel column of the displayed x: with log=True the columns are even in log x (x > 0).
    The first and the last point stay too, and a curve that is short enough is kept whole.
    """
    n = len(x)
    if n <= 2 * columns + 2:
        return np.arange(n)
    column = _columns(np.log(x) if log else x, columns)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    lengths = np.diff(starts, append=n)
    return np.unique(
        np.concatenate([[0, n - 1], *(_first(y, each, starts, lengths) for each in (np.minimum, np.maximum))])
    )


def _first(y: Floats, extreme: np.ufunc, starts: Ints, lengths: Ints) -> Ints:
    """The first position of the extreme of every stretch; without a sort, which would take most of the time."""
    at = np.flatnonzero(y == np.repeat(extreme.reduceat(y, starts), lengths))
    return at[np.unique(np.searchsorted(starts, at, side="right"), return_index=True)[1]]


def one_each(x: Floats, columns: int, *, log: bool = False) -> Ints:
    """Positions of the first point in every pixel column: for marks that only say "here"."""
    if len(x) <= columns:
        return np.arange(len(x))
    return np.unique(_columns(np.log(x) if log else x, columns), return_index=True)[1]


def _columns(x: Floats, columns: int) -> Ints:
    width = x[-1] - x[0]
    if not width > 0:
        return np.zeros(len(x), np.int64)
    return np.asarray(np.minimum((x - x[0]) / width * columns, columns - 1), np.int64)
