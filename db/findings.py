"""What the detectors found, and how far they have judged each source."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from db.points import insert_for
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
    """How far a source was judged: up to record `seq` of the attempt. packed: the detectors' state, see `pack`."""

    attempt_id: int
    seq: int
    packed: str
    rules: str

    @property
    def state(self) -> dict[str, Any]:
        return unpack(self.packed)


LONG = 64  # characters from which a text is worth standing once


def pack(state: Mapping[str, Any]) -> str:
    """JSON in which a long text stands once: many detectors remember the same rows."""
    texts: dict[str, int] = {}

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: put(one) for name, one in value.items()}
        long = isinstance(value, str) and len(value) > LONG
        return {"=": texts.setdefault(value, len(texts))} if long else value

    told = put(state)
    return json.dumps({"state": told, "texts": list(texts)})


def unpack(packed: str) -> dict[str, Any]:
    """The state again, value for value."""
    whole = json.loads(packed)
    texts = whole.get("texts", [])

    def get(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return texts[value["="]] if value.keys() == {"="} else {name: get(one) for name, one in value.items()}

    found: dict[str, Any] = get(whole.get("state", {}))
    return found


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


EPISODE = ("source_id", "attempt", "trouble", "detected_step")
TOLD = tuple(name for name in Finding.__dataclass_fields__ if name not in EPISODE)


def keep(connection: sa.Connection, run_id: int, source_id: int, said: Sequence[Mapping[str, Any]]) -> None:
    """Store statements of the detectors; a later one replaces the earlier one of its episode."""
    latest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in said:
        row = {**one, "run_id": run_id, "source_id": source_id}
        latest[tuple(row[name] for name in EPISODE)] = row
    rows = [{**row, "evidence": json.dumps(row["evidence"], default=float)} for row in latest.values()]
    if rows:
        connection.execute(_over(connection, findings, EPISODE, TOLD), rows)


@cache
def _upsert(dialect: str, table: sa.Table, where: tuple[str, ...], names: tuple[str, ...]) -> sa.Insert:
    """Built once: to build it takes longer than to run it."""
    new = insert_for(dialect, table)
    return new.on_conflict_do_update(index_elements=where, set_={name: new.excluded[name] for name in names})


def _over(connection: sa.Connection, table: sa.Table, where: tuple[str, ...], names: tuple[str, ...]) -> sa.Insert:
    return _upsert(connection.dialect.name, table, where, names)


def forget(connection: sa.Connection, source_id: int) -> None:
    """Drop what was judged of a source: its rules have changed, or its torn end was taken back."""
    for table in (findings, statements, judgements, rule_states):
        connection.execute(sa.delete(table).where(table.c.source_id == source_id))


def judged(connection: sa.Connection, source_ids: Collection[int]) -> dict[int, Judged]:
    """source id -> how far it was judged; absent if never."""
    rows = connection.execute(sa.select(judgements).where(judgements.c.source_id.in_(source_ids)))
    return {row.source_id: Judged(row.attempt_id, row.seq, row.state, row.rules) for row in rows}


def set_judged(connection: sa.Connection, places: Mapping[int, Judged]) -> None:
    """Move the places up to which these sources were judged."""
    rows = [
        {"source_id": i, "attempt_id": to.attempt_id, "seq": to.seq, "state": to.packed, "rules": to.rules}
        for i, to in places.items()
    ]
    if rows:
        names = ("attempt_id", "seq", "state", "rules")
        connection.execute(_over(connection, judgements, ("source_id",), names), rows)
