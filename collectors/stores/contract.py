"""What a tracker is to the collector."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from collectors.contract import Memory, Part
from collectors.lines import Records, as_float, is_plain_row, number

SQLITE = b"SQLite format 3\0"


class StoreProblem(Exception):
    """A tracker that cannot be reached or read; the message is one line, without credentials."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run in a tracker. key: its id there. stamp: changes when anything was logged. modified: s since the epoch."""

    key: str
    project: str
    name: str
    stamp: str
    modified: float


class Tracker(Protocol):
    """NAME: the format of its sources. where: says which tracker, without credentials. Raises StoreProblem."""

    NAME: str
    where: str

    def runs(self) -> Iterable[StoredRun]: ...

    def read(self, run: StoredRun, memory: Memory) -> Part:
        """What is new since `memory`, which moves on; all of it for {}. `run`, `project` and `config` are set."""
        ...


def part_of(records: Iterator[tuple[int, float, Mapping[str, float]]], memory: Memory) -> Part:
    """Records (step, wall time, values) as they came. A row is a step beyond memory["top"], the highest so far."""
    part = Part()
    rows = Records(part, lambda names: False)
    for step, wall, values in records:
        if not values:
            continue
        rows.add(0, list(values), step, np.array(list(values.values()), np.float64), wall)
        if is_plain_row(list(values)) and ("top" not in memory or step > memory["top"]):
            part.first_step = step if part.first_step is None else part.first_step
            part.last_step = memory["top"] = step
            part.rows += 1
    rows.close()
    return part


def merged(points: Iterable[tuple[float, int, str, float]]) -> Iterator[tuple[int, float, dict[str, Any]]]:
    """Points (wall, step, name, value) in the order in which they were logged -> records: one step's go together."""
    here, wall, values = 0, 0.0, dict[str, float]()
    for at, step, name, value in sorted(points, key=lambda point: point[:2]):
        if values and (step != here or name in values):
            yield here, wall, values
            values = {}
        if not values:
            wall = at
        here = step
        values[name] = value
    if values:
        yield here, wall, values


def ask(path: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a SQLite file answers; it is never written to. Raises StoreProblem."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(query, values).fetchall()
    except (sqlite3.Error, OSError) as error:
        raise StoreProblem(f"{path}: {error}") from error


def columns(path: Path, table: str) -> set[str]:
    """The columns of a SQLite table, none where it is not there. Raises StoreProblem."""
    return {row[1] for row in ask(path, f"PRAGMA table_info({table})")}


def as_number(cell: Any) -> float | None:
    """A number, or the text of one: trackers write what JSON cannot say as "NaN", "Infinity", "INF"."""
    if isinstance(cell, str):
        return number(cell) if len(cell) < 30 else None
    return as_float(cell) if isinstance(cell, int | float) else None
