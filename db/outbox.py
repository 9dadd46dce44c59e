"""What is still to be told: messages that wait for their channel, the log of deliveries, the acts of the guard.

A channel is served by one process at a time (a lease), in the order of its messages. Those that travel together are
tied at the first try, so that a delivery that is repeated is the same one, under the same key.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db.points import insert_new
from db.schema import acts, channels, deliveries, outbox

TOGETHER = 50
"""Messages of one run in one delivery; what is more goes in the next."""


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the outbox. key: unique, the same at every try. body: what is told (docs/alerts.md)."""

    id: int
    alert_id: int
    run_id: int
    channel: str
    kind: str
    n: int
    at: float
    key: str
    body: dict[str, Any]
    state: str = "waiting"
    batch: str = ""
    done_at: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """How a channel fares: failures in a row, and when it may be tried again (s since the epoch)."""

    failures: int
    next_at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try. result: delivered, failed (tried again later) or refused (set aside)."""

    channel: str
    batch: str
    at: float
    took: float
    messages: int
    result: str
    detail: str


@dataclass(frozen=True, slots=True)
class Act:
    """What a guard did, or with dry_run would have done. result: "" while nobody knows how it ended."""

    id: int
    alert_id: int
    guard: str
    dry_run: bool
    what: str
    begun_at: float
    done_at: float | None
    result: str


def put(connection: sa.Connection, message: Message) -> None:
    """Into the outbox; one that is there already stays as it is."""
    row = {name: getattr(message, name) for name in Message.__dataclass_fields__ if name != "id"}
    row["body"] = json.dumps(message.body, ensure_ascii=False, default=str)
    connection.execute(insert_new(connection, outbox).on_conflict_do_nothing(), row)


def told_of(
    connection: sa.Connection, alert_ids: Collection[int]
) -> dict[tuple[int, str], dict[tuple[str, int], float]]:
    """(alert id, channel) -> {(kind, n): when it was put into the outbox}."""
    found: dict[tuple[int, str], dict[tuple[str, int], float]] = defaultdict(dict)
    names = (outbox.c.alert_id, outbox.c.channel, outbox.c.kind, outbox.c.n, outbox.c.at)
    for alert_id, channel, kind, n, at in connection.execute(
        sa.select(*names).where(outbox.c.alert_id.in_(alert_ids)).order_by(outbox.c.id)
    ):
        found[alert_id, channel][kind, n] = at
    return dict(found)


def waiting(connection: sa.Connection) -> dict[str, int]:
    """channel -> messages that wait."""
    query = sa.select(outbox.c.channel, sa.func.count()).where(outbox.c.state == "waiting")
    return {name: int(count) for name, count in connection.execute(query.group_by(outbox.c.channel))}


def lines(connection: sa.Connection) -> dict[str, Line]:
    """channel -> how it fares; absent if it was never tried."""
    return {row.name: Line(row.failures, row.next_at) for row in connection.execute(sa.select(channels))}


def lease(connection: sa.Connection, channel: str, owner: str, *, now: float, until: float) -> bool:
    """Take the channel for oneself if it may be tried and nobody else has it."""
    fresh = {"failures": 0, "next_at": 0.0, "owner": "", "lease_until": 0.0}
    connection.execute(insert_new(connection, channels).values(name=channel, **fresh).on_conflict_do_nothing())
    free = sa.or_(channels.c.lease_until <= now, channels.c.owner == owner)
    mine = sa.update(channels).where(channels.c.name == channel, channels.c.next_at <= now, free)
    return connection.execute(mine.values(owner=owner, lease_until=until)).rowcount == 1


def give_back(connection: sa.Connection, channel: str, owner: str) -> None:
    mine = sa.update(channels).where(channels.c.name == channel, channels.c.owner == owner)
    connection.execute(mine.values(owner="", lease_until=0.0))


def next_batch(connection: sa.Connection, channel: str) -> list[Message]:
    """The messages of the oldest delivery that is due: tied before, or from now on those of the oldest one's run."""
    first = sa.select(outbox).where(outbox.c.channel == channel, outbox.c.state == "waiting")
    oldest = connection.execute(first.order_by(outbox.c.id).limit(1)).one_or_none()
    if oldest is None:
        return []
    batch = oldest.batch
    if not batch:
        batch = oldest.key
        loose = first.where(outbox.c.run_id == oldest.run_id, outbox.c.batch == "").order_by(outbox.c.id)
        ids = [row.id for row in connection.execute(loose.limit(TOGETHER))]
        connection.execute(sa.update(outbox).where(outbox.c.id.in_(ids)).values(batch=batch))
    rows = connection.execute(first.where(outbox.c.batch == batch).order_by(outbox.c.id))
    return [_message(row) for row in rows]


