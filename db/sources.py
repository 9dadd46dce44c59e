"""The files that are being read, and the place up to which each is done with.

A place is moved in the same transaction as the points that came from before it, and only by whoever read it last:
`hold` fails for a second collector, which then reads the place again.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from db import findings, latest
from db.points import Trying, insert_new, last_steps
from db.prepared import Prepared
from db.redact import redact_text
from db.schema import attempts, chunks, keyset_metrics, metrics, sources, tail, unread
from db.text import storable

AFRESH = -2
"""The size of a file that was never read, or is to be read afresh."""
MOST_UNREAD = 1000
"""Lines kept per source; the count goes on, so that a log of garbage does not fill the store."""


class Overtaken(Exception):
    """Another collector has moved this place since it was read."""


@dataclass(frozen=True, slots=True)
class Place:
    """A row of `sources`. memory: the reader's; provisional: how to take back what a torn end gave.

    attempt: the one it is in, where that is known from the last write at this version; None asks the store.
    """

    path: str
    format: str
    id: int = 0
    run_id: int = 0
    trainer: str = ""
    head: str = ""
    mark: str = ""
    size: int = 0
    modified: float = 0.0
    offset: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    provisional: dict[str, Any] | None = None
    version: int = 0
    records: int = 0
    points: int = 0
    rows: int = 0
    first_step: int | None = None
    last_step: int | None = None
    unread: int = 0
    attempt: Trying | None = None


NAMES = [name for name in Place.__dataclass_fields__ if name != "attempt"]
COLUMNS = [sources.c[name] for name in NAMES]
FIXED = ("id", "run_id", "path")  # a claim leaves these out: to name an indexed column is to write its index again
HOLD = Prepared(sa.select(sources.c.version).where(sources.c.id == sa.bindparam("of")).with_for_update())
CLAIM = Prepared(
    sa.update(sources)
    .where(sources.c.id == sa.bindparam("of"), sources.c.version == sa.bindparam("at"))
    .values({name: sa.bindparam(name) for name in NAMES if name not in FIXED})
)


def places(connection: sa.Connection, paths: Collection[str] | None = None) -> dict[str, Place]:
    """path -> place of every file that is known (or of these)."""
    query = sa.select(*COLUMNS)
    if paths is not None:
        query = query.where(sources.c.path.in_(paths))
    return {row.path: _place(row) for row in connection.execute(query)}


def torn_ends(connection: sa.Connection, source_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """source id -> (attempt id, record) from which its records are those of a torn end; absent where none are."""
    query = sa.select(sources.c.id, sources.c.provisional)
    query = query.where(sources.c.id.in_(source_ids), sources.c.provisional.is_not(None))
    told = {source_id: json.loads(text) for source_id, text in connection.execute(query)}
    return {i: (end["attempt"], end["seq"]) for i, end in told.items() if "attempt" in end}


def _place(row: sa.Row) -> Place:  # type: ignore[type-arg]
    values = row._asdict()
    torn = values["provisional"]
    return Place(
        **{
            **values,
            "memory": json.loads(values["memory"]),
            "provisional": json.loads(torn) if torn else None,
        }
    )


def add(connection: sa.Connection, place: Place) -> Place:
    """Make the row of a file that is new. Raises Overtaken if another collector has just made it."""
    new = insert_new(connection, sources).values(_columns(place)).on_conflict_do_nothing().returning(sources.c.id)
    made = connection.execute(new).scalar()
    if made is None:
        raise Overtaken(place.path)
    return replace(place, id=int(made))


def hold(connection: sa.Connection, place: Place) -> None:
    """Before the first write: the place is as it was read, and nobody else may move it in this transaction.
    Raises Overtaken."""
    if HOLD.run(connection, {"of": place.id}).scalar() != place.version:
        raise Overtaken(place.path)


def rename(connection: sa.Connection, place: Place, path: str) -> Place:
    """The file has moved; to be claimed in the same transaction."""
    connection.execute(sa.update(sources).where(sources.c.id == place.id).values(path=path))
    return replace(place, path=path)


def claim(connection: sa.Connection, place: Place) -> Place:
    """Write the row of a place that was read at this version. Raises Overtaken if it has moved since."""
    moved = replace(place, version=place.version + 1)
    if CLAIM.run(connection, {"of": place.id, "at": place.version, **_columns(moved)}).rowcount != 1:
        raise Overtaken(place.path)
    return moved


def _columns(place: Place) -> dict[str, Any]:
    values = {name: getattr(place, name) for name in NAMES if name != "id"}
    torn = place.provisional
    return {
        **values,
        "memory": json.dumps(place.memory),
        "provisional": None if torn is None else json.dumps(torn),
    }


def set_aside(connection: sa.Connection, place: Place, lines: Collection[tuple[int, str]]) -> Place:
    """Record (line, why) of what could not be read."""
    if not lines:
        return place
    found = [{"source_id": place.id, "line": line, "why": storable(redact_text(why[:500]))} for line, why in lines]
    kept = found[: max(0, MOST_UNREAD - place.unread)]
    if kept:
        connection.execute(sa.insert(unread), kept)
    return replace(place, unread=place.unread + len(found))


def current(connection: sa.Connection, source_id: int) -> Trying | None:
    """The newest attempt of a source."""
    columns = [attempts.c[name] for name in Trying.__dataclass_fields__]
    query = sa.select(*columns).where(attempts.c.source_id == source_id).order_by(attempts.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else Trying(*row)


def open_attempt(connection: sa.Connection, place: Place, first_step: int, metric_ids: Collection[int]) -> Trying:
    """The next attempt of the place's run. It goes on with, or supersedes, the newest attempt of the same container
    that shares a metric with it; else it starts a line of its own (train.jsonl beside eval.jsonl)."""
    newest = connection.scalar(sa.select(sa.func.max(attempts.c.number)).where(attempts.c.run_id == place.run_id)) or 0
    number = int(newest) + 1
    line = _line(connection, place, metric_ids) or number
    values = {
        "run_id": place.run_id,
        "source_id": place.id,
        "number": number,
        "line": line,
        "first_step": first_step,
    }
    blank = {"last_step": first_step, "records": 0, "tail_records": 0, "has_row": False}
    made = connection.execute(sa.insert(attempts).values(**values, **blank).returning(attempts.c.id)).scalar_one()
    supersede(connection, place.run_id, line, place.id)
    return Trying(int(made), number, line, first_step, first_step, 0, 0, False, None)


def _line(connection: sa.Connection, place: Place, metric_ids: Collection[int]) -> int | None:
    query = (
        sa.select(attempts.c.id, attempts.c.line)
        .join(sources, sources.c.id == attempts.c.source_id)
        .where(attempts.c.run_id == place.run_id, sources.c.format == place.format)
        .order_by(attempts.c.number.desc())
    )
    seen: set[int] = set()
    for attempt_id, line in connection.execute(query):
        if line not in seen and not last_steps(connection, attempt_id).keys().isdisjoint(metric_ids):
            return int(line)
        seen.add(line)
    return None


def first_row(connection: sa.Connection, place: Place, attempt: Trying, step: int) -> Trying:
    """The attempt's first training row: it supersedes from there, not from a validation record before it."""
    values = {"first_step": step, "has_row": True}
    connection.execute(sa.update(attempts).where(attempts.c.id == attempt.id).values(values))
    if step != attempt.first_step:
        supersede(connection, place.run_id, attempt.line, place.id)
    return replace(attempt, first_step=step, has_row=True)


