"""SQL over the store as the logical tables, read-only: DuckDB over Arrow, never the blocks themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from db import export
from db.runs import all_runs
from db.schema import (
    attempts,
    config,
    documents,
    edits,
    evaluations,
    findings,
    latest,
    lineage,
    metrics,
    notes,
    projects,
    runs,
    settings,
    shelved,
    sources,
    tags,
    unread,
)

if TYPE_CHECKING:
    import duckdb

TABLES = (
    projects,
    runs,
    sources,
    attempts,
    unread,
    metrics,
    config,
    settings,
    lineage,
    findings,
    documents,
    evaluations,
    tags,
    notes,
    shelved,
    edits,
)
HIDDEN = {"memory", "provisional", "version", "head", "mark", "content"}  # a reader's own bookkeeping


class BadQuery(Exception):
    """The SQL is not to be had: a syntax error, an unknown table, or an attempt to write."""


def query(connection: sa.Connection, sql: str) -> duckdb.DuckDBPyRelation:
    """The result of one SELECT over projects, runs, sources, attempts, unread, metrics, points, config, settings,
    lineage, findings, documents, evaluations. `points` is the live line, `history` every attempt (both with the columns
    of the export).

    Raises BadQuery.
    """
    import duckdb

    session = duckdb.connect(config={"enable_external_access": "false", "autoinstall_known_extensions": "false"})
    words = set(re.findall(r"\w+", sql.lower()))
    for table in TABLES:
        if table.name in words:
            session.register(table.name, _table(connection, table))
    for name, history in (("points", False), ("history", True)):
        if name in words:
            session.register(name, _points(connection, history))
    try:
        statements = session.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise BadQuery("expected one SELECT statement: the store is read-only here")
        return session.sql(sql)
    except duckdb.Error as error:
        raise BadQuery(str(error)) from error


def _table(connection: sa.Connection, table: sa.Table) -> Any:
    import pyarrow as pa

    columns = [column for column in table.columns if column.name not in HIDDEN]
    query = sa.select(*columns)
    if table is runs:  # the newest record stands in `latest`, beside BLOBs that nobody wants to see
        query = query.add_columns(projects.c.name.label("project"), latest.c.step, latest.c.wall.label("wall_time"))
        query = query.join(projects, projects.c.id == runs.c.project_id)
        query = query.join(latest, latest.c.run_id == runs.c.id, isouter=True)
    result = connection.execute(query)
    names, rows = list(result.keys()), result.all()
    kinds = {sa.Integer: pa.int64(), sa.BigInteger: pa.int64(), sa.Float: pa.float64(), sa.Boolean: pa.bool_()}
    types = [kinds.get(type(column.type), pa.string()) for column in query.selected_columns]
    cells = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(types)]
    return pa.table(dict(zip(names, cells, strict=True)))


def _points(connection: sa.Connection, history: bool) -> Any:
    import pyarrow as pa

    ids = [run.id for run in all_runs(connection)]
    batches = list(export.points(connection, ids, history=history))
    return pa.Table.from_batches(batches, export.schema()) if batches else export.schema().empty_table()
