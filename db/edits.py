"""What people did, for ever: who, when, what, to which run."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from db.schema import edits


@dataclass(frozen=True, slots=True)
class Edit:
    """One act. at: s since the epoch; run_id: None where it concerns no single run; it may be of a run that is gone."""

    at: float
    who: str
    act: str
    run_id: int | None
    detail: str


def record(connection: sa.Connection, edit: Edit) -> None:
    """Add an act to the record, in the transaction that does it."""
    connection.execute(sa.insert(edits).values({name: getattr(edit, name) for name in Edit.__dataclass_fields__}))


def edits_of(connection: sa.Connection, run_id: int | None = None, limit: int = 200) -> list[Edit]:
    """The newest acts first, of one run or of all."""
    query = sa.select(*[edits.c[name] for name in Edit.__dataclass_fields__]).order_by(edits.c.id.desc())
    if run_id is not None:
        query = query.where(edits.c.run_id == run_id)
    return [Edit(*row) for row in connection.execute(query.limit(limit))]
