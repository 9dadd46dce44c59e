"""What does the store hold, and how large is it?"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from db import schema
from db.edits import SHELVES, Edit, edits_of
from db.runs import all_runs

COUNTED = {
    "runs": schema.runs,
    "files": schema.sources,
    "attempts": schema.attempts,
    "metric names": schema.metrics,
    "findings": schema.findings,
    "alerts": schema.alerts,
    "documents": schema.documents,
    "evaluations": schema.evaluations,
    "edits": schema.edits,
}


@dataclass(frozen=True, slots=True)
class Store:
    """counts: rows of each kind; points: values; size: bytes, None where the database does not tell; archived and
    deleted: runs out of sight; schema: the newest migration; edit: the last thing that somebody did."""

    database: str
    counts: dict[str, int]
    points: int
    unread: int
    size: int | None
    archived: int
    deleted: int
    schema: str
    edit: Edit | None

    @property
    def sentence(self) -> str:
        if not self.counts["runs"]:
            return "The store is empty."
        size = f", {_bytes(self.size)}" if self.size is not None else ""
        away = [f"{n:,} {how}" for n, how in ((self.archived, "archived"), (self.deleted, "deleted")) if n]
        runs = f"{self.counts['runs']:,} {'run' if self.counts['runs'] == 1 else 'runs'}"
        shelved = f" ({', '.join(away)})" if away else ""
        return f"{runs}{shelved}, {self.points:,} points{size}."


def store(connection: sa.Connection) -> Store:
    """Counts, size and version of the store."""
    counts = {
        name: int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
        for name, table in COUNTED.items()
    }
    sums = sa.select(sa.func.sum(schema.sources.c.points), sa.func.sum(schema.sources.c.unread))
    points, unread = connection.execute(sums).one()
    shelves = sa.select(schema.shelved.c.how, sa.func.count()).group_by(schema.shelved.c.how)
    away = {row[0]: int(row[1]) for row in connection.execute(shelves)}
    newest = edits_of(connection, limit=1)
    version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return Store(
        database=f"{connection.dialect.name} {'.'.join(map(str, connection.dialect.server_version_info or ()))}",
        counts=counts,
        points=int(points or 0),
        unread=int(unread or 0),
        size=_size(connection),
        archived=away.get("archived", 0),
        deleted=away.get("deleted", 0),
        schema=str(version),
        edit=newest[0] if newest else None,
    )


def labels(connection: sa.Connection) -> dict[int, str]:
    """run id -> project/name of every run, out of sight or not: the record of what people do names them all."""
    return {run.id: run.label for run in all_runs(connection, shelves=SHELVES)}


def _size(connection: sa.Connection) -> int | None:
    if connection.dialect.name == "postgresql":
        size = connection.scalar(sa.text("SELECT pg_database_size(current_database())"))
        return None if size is None else int(size)
    pages = connection.scalar(sa.text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"))
    return None if pages is None else int(pages)


def _bytes(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"
