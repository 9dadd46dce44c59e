"""`stepwell export` and `stepwell query`: points and tables for other programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import orjson
import sqlalchemy as sa

from db import export as points
from db import runs
from db.engine import reading
from stepwell import show
from stepwell.named import named

if TYPE_CHECKING:
    import pyarrow as pa


def export(engine: sa.Engine, names: Sequence[str], form: str, output: Path | None, *, history: bool) -> None:
    """Raises click.UsageError for an unknown run, or for Parquet on a terminal."""
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is binary: name a file with --output")
    with reading(engine) as connection:
        chosen = named(connection, names) if names else runs.all_runs(connection)
        batches = points.points(connection, [run.id for run in chosen], history=history)
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as stream:
            WRITERS[form](batches, stream)


def _csv(batches: Iterable[pa.RecordBatch], stream: IO[bytes]) -> None:
    import csv
    import io

    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(points.COLUMNS)
    for batch in batches:
        # repr of a float is its shortest exact text; non-finite ones read nan, inf, -inf
        writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    text.detach()


def _jsonl(batches: Iterable[pa.RecordBatch], stream: IO[bytes]) -> None:
    for batch in batches:
        for row in batch.to_pylist():
            stream.write(orjson.dumps(show.plain(row), option=orjson.OPT_APPEND_NEWLINE))


def _parquet(batches: Iterable[pa.RecordBatch], stream: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(stream, points.schema(), compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


WRITERS = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}


def query(engine: sa.Engine, sql: str, form: str) -> None:
    """Raises click.UsageError for SQL that is not to be had."""
    from db.query import BadQuery
    from db.query import query as ask

    with reading(engine) as connection:
        try:
            result = ask(connection, sql)
            head, cells = list(result.columns), result.fetchall()
        except BadQuery as error:
            raise click.UsageError(str(error)) from error
    if form == "table":
        show.table(head, [[_cell(value) for value in row] for row in cells])
    elif form == "csv":
        import csv

        csv.writer(sys.stdout, lineterminator="\n").writerows([head, *cells])
    else:
        for row in cells:
            click.echo(orjson.dumps(show.plain(dict(zip(head, row, strict=True))), default=str))


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
