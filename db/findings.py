"""What the detectors found, and how far they have judged each source."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db.points import insert_new
from db.schema import findings, judgements, rule_states, statements


@dataclass(frozen=True, slots=True)
class Finding:
    """The latest statement of one episode. attempt: number within the source; state: "firing" or "resolved"."""

    run_id: int
    source_id: int
    attempt: int
    trouble: str
    severity: str
    state: str
    onset_step: int
    detected_step: int
    resolved_step: int | None
    message: str
    evidence: dict[str, Any]
    clears: str
    advice: str
    origin: str


@dataclass(frozen=True, slots=True)
class Judged:
    """How far a source was judged: up to record `seq` of the attempt, with the detectors' state."""

    attempt_id: int
    seq: int
    state: dict[str, Any]
    rules: str


def findings_of(
    connection: sa.Connection, run_ids: Collection[int] | None = None, *, firing: bool = False
) -> list[Finding]:
    """Every episode of these runs (of all when None), newest first; with firing=True only those still open."""
    columns = [findings.c[name] for name in Finding.__dataclass_fields__]
    query = sa.select(*columns).order_by(findings.c.detected_step.desc(), findings.c.id)
    if run_ids is not None:
        query = query.where(findings.c.run_id.in_(run_ids))
    if firing:
        query = query.where(findings.c.state == "firing")
    rows = (row._asdict() for row in connection.execute(query))
    return [Finding(**{**row, "evidence": json.loads(row["evidence"])}) for row in rows]


def keep(connection: sa.Connection, run_id: int, source_id: int, said: Sequence[Mapping[str, Any]]) -> None:
    """Store statements of the detectors; a later one replaces the earlier one of its episode."""
    for one in said:
        row = {
            **one,
            "run_id": run_id,
            "source_id": source_id,
            "evidence": json.dumps(one["evidence"], default=float),
        }
        new = insert_new(connection, findings).values(row)
        episode = ["source_id", "attempt", "trouble", "detected_step"]
        rest = {name: new.excluded[name] for name in row if name not in episode}
        connection.execute(new.on_conflict_do_update(index_elements=episode, set_=rest))


def forget(connection: sa.Connection, source_id: int) -> None:
    """Drop what was judged of a source: its rules have changed, or its torn end was taken back."""
    for table in (findings, statements, judgements, rule_states):
        connection.execute(sa.delete(table).where(table.c.source_id == source_id))


def judged(connection: sa.Connection, source_ids: Collection[int]) -> dict[int, Judged]:
    """source id -> how far it was judged; absent if never."""
    rows = connection.execute(sa.select(judgements).where(judgements.c.source_id.in_(source_ids)))
    return {row.source_id: Judged(row.attempt_id, row.seq, json.loads(row.state), row.rules) for row in rows}


def set_judged(connection: sa.Connection, source_id: int, to: Judged) -> None:
    """Move the place up to which a source was judged."""
    row = {"attempt_id": to.attempt_id, "seq": to.seq, "state": json.dumps(to.state), "rules": to.rules}
    new = insert_new(connection, judgements).values(source_id=source_id, **row)
    connection.execute(new.on_conflict_do_update(index_elements=["source_id"], set_=row))
