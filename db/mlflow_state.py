"""What our store says of a run that is to be copied into MLflow, and the record of how far that has come."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from db.block import Bools, Floats, Ints
from db.engine import writing
from db.findings import findings_of, judged
from db.metrics import by_id
from db.mlflow_names import LONGEST_TAG, text_of
from db.points import insert_new
from db.runs import Attempt, Run, Source, attempts_of, config_of, settings_of, sources_of
from db.schema import axes, chunks, keyset_metrics, mirrors, runs, sources, tail
from db.series import Piece, pieces


@dataclass(slots=True)
class Stretch:
    """An attempt and how much of it is in MLflow.

    confirmed: its records that no torn end gave. seq: records before it are in `mlflow_run`; None: never begun.
    """

    attempt: Attempt
    source: Source
    confirmed: int
    seq: int | None
    mlflow_run: str | None


@dataclass(frozen=True, slots=True)
class State:
    """What our store says of a run. key: names it in MLflow. owners: metric name -> the line that it is taken from,
    empty where the run has only one."""

    run: Run
    key: str
    started: float  # s since the epoch
    stretches: list[Stretch]
    owners: dict[str, int]
    params: dict[str, Any]
    verdict: str

    def is_told_by_another(self, name: str, stretch: Stretch) -> bool:
        """Is this metric taken from another file of the run?"""
        return self.owners.get(name, stretch.attempt.line) != stretch.attempt.line

    @property
    def modified(self) -> float:
        """Of the newest file, in s since the epoch."""
        return max(one.source.modified for one in self.stretches)


@dataclass(frozen=True, slots=True)
class Points:
    """All (n,), in the order of records. walls: s since the epoch, NaN where unknown."""

    records: Ints
    metric_ids: Ints
    steps: Ints
    walls: Floats
    values: Floats

    def __getitem__(self, chosen: Bools | Ints | slice) -> Points:
        columns = (self.records, self.metric_ids, self.steps, self.walls, self.values)
        return Points(*(column[chosen] for column in columns))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.records)


def state_of(connection: sa.Connection, run: Run, target: str) -> State:
    """The run as it is now, and how far it has come in this target."""
    attempts = attempts_of(connection, [run.id])
    files = {one.id: one for one in sources_of(connection, [run.id])}
    confirmed = _confirmed(connection, run.id, attempts)
    mine = sa.select(mirrors).where(mirrors.c.target == target, mirrors.c.attempt_id.in_(list(confirmed)))
    done = {row.attempt_id: row for row in connection.execute(mine)}
    stretches = [
        Stretch(
            one,
            files[one.source_id],
            confirmed[one.id],
            done[one.id].seq if one.id in done else None,
            done[one.id].mlflow_run if one.id in done else None,
        )
        for one in attempts
        if confirmed[one.id]
    ]
    named = {f"setting/{name}": value for name, value in settings_of(connection, run.id).items()}
    params = {text_of(name, LONGEST_TAG): value for name, value in (config_of(connection, run.id) | named).items()}
    return State(
        run,
        _key(connection, run.id),
        _started(connection, stretches),
        stretches,
        _owners(connection, attempts),
        params,
        _verdict(connection, run.id, files),
    )


def _started(connection: sa.Connection, stretches: Sequence[Stretch]) -> float:
    """The time of the first record, or the files'."""
    first = [
        np.frombuffer(walls)[0]
        for table in (axes, tail)
        for walls in connection.execute(
            sa.select(table.c.walls).where(
                table.c.attempt_id.in_([one.attempt.id for one in stretches]), table.c.seq == 0
            )
        ).scalars()
    ]
    times = [float(wall) for wall in first if np.isfinite(wall)] or [one.source.modified for one in stretches]
    return min(times, default=0.0)


def _confirmed(connection: sa.Connection, run_id: int, attempts: Sequence[Attempt]) -> dict[int, int]:
    """attempt id -> records that stay. A torn end's records are the last of its attempt, or an attempt of their own."""
    records = {one.id: one.records for one in attempts}
    torn = sa.select(sources.c.provisional).where(sources.c.run_id == run_id, sources.c.provisional.is_not(None))
    for text in connection.execute(torn).scalars():
        end = json.loads(text)
        if end.get("attempt") in records:
            records[end["attempt"]] = int(end["seq"])
    return records


def _key(connection: sa.Connection, run_id: int) -> str:
    """The same for this run of this store on this host as long as the store lives, and never another run's: ids start
    again when a store is made anew, and two hosts may have a run at one place."""
    place = connection.execute(sa.select(runs.c.place).where(runs.c.id == run_id)).scalar_one()
    url = connection.engine.url
    database = str(Path(url.database or "").resolve()) if url.get_backend_name() == "sqlite" else str(url)
    return hashlib.blake2b("\0".join([socket.gethostname(), database, place]).encode(), digest_size=16).hexdigest()