def restore(connection: sa.Connection, place: Place, attempt: Trying) -> None:
    """The attempt's row as it was."""
    names = ("first_step", "last_step", "records", "tail_records", "has_row")
    values = {name: getattr(attempt, name) for name in names}
    connection.execute(sa.update(attempts).where(attempts.c.id == attempt.id).values(values))
    supersede(connection, place.run_id, attempt.line, place.id)


def close_attempt(connection: sa.Connection, place: Place, attempt: Trying) -> None:
    """Take back an attempt that only a torn end had opened."""
    connection.execute(sa.delete(attempts).where(attempts.c.id == attempt.id))
    supersede(connection, place.run_id, attempt.line, place.id)


def supersede(connection: sa.Connection, run_id: int, line: int, by: int) -> None:
    """Each attempt of a line ends where the earliest of the later ones starts. The version of a source whose attempt
    has changed moves on, so that a collector that remembers the attempt looks again."""
    mine = (attempts.c.run_id == run_id) & (attempts.c.line == line)
    columns = (attempts.c.id, attempts.c.source_id, attempts.c.first_step, attempts.c.ends_at)
    ends: int | None = None
    for row in connection.execute(sa.select(*columns).where(mine).order_by(attempts.c.number.desc())).all():
        if row.ends_at != ends:
            connection.execute(sa.update(attempts).where(attempts.c.id == row.id).values(ends_at=ends))
            if row.source_id != by:
                moved = sa.update(sources).where(sources.c.id == row.source_id)
                connection.execute(moved.values(version=sources.c.version + 1))
        ends = row.first_step if ends is None else min(ends, row.first_step)


def attempts_in(connection: sa.Connection, source_id: int) -> int:
    """How many attempts a source has."""
    query = sa.select(sa.func.count()).select_from(attempts).where(attempts.c.source_id == source_id)
    return int(connection.execute(query).scalar_one())


def names_of(connection: sa.Connection, source_id: int) -> list[str]:
    """The raw names that a source has logged so far."""
    mine = sa.select(attempts.c.id).where(attempts.c.source_id == source_id)
    ids = set(connection.execute(sa.select(chunks.c.metric_id).where(chunks.c.attempt_id.in_(mine))).scalars())
    waiting = sa.select(keyset_metrics.c.metric_id).join(tail, tail.c.keyset_id == keyset_metrics.c.keyset_id)
    ids |= set(connection.execute(waiting.where(tail.c.attempt_id.in_(mine))).scalars())
    return list(connection.execute(sa.select(metrics.c.name).where(metrics.c.id.in_(ids))).scalars())


def start_over(connection: sa.Connection, place: Place) -> Place:
    """Take back all that a source gave: it is to be read afresh from its start."""
    lines = set(connection.execute(sa.select(attempts.c.line).where(attempts.c.source_id == place.id)).scalars())
    for table in (attempts, unread):
        connection.execute(sa.delete(table).where(table.c.source_id == place.id))
    for line in lines:
        supersede(connection, place.run_id, line, place.id)
    findings.forget(connection, place.id)
    latest.rebuild(connection, place.run_id)
    fresh = Place(place.path, place.format, size=AFRESH)
    return replace(fresh, id=place.id, run_id=place.run_id, version=place.version, modified=place.modified)
