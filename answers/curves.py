"""The curves of one run, as answers read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from analyses.level import Drift, Level, drift, level
from analyses.words import number, percent
from db import series
from db.series import Series

Floats = NDArray[np.float64]


class Curves:
    """The live lines of a run's quantities, in their canonical units."""

    def __init__(self, connection: sa.Connection, run_id: int, quantities: Sequence[str]) -> None:
        found = series.by_quantity(connection, [run_id], quantities)
        self.held: dict[str, Series] = {name: curve for (_, name), curve in found.items()}

    def __contains__(self, name: str) -> bool:
        return name in self.held

    def first(self, *names: str) -> str | None:
        """The first of these that is logged."""
        return next((name for name in names if name in self.held), None)

    def only_nan(self, *names: str) -> bool:
        """Is one of these logged, and none of them ever finite?"""
        held = [self.held[name].values for name in names if name in self.held]
        return bool(held) and not any(np.isfinite(values).any() for values in held)

    def level(self, name: str) -> Level | None:
        return level(self.held[name].values) if name in self.held else None

    def drift(self, name: str) -> Drift | None:
        return drift(self.held[name].steps, self.held[name].values) if name in self.held else None

    def rows(self, *names: str) -> tuple[NDArray[np.int64], list[Floats]]:
        """(steps (n,), the value of each name at each of them (n,)): every step at which one of them is logged."""
        curves = [self.held[name] for name in names if name in self.held]
        steps = np.unique(np.concatenate([curve.steps for curve in curves] or [np.zeros(0, np.int64)]))
        table = []
        for name in names:
            values = np.full(len(steps), np.nan)
            if name in self.held:
                values[np.searchsorted(steps, self.held[name].steps)] = self.held[name].values
            table.append(values)
        return steps, table


def said(found: Level, *, share: bool = False) -> str:
    """A level with its interval: "0.21 % (0.18 %–0.24 %)"."""
    write = percent if share else number
    if not np.isfinite(found.low) or found.low == found.high:
        return write(found.value)
    low, high = (min(max(each, 0.0), 1.0) if share else each for each in (found.low, found.high))
    dash = " to " if low < 0 else "–"
    between = f"{write(low)}{dash}{write(high)}" if write(low) != write(high) else ""
    return (f"{write(found.value)} ({between})" if between else write(found.value)).replace("-", "−")
