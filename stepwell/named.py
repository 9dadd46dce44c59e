"""The runs that a command's words mean."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click
import sqlalchemy as sa

from db import runs
from db.runs import Run


def named(connection: sa.Connection, names: Sequence[str], *, shelves: Collection[str] = ("archived",)) -> list[Run]:
    """The runs of these names, each once. Raises click.UsageError with the first that is unknown."""
    try:
        return runs.find(connection, names, shelves=shelves)
    except KeyError as error:
        raise click.UsageError(f"there is no run {error}; `stepwell runs` lists them") from error


def one_named(connection: sa.Connection, name: str, *, shelves: Collection[str] = ("archived",)) -> Run:
    """The one run of this name. Raises click.UsageError where there is none, or several."""
    found = named(connection, [name], shelves=shelves)
    if len(found) > 1:
        raise click.UsageError(f"{name!r} means {len(found)} runs: say project/name or the id")
    return found[0]
