"""Small files beside the logs that hold no points: which are known, and what was read of them.

A document whose bytes have changed replaces in one transaction all that it said before.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from db import evaluations
from db.points import insert_new
from db.redact import redact_text
from db.schema import documents, runs, shelved
from db.text import storable


@dataclass(frozen=True, slots=True)
class Document:
    """A row of `documents`. kind: evaluation, expert_scores, expert_config, dataset, rollouts …; format: who read it.

    content: what the reader made of it, JSON ("" for evaluations, which are rows).
    unread, why: how many entries could not be read, and the first of them with its place.
    """

    path: str
    kind: str
    format: str
    fingerprint: str
    size: int
    modified: float
    content: str = ""
    unread: int = 0
    why: str = ""
    run_id: int | None = None
    id: int = 0


COLUMNS = tuple(documents.c[name] for name in Document.__dataclass_fields__)


def put(connection: sa.Connection, document: Document, scores: Sequence[evaluations.Entry] = ()) -> int:
    """Store a document and its scores in place of what the same path said before. Returns its id.

    A score without a run of its own gets the document's. Same bytes as before: only place and time are noted.
    """
    values = {name: getattr(document, name) for name in Document.__dataclass_fields__ if name != "id"}
    values |= {"path": storable(document.path), "content": storable(document.content)}
    values["why"] = storable(redact_text(document.why[:500]))
    new = insert_new(connection, documents).values(**values)
    # The conflict's update locks the row, so that a second collector waits here and then replaces all of this.
    new = new.on_conflict_do_update(
        index_elements=[documents.c.path], set_={n: values[n] for n in values if n != "path"}
    )
    of = int(connection.execute(new.returning(documents.c.id)).scalar_one())
    evaluations.replace_scores(connection, of, document.run_id, scores)
    return of


def move(connection: sa.Connection, before: str, path: str) -> None:
    """The same bytes now stand elsewhere."""
    connection.execute(sa.update(documents).where(documents.c.path == before).values(path=path))


def touch(connection: sa.Connection, path: str, size: int, modified: float) -> None:
    """Looked at again; it says what it said."""
    connection.execute(sa.update(documents).where(documents.c.path == path).values(size=size, modified=modified))


def forget(connection: sa.Connection, paths: Collection[str]) -> None:
    """These are documents no more: their rows go with them."""
    connection.execute(sa.delete(documents).where(documents.c.path.in_(paths)))


def attach(connection: sa.Connection, document_id: int, run_id: int | None) -> None:
    """Whose it is was learnt after it was stored; its scores: `db.evaluations.attach`."""
    connection.execute(sa.update(documents).where(documents.c.id == document_id).values(run_id=run_id))


def thin(connection: sa.Connection, kind: str, keep: int) -> int:
    """Let go of what was read of a run's documents of this kind but the newest `keep`: of rollouts there comes one at
    every step. Their rows stay, so that nobody reads them again. Returns how many were let go of."""
    c = documents.c
    query = sa.select(c.id, c.run_id, c.path, c.modified).where(c.kind == kind, c.content != "", c.run_id.is_not(None))
    by_run: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
    for of, run_id, path, modified in connection.execute(query):
        number = re.search(r"(\d{1,18})\D*$", path)
        by_run[run_id].append((modified, int(number[1]) if number else 0, of))
    old = [of for found in by_run.values() for _, _, of in sorted(found)[:-keep]]
    if old:
        connection.execute(sa.update(documents).where(c.id.in_(old)).values(content=""))
    return len(old)


def known(connection: sa.Connection) -> list[Document]:
    """Every document, by path, also of runs that are shelved; without its content, which may be large."""
    columns = [sa.literal("").label("content") if column is documents.c.content else column for column in COLUMNS]
    return [Document(*row) for row in connection.execute(sa.select(*columns).order_by(documents.c.path))]


def of_kind(connection: sa.Connection, kind: str, run_ids: Collection[int] | None = None) -> list[Document]:
    """The documents of one kind, by path; of these runs, or all but those of runs that somebody deleted."""
    query = sa.select(*COLUMNS).where(documents.c.kind == kind).order_by(documents.c.path)
    if run_ids is not None:
        return [Document(*row) for row in connection.execute(query.where(documents.c.run_id.in_(run_ids)))]
    gone = sa.select(shelved.c.run_id).where(shelved.c.how == "deleted")
    query = query.where(documents.c.run_id.is_(None) | documents.c.run_id.not_in(gone))
    return [Document(*row) for row in connection.execute(query)]


def places_of_runs(connection: sa.Connection) -> dict[int, str]:
    """run id -> where the run lives (the folder, or folder#name), as told when it was found."""
    return {int(run_id): str(place) for run_id, place in connection.execute(sa.select(runs.c.id, runs.c.place))}
