"""MLflow's file store: `mlruns/`, the default of every MLflow before 3.7; today's MLflow refuses to open it.

mlruns/207885148148303982/meta.yaml                      the experiment's name
mlruns/207885148148303982/79c906ac…/meta.yaml            the run's name and state
mlruns/207885148148303982/79c906ac…/metrics/actor/entropy     time in ms, value, step:  1766306257853 0.31 12
mlruns/207885148148303982/79c906ac…/params/data/max_response_length     24576

Such a file only ever grows, so the bytes that have been read are the place; nothing of MLflow is imported for it. What
was deleted in MLflow, what Stepwell itself copied there and metrics of the machine (system/…) are left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from collectors import configs
from collectors.configs import BadConfig
from collectors.contract import Memory, Part, Unread
from collectors.lines import number, step_of
from collectors.stores.contract import StoredRun, StoreProblem, merged, part_of
from db.mlflow_server import KEY
from db.text import storable

OF_THE_MACHINE = "system/"
LARGEST = 64 << 20  # bytes of one metric in one pass
LONGEST_PARAM = 1 << 16
META = "meta.yaml"

Point = tuple[float, int, str, float]


class MlflowFolder:
    """One `mlruns/`. Raises StoreProblem where it cannot be listed."""

    NAME = "mlflow"

    def __init__(self, folder: Path) -> None:
        self.folder, self.where = folder, str(folder)

    def runs(self) -> Iterable[StoredRun]:
        try:
            found = [one for experiment in sorted(self.folder.glob("*/" + META)) for one in _runs(experiment)]
        except OSError as error:
            raise StoreProblem(f"{self.folder}: {error.strerror or error}") from error
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]  # a later run of one name is a restart

    def read(self, run: StoredRun, memory: Memory) -> Part:
        """memory["metrics"]: bytes read of each; ["params"]: how many params there were."""
        folder = self.folder / run.key
        known: dict[str, int] = memory.setdefault("metrics", {})
        unread: list[Unread] = []
        points: list[Point] = []
        try:
            for file in _files(folder / "metrics"):
                name = file.relative_to(folder / "metrics").as_posix()
                if not name.startswith(OF_THE_MACHINE):
                    points += _news(file, storable(name), known, unread)
            part = part_of(merged(points), memory)
            part.config = _params(folder / "params", memory)
        except OSError as error:
            raise StoreProblem(f"{folder}: {error.strerror or error}") from error
        part.unread += unread
        part.run, part.project = run.name, run.project
        return part


def _runs(experiment: Path) -> Iterator[tuple[int, StoredRun]]:
    """(when it began, the run) of each in one experiment."""
    about = _meta(experiment)
    if about.get("lifecycle_stage") == "deleted":
        return
    project = storable(str(about.get("name") or experiment.parent.name))
    for meta in sorted(experiment.parent.glob("*/" + META)):
        told = _meta(meta)
        if told.get("lifecycle_stage") == "deleted" or (meta.parent / "tags" / KEY).exists():
            continue
        key = f"{experiment.parent.name}/{meta.parent.name}"
        name = told.get("run_name") or _text(meta.parent / "tags" / "mlflow.runName") or meta.parent.name
        stamp, modified = _stamp(meta.parent)
        began = told.get("start_time")
        yield int(began) if isinstance(began, int) else 0, StoredRun(key, project, storable(str(name)), stamp, modified)


def _stamp(run: Path) -> tuple[str, float]:
    """What changes whenever something was logged, and when that was."""
    told, newest, count = 0, 0.0, 0
    for file in [run / META, *_files(run / "metrics"), *_files(run / "params")]:
        try:
            stat = file.stat()
        except OSError:
            continue  # gone since it was listed
        told = zlib.crc32(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode(errors="replace"), told)
        newest, count = max(newest, stat.st_mtime), count + 1
    return f"{count} {told}", newest


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _meta(path: Path) -> dict[str, Any]:
    try:
        return configs.load(path)
    except (BadConfig, OSError):
        return {}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_PARAM).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _news(file: Path, name: str, known: dict[str, int], unread: list[Unread]) -> list[Point]:
    """The points behind what is known of the file; its last line only with its end."""
    done = known.get(name, 0)
    with file.open("rb") as opened:
        opened.seek(done)
        data = opened.read(LARGEST)
    data = data[: data.rfind(b"\n") + 1]
    known[name] = done + len(data)
    points: list[Point] = []
    for line in data.splitlines():
        cells = line.decode("utf-8", "replace").split()
        point = _point(name, cells) if cells else None
        if point:
            points.append(point)
        elif cells:
            unread.append(Unread(1, f"{name}: no time, value and step: {' '.join(cells)[:60]!r}"))
    return points


def _point(name: str, cells: list[str]) -> Point | None:
    """The oldest stores have no step."""
    if len(cells) < 2:
        return None
    when, value = number(cells[0]), number(cells[1])
    step = step_of(cells[2]) if len(cells) > 2 else 0
    return None if when is None or value is None or step is None else (when / 1e3, step, name, value)


def _params(folder: Path, memory: Memory) -> dict[str, Any]:
    """The run's params, where there are others than before."""
    files = _files(folder)
    if memory.get("params") == len(files):
        return {}
    memory["params"] = len(files)
    return {file.relative_to(folder).as_posix(): _text(file) for file in files}
