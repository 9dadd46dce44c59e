"""The shape in which points travel from the reader to the store: steps down, metrics across."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Block:
    """n consecutive records of one source, m metrics wide.

    names: (m,) raw names, as the trainer logged them.
    steps: (n,) the integer step that each record carries.
    walls: (n,) seconds since the epoch, UTC; NaN where the log carries no time.
    values: (n, m); NaN and +-inf are values like any other.
    present: (n, m), False where a record did not hold that metric; None where every record holds all.
    """

    names: tuple[str, ...]
    steps: Ints
    walls: Floats
    values: Floats
    present: Bools | None = None

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def points(self) -> int:
        """How many values were logged: absent cells do not count, non-finite ones do."""
        return int(self.values.size if self.present is None else self.present.sum())

    def mask(self) -> Bools:
        return np.ones(self.values.shape, bool) if self.present is None else self.present

    def rows(self, start: int, stop: int) -> Block:
        """The records start..stop, every metric still across."""
        part = slice(start, stop)
        return replace(
            self,
            steps=self.steps[part],
            walls=self.walls[part],
            values=self.values[part],
            present=None if self.present is None else self.present[part],
        )

    def uniform(self) -> Iterator[Block]:
        """The same records as the fewest consecutive blocks in which every metric is present."""
        if self.present is None or self.present.all():
            yield replace(self, present=None)
            return
        changed = np.flatnonzero((self.present[1:] != self.present[:-1]).any(axis=1)) + 1
        for start, stop in zip([0, *changed], [*changed, len(self)], strict=True):
            has = self.present[start]
            names = tuple(name for name, there in zip(self.names, has, strict=True) if there)
            part = slice(start, stop)
            yield Block(names, self.steps[part], self.walls[part], np.ascontiguousarray(self.values[part][:, has]))


def block_of(
    steps: Sequence[int], records: Sequence[Mapping[str, float]], walls: Iterable[float] | None = None
) -> Block:
    """One block from records that are already name -> number mappings, in emission order."""
    axis = np.array(steps, np.int64)
    times = np.full(len(axis), np.nan) if walls is None else np.array(list(walls), np.float64)
    first = records[0].keys() if records else {}.keys()
    if all(record.keys() == first for record in records):
        names = tuple(first)
        alike = all(tuple(record) == names for record in records)
        cells = [list(r.values()) if alike else [r[name] for name in names] for r in records]
        return Block(names, axis, times, np.array(cells, np.float64).reshape(len(axis), len(names)))
    column: dict[str, int] = {}
    for record in records:
        for name in record:
            column.setdefault(name, len(column))
    values = np.full((len(axis), len(column)), np.nan)
    present = np.zeros(values.shape, bool)
    for i, record in enumerate(records):
        at = [column[name] for name in record]
        values[i, at] = list(record.values())
        present[i, at] = True
    return Block(tuple(column), axis, times, values, present)