def _owners(connection: sa.Connection, attempts: Sequence[Attempt]) -> dict[str, int]:
    owners: dict[str, int] = {}
    if len({one.line for one in attempts}) > 1:
        for one in attempts:
            for metric in by_id(connection, metrics_in(connection, one.id)).values():
                owners.setdefault(metric.name, one.line)
    return owners


def metrics_in(connection: sa.Connection, attempt_id: int) -> list[int]:
    """The ids of every metric that an attempt logged."""
    sealed = sa.select(chunks.c.metric_id).where(chunks.c.attempt_id == attempt_id)
    waiting = (
        sa.select(keyset_metrics.c.metric_id)
        .join(tail, tail.c.keyset_id == keyset_metrics.c.keyset_id)
        .where(tail.c.attempt_id == attempt_id)
    )
    return list(connection.execute(sealed.union(waiting)).scalars())


def _verdict(connection: sa.Connection, run_id: int, source_ids: Collection[int]) -> str:
    firing = findings_of(connection, [run_id], firing=True)
    if firing:
        return "; ".join(f"{one.severity}: {one.trouble} since step {one.onset_step}" for one in firing)
    return "nothing found" if judged(connection, source_ids) else "not judged"


def pieces_since(connection: sa.Connection, stretch: Stretch) -> tuple[list[Piece], dict[int, str]]:
    """What an attempt holds beyond the records that were copied, and the names of its metrics by id."""
    ids = metrics_in(connection, stretch.attempt.id)
    known = by_id(connection, ids)
    names = {i: text_of(known[i].name, LONGEST_TAG) for i in ids}
    return list(pieces(connection, [stretch.attempt.id], ids, since=stretch.seq or 0)), names


def points_between(found: Sequence[Piece], start: int, stop: int) -> Points:
    """The points of records start..stop, record by record."""
    parts = []
    for piece in found:
        if piece.seq >= stop:
            continue
        at = np.arange(len(piece.steps)) if piece.positions is None else piece.positions
        records = piece.seq + at
        here = (records >= start) & (records < stop)
        if here.any():
            metric = np.full(int(here.sum()), piece.metric_id)
            parts.append((records[here], metric, piece.steps[here], piece.walls[here], piece.values[here]))
    if not parts:
        none = np.array([], np.int64)
        return Points(none, none, none, none.astype(float), none.astype(float))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    return Points(*(column[order] for column in columns))


def furthest_step(connection: sa.Connection, attempt_id: int, before: int) -> int | None:
    """The highest step of an attempt's records before this one: its last is not always the highest, for a
    validation may be logged late."""
    steps = [np.array([], np.int64)]
    for table in (axes, tail):
        rows = sa.select(table.c.seq, table.c.steps).where(table.c.attempt_id == attempt_id, table.c.seq < before)
        steps += [np.frombuffer(row.steps, np.int64)[: before - row.seq] for row in connection.execute(rows)]
    every = np.concatenate(steps)
    return int(every.max()) if len(every) else None


def begin(engine: sa.Engine, state: State, target: str, mlflow_run: str) -> bool:
    """Record that these attempts go into this MLflow run, before anything of them does. False if another process has
    recorded another MLflow run for them."""
    rows = [
        {"attempt_id": one.attempt.id, "target": target, "mlflow_run": mlflow_run, "seq": 0}
        for one in state.stretches
        if one.seq is None
    ]
    for one in state.stretches:
        one.seq, one.mlflow_run = one.seq or 0, mlflow_run
    if not rows:
        return True
    mine = (mirrors.c.target == target) & mirrors.c.attempt_id.in_([row["attempt_id"] for row in rows])
    with writing(engine) as connection:
        connection.execute(insert_new(connection, mirrors).on_conflict_do_nothing(), rows)
        return set(connection.execute(sa.select(mirrors.c.mlflow_run).where(mine)).scalars()) == {mlflow_run}


def advance(engine: sa.Engine, stretch: Stretch, target: str, seq: int) -> bool:
    """Record that the records before `seq` are in MLflow. False if the attempt has gone from the store, or goes into
    another MLflow run by now."""
    stretch.seq = seq
    mine = (mirrors.c.attempt_id == stretch.attempt.id) & (mirrors.c.target == target)
    mine &= mirrors.c.mlflow_run == stretch.mlflow_run
    with writing(engine) as connection:
        return connection.execute(sa.update(mirrors).where(mine).values(seq=seq)).rowcount == 1


def forget(engine: sa.Engine, state: State, target: str) -> None:
    """Nothing of this run is in MLflow any more."""
    ids = [one.attempt.id for one in state.stretches]
    with writing(engine) as connection:
        connection.execute(sa.delete(mirrors).where(mirrors.c.target == target, mirrors.c.attempt_id.in_(ids)))
    for one in state.stretches:
        one.seq = one.mlflow_run = None
