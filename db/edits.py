"""What people do to runs (tags, notes, out of sight and back), and the record of it, for ever: who, when, what.

Every act writes its row of `edits` in the transaction that does it; an act that would change nothing writes none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from db.points import insert_new
from db.schema import edits, notes, shelved, tags
from db.text import storable

Shelf = Literal["archived", "deleted"]

SHELVES: tuple[Shelf, ...] = ("archived", "deleted")
LONGEST_TAG, LONGEST_NOTE = 64, 20_000  # characters


class BadTag(ValueError):
    """A tag that could not be told from something else: empty, too long, or with a comma."""


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


def a_tag(text: str) -> str:
    """The tag as it is stored: its white space made plain. Raises BadTag."""
    tag = storable(" ".join(text.split()))
    if not tag or len(tag) > LONGEST_TAG or "," in tag:
        raise BadTag(f"a tag has 1 to {LONGEST_TAG} characters and no comma, found {text[:80]!r}")
    return tag


def tag(connection: sa.Connection, run_ids: Collection[int], name: str, *, who: str, at: float) -> list[int]:
    """Give runs a tag; returns those that did not have it. Raises BadTag."""
    name = a_tag(name)
    had = set(connection.scalars(sa.select(tags.c.run_id).where(tags.c.tag == name, tags.c.run_id.in_(run_ids))))
    new = [run_id for run_id in dict.fromkeys(run_ids) if run_id not in had]
    if new:
        rows = [{"run_id": run_id, "tag": name} for run_id in new]
        connection.execute(insert_new(connection, tags).on_conflict_do_nothing(), rows)
    _record(connection, new, "tag", name, who, at)
    return new


def untag(connection: sa.Connection, run_ids: Collection[int], name: str, *, who: str, at: float) -> list[int]:
    """Take a tag from runs; returns those that had it."""
    these = (tags.c.tag == storable(" ".join(name.split())), tags.c.run_id.in_(run_ids))
    had = sorted(connection.scalars(sa.select(tags.c.run_id).where(*these)))
    connection.execute(sa.delete(tags).where(*these))
    _record(connection, had, "untag", storable(" ".join(name.split())), who, at)
    return had


def note(connection: sa.Connection, run_id: int, text: str, *, who: str, at: float) -> bool:
    """What is to be known of a run, in place of what stood there; "" takes it away. False where it says so already."""
    text = storable(text.strip())[:LONGEST_NOTE]
    if text == (notes_of(connection, [run_id]).get(run_id, "")):
        return False
    if text:
        new = insert_new(connection, notes).values(run_id=run_id, text=text)
        connection.execute(new.on_conflict_do_update(index_elements=["run_id"], set_={"text": text}))
    else:
        connection.execute(sa.delete(notes).where(notes.c.run_id == run_id))
    _record(connection, [run_id], "note", text, who, at)
    return True


def shelve(connection: sa.Connection, run_ids: Collection[int], how: Shelf, *, who: str, at: float) -> list[int]:
    """Put runs out of sight; what their logs say goes on being stored. Returns those that were not there before."""
    there = shelved_of(connection)
    moved = [run_id for run_id in dict.fromkeys(run_ids) if there.get(run_id) != how]
    for run_id in moved:
        new = insert_new(connection, shelved).values(run_id=run_id, how=how, at=at)
        connection.execute(new.on_conflict_do_update(index_elements=["run_id"], set_={"how": how, "at": at}))
    _record(connection, moved, "delete" if how == "deleted" else "archive", "", who, at)
    return moved


def restore(connection: sa.Connection, run_ids: Collection[int], *, who: str, at: float) -> list[int]:
    """Back into sight; returns those that were archived or deleted."""
    there = shelved_of(connection)
    moved = [run_id for run_id in dict.fromkeys(run_ids) if run_id in there]
    connection.execute(sa.delete(shelved).where(shelved.c.run_id.in_(moved)))
    _record(connection, moved, "restore", "", who, at)
    return moved


def tags_given(connection: sa.Connection) -> dict[int, tuple[str, ...]]:
    """run id -> the tags that people gave it. With those that its config names: db.alerts.tags_of."""
    found: dict[int, tuple[str, ...]] = {}
    for run_id, name in connection.execute(sa.select(tags.c.run_id, tags.c.tag).order_by(tags.c.tag)):
        found[run_id] = (*found.get(run_id, ()), name)
    return found


def notes_of(connection: sa.Connection, run_ids: Collection[int] | None = None) -> dict[int, str]:
    """run id -> its note, Markdown as somebody wrote it."""
    query = sa.select(notes.c.run_id, notes.c.text)
    if run_ids is not None:
        query = query.where(notes.c.run_id.in_(run_ids))
    return dict(connection.execute(query).all())


def shelved_of(connection: sa.Connection) -> dict[int, Shelf]:
    """run id -> archived or deleted, of the runs that are out of sight."""
    return dict(connection.execute(sa.select(shelved.c.run_id, shelved.c.how)).all())


def _record(connection: sa.Connection, run_ids: Collection[int], act: str, detail: str, who: str, at: float) -> None:
    for run_id in run_ids:
        record(connection, Edit(at, storable(who), act, run_id, detail))
