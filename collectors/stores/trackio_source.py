"""trackio: a SQLite file per project (<TRACKIO_DIR>/<project>.db), a row of `metrics` per log call.

(12, '2026-11-20T12:11:58+00:00', 'grpo-1', 3, '{"reward": 0.5, "kl": "NaN", "note": "text"}')

Older files have no run_id: there the run's name is its key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from math import nan
from pathlib import Path
from typing import Any

from collectors.contract import Memory, Part
from collectors.formats.plain_jsonl import flattened, loads
from collectors.lines import as_float, epoch_seconds, number
from collectors.stores.contract import StoredRun, StoreProblem, part_of

COLUMNS = {"id", "timestamp", "run_name", "step", "metrics"}


class TrackioStore:
    """One project's file."""

    NAME = "trackio"

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, str(path)
        self.run = "run_id" if "run_id" in self._columns("metrics") else "run_name"

    @classmethod
    def owns(cls, path: Path) -> bool:
        """Whether a SQLite file is trackio's."""
        try:
            store = cls(path)
        except StoreProblem:
            return False
        return store._columns("metrics") >= COLUMNS

    def runs(self) -> Iterable[StoredRun]:
        query = f"SELECT {self.run}, max(run_name), max(id), max(timestamp) FROM metrics GROUP BY {self.run}"
        for key, name, newest, at in self._ask(query):
            yield StoredRun(str(key), self.path.stem, str(name), str(newest), epoch_seconds(at) or 0.0)

    def read(self, run: StoredRun, memory: Memory) -> Part:
        query = f"SELECT id, timestamp, step, metrics FROM metrics WHERE {self.run} = ? AND id > ? ORDER BY id"
        rows = self._ask(query, run.key, int(memory.get("id", 0)))
        if rows:
            memory["id"] = rows[-1][0]
        part = part_of(_records(rows), memory)
        part.run, part.project = run.name, run.project
        if self._columns("configs"):
            by = self.run if self.run in self._columns("configs") else "run_name"
            said = self._ask(f"SELECT config FROM configs WHERE {by} = ? LIMIT 1", run.key)
            part.config = _settings(said[0][0]) if said else {}
        return part

    def _columns(self, table: str) -> set[str]:
        return {row[1] for row in self._ask(f"PRAGMA table_info({table})")}

    def _ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
                return connection.execute(query, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise StoreProblem(f"{self.path}: {error}") from error


def _records(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, float, dict[str, float]]]:
    for _, at, step, text in rows:
        cells = loads(text.encode() if isinstance(text, str) else bytes(text or b""))
        wall = epoch_seconds(at)
        if isinstance(cells, dict) and isinstance(step, int):
            found = ((name, _number(cell)) for name, cell in flattened(cells))
            yield step, nan if wall is None else wall, {name: value for name, value in found if value is not None}


def _number(cell: Any) -> float | None:
    """trackio writes what JSON cannot say as text: "NaN", "Infinity"."""
    if isinstance(cell, str):
        return number(cell) if len(cell) < 30 else None
    return as_float(cell) if isinstance(cell, int | float) else None


def _settings(text: str | bytes) -> dict[str, Any]:
    found = loads(text.encode() if isinstance(text, str) else bytes(text))
    return {key: value for key, value in found.items() if not key.startswith("_")} if isinstance(found, dict) else {}
