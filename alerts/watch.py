"""From the store to the pure functions and back: one transaction per run that has news."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from alerts import notify
from alerts.lifecycle import Episode, World, standing
from alerts.plan import Change, Due, plan
from alerts.rules import Book
from db import alerts as rows
from db import outbox
from db.engine import reading, writing
from db.outbox import Message
from db.runs import Attempt, Run, Source


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass looks at. stale: run id -> seconds without data. errors: run id -> rule -> why it could not be
    evaluated. old: news must be younger than this, s since the epoch."""

    runs: Mapping[int, Run]
    sources: Mapping[int, Source]
    attempts: Collection[Attempt] = ()
    stale: Mapping[int, float] = field(default_factory=dict)
    errors: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    old: float = 0.0


def stand(engine: sa.Engine, seen: Pass, book: Book, now: float) -> dict[int, list[Episode]]:
    """run id -> its episodes. Only reads."""
    with reading(engine) as connection:
        worlds = _worlds(connection, seen, seen.runs, now)
    return {world.run_id: standing(world, book) for world in worlds}


def observe(engine: sa.Engine, seen: Pass, book: Book, now: float, *, link: str = "") -> int:
    """Bring the alerts of these runs up to date and put what is due into the outbox. Returns how many changed.

    A run without news costs no write. What is to be written is worked out again inside the transaction, from what
    stands there then: whoever comes second finds nothing to do.
    """
    with reading(engine) as connection:
        worlds = _worlds(connection, seen, seen.runs, now)
    changed = 0
    for world in worlds:
        if not plan(world, book, now) and world.watched:
            continue
        with writing(engine) as connection:
            rows.hold_run(connection, world.run_id)
            rows.watch(connection, world.run_id, now)
            # Alerts are read before statements: an alert that is seen has its statements there.
            [current] = _worlds(connection, seen, [world.run_id], now)
            current = replace(current, watched=world.watched)
            for change in plan(current, book, now):
                _write(connection, current, book, change, now, link)
                changed += 1
    return changed


def _write(connection: sa.Connection, world: World, book: Book, change: Change, now: float, link: str) -> None:
    alert = replace(change.alert, id=rows.keep(connection, change.alert))
    rows.flip(connection, alert.id, change.flips)
    for due in change.due:
        body = notify.body(world, book.of(alert.rule), alert, due, now=now, link=link)
        key = _key(world, change, due)
        outbox.put(connection, Message(0, alert.id, world.run_id, due.channel, due.kind, due.n, now, key, body))


def _key(world: World, change: Change, due: Due) -> str:
    """By it a receiver knows a message that comes again."""
    one = change.alert
    told = (world.project, world.name, one.rule, one.attempt, one.detected_step, one.opened_at, due.kind, due.n)
    return hashlib.blake2b(repr(told).encode(), digest_size=12).hexdigest()


def _worlds(connection: sa.Connection, seen: Pass, run_ids: Collection[int], now: float) -> list[World]:
    known: dict[int, list[rows.Alert]] = defaultdict(list)
    for one in rows.alerts_of(connection, run_ids):
        known[one.run_id].append(one)
    mine = [source for source in seen.sources.values() if source.run_id in run_ids]
    statements = rows.statements_of(connection, run_ids)
    positions = rows.positions_of(connection, [source.id for source in mine])
    open_ = [one.id for each in known.values() for one in each if one.state in rows.OPEN]
    told = outbox.told_of(connection, open_)
    watched = rows.watched_runs(connection, run_ids)
    silences, tags = rows.silences_at(connection, now), rows.tags_of(connection, run_ids)
    ended = {(one.source_id, one.number) for one in seen.attempts if one.ends_at is not None}
    worlds = []
    for run_id in run_ids:
        run, sources = seen.runs[run_id], [source for source in mine if source.run_id == run_id]
        ids = {one.id for one in known[run_id]}
        worlds.append(
            World(
                run_id=run_id,
                project=run.project,
                name=run.name,
                step=run.step or 0,
                tags=tags.get(run_id, ()),
                statements=statements.get(run_id, ()),
                alerts=known[run_id],
                formats={source.id: source.format for source in sources},
                merits={source.id: (source.last_step or 0, source.points) for source in sources},
                positions={source.id: positions[source.id] for source in sources if source.id in positions},
                ended=ended,
                told={key: value for key, value in told.items() if key[0] in ids},
                silences=silences,
                stale=run_id in seen.stale,
                errors=seen.errors.get(run_id, {}),
                old=seen.old,
                watched=run_id in watched,
            )
        )
    return worlds
