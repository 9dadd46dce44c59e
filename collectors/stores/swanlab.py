"""SwanLab's local mode: a folder with a SQLite file of names, and for each metric of a run a file per 1000 points.

swanlog/runs.swanlab                                projects, experiments, and which folder a metric's name stands for
swanlog/run-20261120_123546-os1366rg/files/config.yaml
swanlog/run-20261120_123546-os1366rg/logs/3/1000.log
    {"index": 2, "data": 0.375, "create_time": "2026-11-20T12:35:47.542206+00:00"}

What is not finite is NaN or -Infinity since 0.8; before, it was "NaN" or "INF", whichever sign it had.
A step that is logged again is replaced in its file: of such a file only what is younger than anything read is new.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from os import stat_result
from pathlib import Path
from typing import Any
from urllib.parse import quote

from collectors import configs
from collectors.configs import BadConfig
from collectors.contract import Memory, Part, Unread
from collectors.formats.plain_jsonl import loads
from collectors.lines import epoch_seconds, step_of
from collectors.stores.contract import StoredRun, StoreProblem, as_number, ask, columns, merged, part_of
from db.text import storable

NAMES = "runs.swanlab"
FOLDER = "swanlog"
LARGEST = 16 << 20  # bytes; a file of 1000 points has about a tenth of one MiB
SLICE = re.compile(r"(\d{1,15})\.log", re.ASCII)
MEDIA = ("image", "audio", "text")
OF_THE_MACHINE = "__swanlab__."
INSIDE = re.compile(r"/run-\d{8}_\d{6}-[^/]+/logs/[^/]+/(?:\d+\.log|_summary\.json)$", re.ASCII)

Point = tuple[float, int, str, float]


def is_inside(path: Path) -> bool:
    """Whether a file is a part of such a store, and no log by itself."""
    return path.name == NAMES or bool(INSIDE.search(path.as_posix()))


class SwanlabStore:
    """One folder. Raises StoreProblem where its names cannot be read."""

    NAME = "swanlab"

    def __init__(self, folder: Path) -> None:
        self.folder, self.names, self.where = folder, folder / NAMES, str(folder)
        if not columns(self.names, "tag") >= {"experiment_id", "name", "type"}:
            raise StoreProblem(f"{self.names}: no table of SwanLab's")

    def runs(self) -> Iterable[StoredRun]:
        query = (
            "SELECT experiment.run_id, project.name, experiment.name FROM experiment"
            " JOIN project ON project.id = experiment.project_id ORDER BY experiment.id"
        )
        for key, project, name in ask(self.names, query):
            if _is_plain(key):
                yield self._run(key, storable(str(project)), storable(str(name)))

    def read(self, run: StoredRun, memory: Memory) -> Part:
        known: dict[str, dict[str, Any]] = memory.setdefault("metrics", {})
        unread: list[Unread] = []
        points: list[Point] = []
        try:
            for folder, name in self._metrics(run):
                points += _news(self.folder / run.key / "logs" / folder, name, known.setdefault(folder, {}), unread)
            part = part_of(merged(points), memory)
            part.config = _config(self.folder / run.key / "files" / "config.yaml", memory, unread)
        except OSError as error:
            raise StoreProblem(f"{self.folder / run.key}: {error.strerror or error}") from error
        part.unread += unread
        part.run, part.project = run.name, run.project
        return part

    def _run(self, key: str, project: str, name: str) -> StoredRun:
        """The stamp is over every file's; a crashed run's, too, since its row in the table is never finished."""
        files = [*(self.folder / key / "logs").glob("*/*.log"), self.folder / key / "files" / "config.yaml"]
        stats = {str(file): stat for file in files if (stat := _stat(file))}
        said = "".join(f"{file} {_changed(stats[file])}\n" for file in sorted(stats))
        newest = max((stat.st_mtime for stat in stats.values()), default=0.0)
        return StoredRun(key, project, name, f"{name} {len(stats)} {zlib.crc32(said.encode(errors='replace'))}", newest)

    def _metrics(self, run: StoredRun) -> Iterator[tuple[str, str]]:
        """(folder, name) of each. The first versions named the folder by the metric."""
        folder = "tag.folder" if "folder" in columns(self.names, "tag") else "''"
        query = (
            f"SELECT {folder}, tag.name, tag.type FROM tag JOIN experiment ON experiment.id = tag.experiment_id"
            " WHERE experiment.run_id = ? ORDER BY tag.id"
        )
        for at, name, kind in ask(self.names, query, run.key):
            place = at or quote(str(name), safe="")
            if kind not in MEDIA and _is_plain(place) and not str(name).startswith(OF_THE_MACHINE):
                yield place, str(name)


def _is_plain(name: Any) -> bool:
    """Whether it names something in a folder, and nothing elsewhere."""
    return isinstance(name, str) and name not in ("", ".", "..") and not re.search(r"[/\\\0]", name)


def _stat(file: Path) -> stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None  # gone since it was listed, or not there yet


def _changed(stat: stat_result) -> str:
    return f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"


def _news(folder: Path, name: str, known: dict[str, Any], unread: list[Unread]) -> list[Point]:
    """The new points of one metric. known: per file [bytes read, their checksum, when]; "newest": of all its points."""
    points: list[Point] = []
    for file in sorted(folder.glob("*.log")):
        stat = _stat(file)
        done, mark, when = known.get(file.name, (0, 0, ""))
        if stat is None or not SLICE.fullmatch(file.name) or when == _changed(stat):
            continue
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
        if len(data) > LARGEST:
            unread.append(Unread(1, f"{folder.name}/{file.name}: larger than {LARGEST >> 20} MiB"))
            known[file.name] = [done, mark, _changed(stat)]
            continue
        end = data.rfind(b"\n") + 1
        replaced = zlib.crc32(data[:done]) != mark
        why: list[Unread] = []
        found = _points(data[:end], 0 if replaced else done, name, stat.st_mtime, why)
        points += [one for one in found if not replaced or one[0] > known.get("newest", 0.0)]
        unread += [one for one in why if one.line > data.count(b"\n", 0, done)]
        known[file.name] = [end, zlib.crc32(data[:end]), _changed(stat)]
    if points:
        known["newest"] = max(known.get("newest", 0.0), *(one[0] for one in points))
    return points


def _points(data: bytes, start: int, name: str, written: float, unread: list[Unread]) -> list[Point]:
    """Those of the lines from `start` on. written: stands in for a time that is not told, in s since the epoch."""
    points: list[Point] = []
    for at, line in enumerate(data[start:].split(b"\n"), data.count(b"\n", 0, start) + 1):
        if not line.strip(b"\0 \r"):
            continue
        found = loads(line.strip(b"\0 \r"))
        step = step_of(found.get("index")) if isinstance(found, dict) else None
        value = as_number(found.get("data")) if isinstance(found, dict) else None
        if step is None or value is None:
            unread.append(Unread(at, f"{name}: no JSON object with a step and a number"))
            continue
        wall = epoch_seconds(found.get("create_time"))
        points.append((written if wall is None else wall, step, name, value))
    return points


def _config(path: Path, memory: Memory, unread: list[Unread]) -> dict[str, Any]:
    """The run's config, where it is new: {"lr": {"desc": "", "sort": 2, "value": 1e-06}} -> {"lr": 1e-06}."""
    stat = _stat(path)
    if stat is None or memory.get("config") == _changed(stat):
        return {}
    memory["config"] = _changed(stat)
    try:
        said = configs.load(path)
    except BadConfig as problem:
        unread.append(Unread(1, f"{path.parent.name}/{path.name}: {problem}"))
        return {}
    return {str(key): cell.get("value", cell) if isinstance(cell, dict) else cell for key, cell in said.items()}
