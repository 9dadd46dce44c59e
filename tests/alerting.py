"""What the tests of alerts share: small logs with a clock, passes that die or meet each other, what was told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
from sqlalchemy import event

from alerts.check import Report, check
from alerts.rules import Book, Channel, builtin, read_text
from collectors.follow import Collector
from db.engine import StoreError, reading
from db.schema import alerts, metadata, outbox, runs

START = 1_800_000_000.0
"""Wall time of step 0 of these logs, s since the epoch; a step takes a minute."""
DAY = 86_400.0
TEAM = Channel("team", "webhook", url="http://127.0.0.1:9/hook")

RULES = """
[[rules]]
name = "low reward"
quantity = "reward_mean"
below = 0.2

[[rules]]
name = "low for long"
quantity = "reward_mean"
below = 0.2
for = "3 steps"
keep_firing_for = "2 steps"
severity = "critical"
"""


def book(text: str = RULES, *channels: Channel) -> Book:
    """These rules beside the built-in ones; messages go to TEAM unless channels are named."""
    read = read_text(text, "stepwell.toml", Book(builtin()))
    return Book(read.rules, {one.name: one for one in channels or (TEAM,)} | dict(read.channels), read.guards)


def row(step: int, reward: float, *, at: float | None = None, **more: float) -> bytes:
    """A line of a hand-written log. at: minutes after START, the step itself unless said."""
    wall = START + 60 * (step if at is None else at)
    return json.dumps({"step": step, "timestamp": wall, "reward_mean": reward, "entropy": 0.3, **more}).encode() + b"\n"


def rows(rewards: Sequence[float], first: int = 1) -> bytes:
    return b"".join(row(first + i, reward) for i, reward in enumerate(rewards))


def collect(engine: sa.Engine, *paths: Path) -> None:
    collector = Collector(engine, paths)
    for found, place in collector.pending():
        collector.read(found, place)


def look(engine: sa.Engine, rules: Book, *, minute: float, live_for: float = DAY) -> Report:
    """A check, so many minutes after START."""
    return check(engine, now=START + 60 * minute, live_for=live_for, book=rules)


def told(engine: sa.Engine, channel: str = "team") -> list[tuple[Any, ...]]:
    """(run, rule, attempt, first step, kind, n) of every message of a channel, sorted."""
    names = (runs.c.name, alerts.c.rule, alerts.c.attempt, alerts.c.detected_step, outbox.c.kind, outbox.c.n)
    query = sa.select(*names).select_from(
        outbox.join(alerts, alerts.c.id == outbox.c.alert_id).join(runs, runs.c.id == alerts.c.run_id)
    )
    with reading(engine) as connection:
        return sorted(tuple(one) for one in connection.execute(query.where(outbox.c.channel == channel)))


def lives(engine: sa.Engine) -> list[tuple[Any, ...]]:
    """(rule, attempt, first step, state, severity, last step) of every alert, sorted."""
    names = ("rule", "attempt", "detected_step", "state", "severity", "resolved_step")
    with reading(engine) as connection:
        found = [tuple(one) for one in connection.execute(sa.select(*[alerts.c[name] for name in names]))]
    return sorted(found, key=repr)


def emptied(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
    return engine


class Killed(StoreError):
    """kill -9, as far as the store can tell: what catches every stumble of a rule lets this one through."""


@contextmanager
def dying(engine: sa.Engine, after: int) -> Iterator[None]:
    """Die at this statement or commit (counted from 0); survive where there are fewer."""
    count = 0

    def step(*_: object) -> None:
        nonlocal count
        if count == after:
            raise Killed
        count += 1

    event.listen(engine, "before_cursor_execute", step)
    event.listen(engine, "commit", step)
    try:
        yield
    except Killed:
        pass
    finally:
        event.remove(engine, "before_cursor_execute", step)
        event.remove(engine, "commit", step)
        engine.dispose()  # a dead process holds no locks


@contextmanager
def meeting(engine: sa.Engine, other: Callable[[], object], at: int) -> Iterator[None]:
    """Somebody else does `other` between two transactions of ours: before this one (counted from 0)."""
    count, busy, connect = 0, False, engine.connect

    def connecting() -> sa.Connection:
        nonlocal count, busy
        if not busy and count == at:
            busy = True
            other()
        count += not busy
        return connect()

    with patch.object(engine, "connect", connecting):
        yield