def done(connection: sa.Connection, batch: Sequence[Message], state: str, now: float) -> None:
    """These need no further try: delivered, or refused for good."""
    ids = [one.id for one in batch]
    mine = sa.update(outbox).where(outbox.c.id.in_(ids), outbox.c.state == "waiting")
    connection.execute(mine.values(state=state, done_at=now))


def log(connection: sa.Connection, delivery: Delivery, line: Line) -> None:
    """One try, and how the channel fares after it."""
    connection.execute(
        sa.insert(deliveries).values({name: getattr(delivery, name) for name in Delivery.__dataclass_fields__})
    )
    mine = sa.update(channels).where(channels.c.name == delivery.channel)
    connection.execute(mine.values(failures=line.failures, next_at=line.next_at))


def deliveries_of(connection: sa.Connection, limit: int = 200) -> list[Delivery]:
    """The newest tries first."""
    query = sa.select(*[deliveries.c[name] for name in Delivery.__dataclass_fields__])
    return [Delivery(*row) for row in connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit))]


def messages_of(connection: sa.Connection, alert_ids: Collection[int]) -> list[Message]:
    """What these alerts told or have to tell, oldest first."""
    query = sa.select(outbox).where(outbox.c.alert_id.in_(alert_ids)).order_by(outbox.c.id)
    return [_message(row) for row in connection.execute(query)]


def newest_messages(
    connection: sa.Connection, limit: int, offset: int = 0, *, run_id: int | None = None
) -> list[Message]:
    """What was told or waits to be told, newest first."""
    query = sa.select(outbox).order_by(outbox.c.id.desc()).limit(limit).offset(offset)
    if run_id is not None:
        query = query.where(outbox.c.run_id == run_id)
    return [_message(row) for row in connection.execute(query)]


def count_messages(connection: sa.Connection, run_id: int | None = None) -> int:
    query = sa.select(sa.func.count()).select_from(outbox)
    return int(connection.execute(query if run_id is None else query.where(outbox.c.run_id == run_id)).scalar_one())


def tries_of(connection: sa.Connection, batches: Collection[str]) -> dict[tuple[str, str], list[Delivery]]:
    """(channel, batch) -> its tries, oldest first."""
    found: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
    columns = [deliveries.c[name] for name in Delivery.__dataclass_fields__]
    query = sa.select(*columns).where(deliveries.c.batch.in_(batches)).order_by(deliveries.c.id)
    for row in connection.execute(query):
        found[row.channel, row.batch].append(Delivery(*row))
    return dict(found)


def first_told(connection: sa.Connection, alert_ids: Collection[int]) -> dict[int, dict[str, float]]:
    """alert id -> channel -> when it first took a message of it, s since the epoch."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    query = sa.select(outbox.c.alert_id, outbox.c.channel, sa.func.min(outbox.c.done_at))
    query = query.where(outbox.c.alert_id.in_(alert_ids), outbox.c.state == "delivered")
    for alert_id, channel, at in connection.execute(query.group_by(outbox.c.alert_id, outbox.c.channel)):
        found[alert_id][channel] = at
    return dict(found)


def _message(row: sa.Row) -> Message:  # type: ignore[type-arg]
    found = {name: getattr(row, name) for name in Message.__dataclass_fields__}
    return Message(**{**found, "body": json.loads(row.body)})


def begin_act(
    connection: sa.Connection, alert_id: int, guard: str, *, dry_run: bool, what: str, now: float
) -> int | None:
    """Record an act before it is done. None where it has been begun before: it is never done twice."""
    row = {"alert_id": alert_id, "guard": guard, "dry_run": dry_run, "what": what, "begun_at": now, "result": ""}
    new = insert_new(connection, acts).values(row).on_conflict_do_nothing().returning(acts.c.id)
    made = connection.execute(new).scalar()
    return None if made is None else int(made)


def end_act(connection: sa.Connection, act_id: int, *, result: str, now: float) -> None:
    connection.execute(sa.update(acts).where(acts.c.id == act_id).values(result=result, done_at=now))


def acts_of(connection: sa.Connection, alert_ids: Collection[int] | None = None) -> list[Act]:
    """What guards did, oldest first."""
    query = sa.select(*[acts.c[name] for name in Act.__dataclass_fields__]).order_by(acts.c.id)
    if alert_ids is not None:
        query = query.where(acts.c.alert_id.in_(alert_ids))
    return [Act(*row) for row in connection.execute(query)]
