"""What the store knows about itself: a text under a key."""

from __future__ import annotations

import sqlalchemy as sa

from db.points import insert_new
from db.schema import facts


def facts_like(connection: sa.Connection, prefix: str) -> dict[str, str]:
    """Every fact whose key begins so."""
    query = sa.select(facts.c.key, facts.c.value).where(facts.c.key.startswith(prefix, autoescape=True))
    return {row.key: row.value for row in connection.execute(query)}


def remember(connection: sa.Connection, key: str, value: str) -> None:
    """In place of what stood there."""
    new = insert_new(connection, facts).values(key=key, value=value)
    connection.execute(new.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
