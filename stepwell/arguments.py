"""What several verbs share: kinds of arguments, the store that they open, exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from db.settings import Value, load

if TYPE_CHECKING:
    import sqlalchemy as sa

OK, FIRING, USAGE, AWAY = 0, 1, 2, 3

SCHEME = "mlflow:"


class Source(click.Path):
    """A file, a folder, or a tracker such as `mlflow:http://host:5000` (kept as text: its slashes count)."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith(SCHEME):
            return value
        return super().convert(value, param, ctx)


def with_store(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every verb takes --store URL (and STEPWELL_STORE)."""
    return click.option("--store", metavar="URL", help="Database URL or SQLite file.  [env: STEPWELL_STORE]")(command)


def opened(flags: dict[str, Any]) -> tuple[sa.Engine, dict[str, Value]]:
    from db.engine import open_store

    settings = load(flags)
    return open_store(settings["store"].value), settings
