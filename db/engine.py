"""The way into the store: one engine per URL, one snapshot per read, one transaction per write.

* StoreError
  - StoreAway     the database cannot be reached or opened
  - StoreTooNew   the store was written by a newer Stepwell
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError


class StoreError(Exception):
    """Base of everything that can go wrong with the store itself."""


class StoreAway(StoreError):
    """The database cannot be reached or opened."""


class StoreTooNew(StoreError):
    """The store has migrations that this version does not know."""


def shown(url: str) -> str:
    """The URL with its password hidden, for messages and logs."""
    return sa.make_url(url).render_as_string(hide_password=True)


@functools.cache
def engine_for(url: str) -> sa.Engine:
    """The engine of a store URL; a plain path means an SQLite file. Connects only when used."""
    address = sa.make_url(url if "://" in url else f"sqlite:///{Path(url).expanduser()}")
    if address.get_backend_name() == "sqlite":
        return _sqlite(address)
    if address.drivername in {"postgresql", "postgres"}:
        address = address.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="REPEATABLE READ", pool_pre_ping=True)
    event.listen(engine, "rollback", _forget)
    return engine


def _forget(connection: sa.Connection) -> None:
    """What was remembered of this transaction's rows (db.points.keyset, db.metrics.ids_of) has never been."""
    if not connection.invalidated:
        connection.info.clear()


def _sqlite(address: sa.URL) -> sa.Engine:
    if address.database and address.database != ":memory:":
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(address, connect_args={"timeout": 60})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "rollback", _forget)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction control would start them too late for a consistent read: we say BEGIN ourselves.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent snapshot: what is sealed or superseded meanwhile is not seen half. Raises StoreAway."""
    with _translated(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction: all of it or nothing. Raises StoreAway.

    PostgreSQL writes at READ COMMITTED, so that `claim` sees what another collector has just committed.
    """
    options = {"writes": True} if engine.dialect.name == "sqlite" else {"isolation_level": "READ COMMITTED"}
    with _translated(engine), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def _translated(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise StoreAway(f"{engine.url.render_as_string(hide_password=True)}: {error.orig}") from error
    except DBAPIError as error:
        if "file is not a database" in str(error.orig):
            raise StoreAway(f"{engine.url.render_as_string(hide_password=True)}: {error.orig}") from error
        raise


def open_store(url: str) -> sa.Engine:
    """The engine of a store that exists and is up to date: makes and migrates it where needed. Raises StoreError."""
    from db.migrations import upgrade

    try:
        engine = engine_for(url)
        upgrade(engine)
    except StoreError:
        raise
    except (SQLAlchemyError, OSError) as error:
        raise StoreAway(f"{shown(url)}: {error}") from error
    return engine
