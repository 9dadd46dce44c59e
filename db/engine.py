"""The way into the store: one engine per URL, one snapshot per read, one transaction per write.

* StoreError
  - StoreAway     the database cannot be reached or opened
  - StoreTooNew   the store was written by a newer Stepwell
"""

from __future__ import annotations

import functools
import sqlite3
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


@functools.cache
def view_for(url: str) -> sa.Engine:
    """The engine of a store that can only be looked at, whoever uses it: the database itself refuses to write."""
    address = sa.make_url(url if "://" in url else f"sqlite:///{Path(url).expanduser()}")
    if address.get_backend_name() != "sqlite":
        return engine_for(url).execution_options(postgresql_readonly=True)
    if address.database in (None, "", ":memory:"):
        return engine_for(url)
    file = f"{Path(address.database or '').absolute().as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(file, uri=True, timeout=60, check_same_thread=False)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool)
    event.listen(engine, "connect", _prepare_view)
    event.listen(engine, "begin", _begin_sqlite)
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


def _prepare_view(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA cache_size=-16000")


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


def open_view(url: str) -> sa.Engine:
    """The engine of a store for looking only; makes or migrates the store first where needed and allowed.
    Raises StoreError."""
    try:
        open_store(url)
    except StoreAway:
        view = view_for(url)  # of a file that this user may not write it can still be looked at
        try:
            with reading(view) as connection:
                connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        except (StoreError, SQLAlchemyError):
            view.dispose()
        else:
            return view
        raise
    return view_for(url)
