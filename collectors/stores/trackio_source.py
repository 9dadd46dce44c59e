"""trackio: a SQLite file per project (<TRACKIO_DIR>/<project>.db), a row of `metrics` per log call.

(12, '2026-11-20T12:11:58+00:00', 'grpo-1', 3, '{"reward": 0.5, "kl": "NaN", "note": "text"}')

Older files have no run_id: there the run's name is its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import nan
from pathlib import Path
from typing import Any

from collectors.contract import Memory, Part
from collectors.formats.plain_jsonl import flattened, loads
from collectors.lines import epoch_seconds
from collectors.stores.contract import StoredRun, StoreProblem, as_number, ask, columns, part_of

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
        for key, name, newest, at in ask(self.path, query):
            yield StoredRun(str(key), self.path.stem, str(name), str(newest), epoch_seconds(at) or 0.0)

    def read(self, run: StoredRun, memory: Memory) -> Part:
        query = f"SELECT id, timestamp, step, metrics FROM metrics WHERE {self.run} = ? AND id > ? ORDER BY id"
        rows = ask(self.path, query, run.key, int(memory.get("id", 0)))
        if rows:
            memory["id"] = rows[-1][0]
        part = part_of(_records(rows), memory)
        part.run, part.project = run.name, run.project
        if self._columns("configs"):
            by = self.run if self.run in self._columns("configs") else "run_name"
            said = ask(self.path, f"SELECT config FROM configs WHERE {by} = ? LIMIT 1", run.key)
            part.config = _settings(said[0][0]) if said else {}
        return part

    def _columns(self, table: str) -> set[str]:
        return columns(self.path, table)


def _records(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, float, dict[str, float]]]:
    for _, at, step, text in rows:
        cells = loads(text.encode() if isinstance(text, str) else bytes(text or b""))
        wall = epoch_seconds(at)
        if isinstance(cells, dict) and isinstance(step, int):
            found = ((name, as_number(cell)) for name, cell in flattened(cells))
            yield step, nan if wall is None else wall, {name: value for name, value in found if value is not None}


def _settings(text: str | bytes) -> dict[str, Any]:
    found = loads(text.encode() if isinstance(text, str) else bytes(text))
    return {key: value for key, value in found.items() if not key.startswith("_")} if isinstance(found, dict) else {}
