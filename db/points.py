"""Writing points: a block goes to the tail, a long enough stretch is sealed into one chunk per metric.

Everything here runs inside the caller's transaction, together with the place in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from db.block import Block, Ints
from db.prepared import Prepared
from db.schema import attempts, axes, chunks, keyset_metrics, keysets, tail

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert

SEAL = 256
"""Records of an attempt that rest in the tail before they are sealed. A reader fetches a tail row per live step, so
a larger tail slows reads; chunks of fewer than some hundred values waste pages."""
LONGEST = 8192  # records in one chunk: a sealed stretch of a long backlog stays a bounded BLOB (positions are uint16)


@dataclass(frozen=True, slots=True)
class Trying:
    """The attempt that a source is in, as its row stands. ends_at is set once another source has superseded it."""

    id: int
    number: int
    line: int
    first_step: int
    last_step: int
    records: int
    tail_records: int
    has_row: bool
    ends_at: int | None


ADD_TO_TAIL = Prepared(sa.insert(tail), ["attempt_id", "seq", "n", "keyset_id", "steps", "walls", "vals"])
INSERT_AXIS = sa.insert(axes)
INSERT_CHUNKS = sa.insert(chunks)
GROWN = Prepared(
    sa.update(attempts)
    .where(attempts.c.id == sa.bindparam("of"))
    .values({name: sa.bindparam(name) for name in ("records", "tail_records", "last_step")})
)


def append(
    connection: sa.Connection, attempt: Trying, metric_ids: Sequence[int] | Ints, block: Block, *, seal: bool = True
) -> Trying:
    """Add records after those that the attempt has. metric_ids (m,) belong to block.names, in that order.

    seal=False keeps them in the tail, from where `take_back` can remove them.
    """
    ids, waiting = np.asarray(metric_ids, np.int32), attempt.tail_records
    if seal and len(block) >= SEAL:
        _seal_tail(connection, attempt.id)
        for start in range(0, len(block), LONGEST):
            part = block.rows(start, start + LONGEST)
            _write_chunks(connection, attempt.id, attempt.records + start, ids, part)
        waiting = 0
    else:
        _write_tail(connection, attempt.id, attempt.records, ids, block)
        waiting += len(block)
        if seal and waiting >= SEAL:
            _seal_tail(connection, attempt.id)
            waiting = 0
    last = max(attempt.last_step, int(block.steps.max()))
    grown = replace(attempt, records=attempt.records + len(block), tail_records=waiting, last_step=last)
    change = {"records": grown.records, "tail_records": waiting, "last_step": last}
    GROWN.run(connection, {"of": attempt.id, **change})
    return grown


def take_back(connection: sa.Connection, attempt_id: int, seq: int) -> None:
    """Remove the records from `seq` on, which were written with seal=False."""
    connection.execute(sa.delete(tail).where(tail.c.attempt_id == attempt_id, tail.c.seq >= seq))


def _write_tail(connection: sa.Connection, attempt_id: int, seq: int, ids: np.ndarray, block: Block) -> None:
    for part in block.uniform():
        has = ids if part.names == block.names else ids[[block.names.index(name) for name in part.names]]
        values = np.ascontiguousarray(part.values.T)
        row = {
            "attempt_id": attempt_id,
            "seq": seq,
            "n": len(part),
            "keyset_id": keyset(connection, has),
            "steps": part.steps.tobytes(),
            "walls": part.walls.tobytes(),
            "vals": values.tobytes(),
        }
        ADD_TO_TAIL.run(connection, row)
        seq += len(part)


def _write_chunks(connection: sa.Connection, attempt_id: int, seq: int, ids: np.ndarray, block: Block) -> None:
    axis = {"attempt_id": attempt_id, "seq": seq, "n": len(block)}
    connection.execute(INSERT_AXIS, {**axis, "steps": block.steps.tobytes(), "walls": block.walls.tobytes()})
    columns = np.ascontiguousarray(block.values.T)
    full = np.ones(len(ids), bool) if block.present is None else np.logical_and.reduce(block.present)
    rows = []
    for column, metric_id in enumerate(ids.tolist()):
        values, positions = columns[column], None
        if not full[column]:
            at = np.flatnonzero(block.mask()[:, column])
            if not len(at):
                continue
            values, positions = values[at], at.astype(np.uint16).tobytes()
        rows.append((attempt_id, metric_id, seq, positions, values.tobytes()))
    names = ("attempt_id", "metric_id", "seq", "positions", "vals")
    if rows:
        connection.execute(INSERT_CHUNKS, [dict(zip(names, row, strict=True)) for row in rows])


def _seal_tail(connection: sa.Connection, attempt_id: int) -> None:
    mine = sa.select(tail).where(tail.c.attempt_id == attempt_id).order_by(tail.c.seq)
    rows = connection.execute(mine).all()
    if not rows:
        return
    members = keyset_members(connection, {row.keyset_id for row in rows})
    union = np.array(sorted(set(np.concatenate([*members.values()]).tolist())), np.int32)
    columns = {one: np.searchsorted(union, ids) for one, ids in members.items()}
    n = sum(row.n for row in rows)
    values, present, start = np.full((n, len(union)), np.nan), np.zeros((n, len(union)), bool), 0
    for row in rows:
        at = columns[row.keyset_id]
        values[start : start + row.n, at] = np.frombuffer(row.vals).reshape(len(at), row.n).T
        present[start : start + row.n, at] = True
        start += row.n
    steps = np.frombuffer(b"".join(row.steps for row in rows), np.int64)
    walls = np.frombuffer(b"".join(row.walls for row in rows))
    block = Block(tuple(map(str, union)), steps, walls, values, present)
    _write_chunks(connection, attempt_id, rows[0].seq, union, block)
    connection.execute(sa.delete(tail).where(tail.c.attempt_id == attempt_id))


def keyset(connection: sa.Connection, ids: np.ndarray) -> int:
    """The id of this list of metrics, in this order; made when new. Rows of `keysets` never change, so an id is
    remembered with the connection; a rollback forgets them all."""
    remembered: dict[bytes, int] = connection.info.setdefault("keysets", {})
    if (packed := ids.tobytes()) in remembered:
        return remembered[packed]
    digest = hashlib.blake2b(packed, digest_size=16).hexdigest()
    known = sa.select(keysets.c.id).where(keysets.c.digest == digest)
    found = connection.scalar(known)
    if found is not None:
        remembered[packed] = int(found)
        return int(found)
    made = connection.execute(
        insert_new(connection, keysets).values(digest=digest).on_conflict_do_nothing().returning(keysets.c.id)
    )
    new = made.scalar()
    if new is None:  # another collector made it first
        return int(connection.execute(known).scalar_one())
    members = [{"keyset_id": new, "metric_id": m, "position": i} for i, m in enumerate(ids.tolist())]
    if members:
        connection.execute(sa.insert(keyset_metrics), members)
    return int(new)


def keyset_members(connection: sa.Connection, keyset_ids: set[int]) -> dict[int, np.ndarray]:
    """keyset id -> (m,) metric ids in order of position."""
    query = (
        sa.select(keyset_metrics.c.keyset_id, keyset_metrics.c.metric_id)
        .where(keyset_metrics.c.keyset_id.in_(keyset_ids))
        .order_by(keyset_metrics.c.keyset_id, keyset_metrics.c.position)
    )
    members: dict[int, list[int]] = {one: [] for one in keyset_ids}
    for keyset_id, metric_id in connection.execute(query):
        members[keyset_id].append(metric_id)
    return {one: np.array(ids, np.int32) for one, ids in members.items()}


def insert_new(connection: sa.Connection, table: sa.Table) -> Insert:
    """An insert that knows ON CONFLICT, which Core spells once per database."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: sa.Table) -> Insert:
    """The same by the database's name."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # 20 ms that a start with SQLite can do without

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)  # type: ignore[return-value]  # the same words, another dialect


def last_steps(connection: sa.Connection, attempt_id: int) -> dict[int, int]:
    """metric id -> the last step at which the attempt logged it."""
    last: dict[int, int] = {}
    sealed = (
        sa.select(chunks.c.metric_id, chunks.c.positions, axes.c.steps)
        .join(axes, (axes.c.attempt_id == chunks.c.attempt_id) & (axes.c.seq == chunks.c.seq))
        .where(chunks.c.attempt_id == attempt_id)
        .order_by(chunks.c.seq)
    )
    for metric_id, positions, steps in connection.execute(sealed):
        at = -1 if positions is None else int(np.frombuffer(positions, np.uint16)[-1])
        last[metric_id] = int(np.frombuffer(steps, np.int64)[at])
    rows = connection.execute(
        sa.select(tail.c.keyset_id, tail.c.steps).where(tail.c.attempt_id == attempt_id).order_by(tail.c.seq)
    ).all()
    members = keyset_members(connection, {row.keyset_id for row in rows})
    for row in rows:
        step = int(np.frombuffer(row.steps, np.int64)[-1])
        last.update(dict.fromkeys(members[row.keyset_id].tolist(), step))
    return last
