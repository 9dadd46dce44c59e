"""One check at a time, and none for ever.

Without the lock nothing would be wrong, only done twice: everything that is told has a unique key.

A lock ends with its process. One that is held long beyond the time limit of its check is stale: it is passed by.
"""

from __future__ import annotations

import fcntl
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from alerts import heartbeat
from db.engine import StoreError, reading

GRACE = 60.0  # s beyond its limit after which a check counts as hung
POLL = 0.1


class Busy(Exception):
    """Another check is at work; the message says since when."""


class OutOfTime(StoreError):
    """The check's own time limit is over. A StoreError, for whatever forgives a rule or a file lets those through."""


@contextmanager
def time_limit(limit: float) -> Iterator[None]:
    """Raises OutOfTime in the middle of whatever is being done, and again every second: every transaction is whole or
    not at all. limit: s."""

    def stop(*_: object) -> None:
        raise OutOfTime(f"the time limit of {limit:g} s is over; what was done is kept (--time-limit)")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def alone(engine: sa.Engine, *, wait: float) -> Iterator[None]:
    """Hold the store's lock for checks. wait: s. Raises Busy."""
    held = _file_lock(engine, wait) if engine.dialect.name == "sqlite" else _advisory_lock(engine, wait)
    with held:
        yield


@contextmanager
def _file_lock(engine: sa.Engine, wait: float) -> Iterator[None]:
    name = engine.url.database
    file = None
    if name and name != ":memory:":
        with suppress(OSError):  # a folder that cannot be written: then without
            file = open(f"{name}-check.lock", "ab")  # noqa: SIM115, PTH123
    if file is None:
        yield
        return
    with file:
        _wait_for(engine, lambda: _flock(file.fileno()), wait)
        yield


def _flock(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _advisory_lock(engine: sa.Engine, wait: float) -> Iterator[None]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = "20260116, hashtext(current_schema())"
        take = sa.text(f"SELECT pg_try_advisory_lock({key})")
        _wait_for(engine, lambda: bool(connection.scalar(take)), wait)
        try:
            yield
        finally:
            connection.execute(sa.text(f"SELECT pg_advisory_unlock({key})"))


def _wait_for(engine: sa.Engine, take: Callable[[], bool], wait: float) -> None:
    end = time.monotonic() + wait
    while not take():
        if time.monotonic() < end:
            time.sleep(POLL)
            continue
        with reading(engine) as connection:
            beat = heartbeat.last(connection)
        now = time.time()
        if beat is not None and now > beat.started + beat.limit + GRACE:
            return
        since = "" if beat is None else f" since {now - beat.started:.0f} s ago"
        raise Busy(f"another `stepwell check` is at work{since}")
