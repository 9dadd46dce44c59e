"""Statements that run at every live step.

Core spends several times as long on a small statement as SQLite does: these are spelled once per database, and then
handed to the driver as text. Errors and transactions are Core's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa


class Prepared:
    """A statement that never changes its shape. columns: those that an INSERT fills.

    Values go to the driver as they are: Python's own numbers, text and bytes, no numpy.
    """

    def __init__(self, statement: sa.Select[Any] | sa.Update | sa.Insert, columns: Sequence[str] | None = None) -> None:
        self.statement = statement
        self.columns = columns
        self._spelled: dict[str, tuple[str, list[str] | None]] = {}

    def run(self, connection: sa.Connection, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        text, order = self._spelling(connection.dialect)
        return connection.exec_driver_sql(text, dict(values) if order is None else tuple([values[k] for k in order]))

    def _spelling(self, dialect: sa.Dialect) -> tuple[str, list[str] | None]:
        """The text, and the order of its values where the driver counts them instead of naming them."""
        if dialect.name not in self._spelled:
            compiled = self.statement.compile(dialect=dialect, column_keys=self.columns)
            self._spelled[dialect.name] = str(compiled), getattr(compiled, "positiontup", None)
        return self._spelled[dialect.name]
