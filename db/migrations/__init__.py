"""Brings a store to the newest schema: small named alembic steps, run in one transaction."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from db.engine import StoreTooNew, writing

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0003"
"""The newest step; a test holds it against the folder, so that an up-to-date store needs no alembic import."""


def upgrade(engine: sa.Engine) -> None:
    """Make or migrate the store; does nothing when it is up to date. Raises StoreTooNew."""
    with writing(engine) as connection:
        at = _version(connection)
        if at == HEAD:
            return
        if at is not None and at > HEAD:
            raise StoreTooNew(f"the store is at step {at}, this Stepwell knows {HEAD}: please upgrade Stepwell")
        _lock(connection)
        from alembic import command

        options = _config()
        options.attributes["connection"] = connection
        command.upgrade(options, "head")


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return None if version is None else str(version)


def _lock(connection: sa.Connection) -> None:
    # Two first starts at once: SQLite's BEGIN IMMEDIATE already queues them, PostgreSQL needs to be told.
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(20260115)"))


@functools.cache
def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
