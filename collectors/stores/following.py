"""One pass over trackers: each run in them is a source; points and place move in one transaction, as with files."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from collectors import names
from collectors.contract import Part
from collectors.store import keep_config, put
from collectors.stores import swanlab
from collectors.stores.contract import SQLITE, StoredRun, Tracker
from collectors.stores.mlflow_files import MlflowFolder
from db import runs
from db.engine import writing
from db.sources import Overtaken, Place, add, claim, hold, set_aside

SCHEME = "mlflow:"
FOLDER = "mlruns"
ENDINGS = (".db", ".sqlite", ".sqlite3")


def is_tracker(argument: str) -> bool:
    """Whether a path argument names a tracker rather than a path."""
    return argument.startswith(SCHEME)


def is_database(path: Path) -> bool:
    """Whether a file may be a tracker's: such a one is no log."""
    return path.suffix in ENDINGS or swanlab.is_inside(path)


def is_names(path: Path) -> bool:
    """Whether a file says where such a store is."""
    return path.name == swanlab.NAMES


def places(argument: Path | str) -> Iterator[tuple[str, str]]:
    """(kind, where) of the trackers that an argument names, or that lie directly in its folder."""
    if isinstance(argument, str):
        yield "mlflow", argument.removeprefix(SCHEME)
        return
    path = argument.resolve()
    for folder in (path, path / FOLDER):
        if folder.name == FOLDER and folder.is_dir():
            yield "mlflow", str(folder)
    for folder in (path.parent if path.name == swanlab.NAMES else path, path / swanlab.FOLDER):
        if (folder / swanlab.NAMES).is_file():
            yield swanlab.SwanlabStore.NAME, str(folder)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files:
        if file.suffix in ENDINGS and file.is_file() and (kind := _kind(file)):
            yield kind, f"sqlite:///{file}" if kind == "mlflow" else str(file)


def _kind(file: Path) -> str | None:
    from collectors.stores.trackio_source import TrackioStore

    with file.open("rb") as opened:
        if opened.read(len(SQLITE)) != SQLITE:
            return None
    if TrackioStore.owns(file):
        return "trackio"
    engine = sa.create_engine(f"sqlite:///file:{file}?mode=ro&uri=true")
    try:
        tables = set(sa.inspect(engine).get_table_names())
    except sa.exc.SQLAlchemyError:
        return None
    finally:
        engine.dispose()
    return "mlflow" if tables >= {"experiments", "latest_metrics", "params"} else None


def opened(kind: str, where: str) -> Tracker:
    """Raises StoreProblem."""
    if kind == swanlab.SwanlabStore.NAME:
        return swanlab.SwanlabStore(Path(where))
    if kind == "trackio":
        from collectors.stores.trackio_source import TrackioStore

        return TrackioStore(Path(where))
    if (folder := _folder(where)) is not None:
        return MlflowFolder(folder)
    from collectors.stores.mlflow_source import MlflowStore  # takes seconds to import

    return MlflowStore(where)


def _folder(where: str) -> Path | None:
    """The folder that a tracking URI names: a path, or file:…"""
    path = Path(unquote(urlsplit(where).path) if where.startswith("file:") else where)
    return path.resolve() if path.is_dir() else None


def read_tracker(
    engine: sa.Engine, tracker: Tracker, known: Mapping[str, Place], project: str | None
) -> Iterator[tuple[Place, int]]:
    """(place, new points) of every run in it that has something new. Raises StoreProblem, db.engine.StoreError."""
    for run in tracker.runs():
        path = f"{tracker.NAME}:{tracker.where}#{run.key}"
        place = known.get(path) or Place(path, tracker.NAME)
        if place.id and place.memory.get("stamp") == run.stamp:
            continue
        memory: dict[str, Any] = copy.deepcopy(place.memory)
        part = tracker.read(run, memory)
        try:
            stored = _keep(engine, place, part, run, memory | {"stamp": run.stamp}, project)
        except Overtaken:
            continue  # another collector has it; the next pass looks again
        yield stored, stored.points - place.points


def _keep(
    engine: sa.Engine, place: Place, part: Part, run: StoredRun, memory: dict[str, Any], project: str | None
) -> Place:
    with writing(engine) as connection:
        if place.id:
            hold(connection, place)
        else:
            home = place.path.partition("#")[0]
            run_id = runs.make(connection, project or run.project, run.name, f"{home}#{run.project}/{run.name}")
            place = add(connection, replace(place, run_id=run_id))
        if not place.records:
            trainer = names.recognise(name for block in part.blocks for name in block.names)
            place = replace(place, trainer=trainer)
            if part.blocks:
                runs.set_trainer(connection, place.run_id, trainer)
        place = set_aside(connection, place, [(one.line, one.why) for one in part.unread])
        place = put(connection, place, part, restarted=False, modified=run.modified)
        keep_config(connection, place, replace(part, run=None), project)
        return claim(connection, replace(place, memory=memory, modified=run.modified))
