"""`stepwell evaluations`: every score of the store, with what it was measured under."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click
import orjson
import sqlalchemy as sa

from answers.evaluations import Evaluations, Scored, evaluations, limit_words
from db.engine import reading
from stepwell import show
from stepwell.named import named

COLUMNS: dict[str, type] = {
    "run": str, "system": str, "checkpoint": str, "step": int, "benchmark": str, "metric": str, "k": int,
    "value": float, "unit": str, "printed": str, "standard_error": float, "standard_error_from": str,
    "conditional_error": float, "n_questions": int, "k_samples": int, "temperature": float, "top_p": float,
    "train_context": int,
    "eval_context": int, "truncated_fraction": float, "response_length_mean": float, "published": bool,
    "source": str, "path": str, "note": str,
}  # fmt: skip
"""What the export of scores holds, in order."""
SHORT = 34  # characters of a name in the table


def tell(engine: sa.Engine, names: Sequence[str], benchmark: str | None, *, as_json: bool) -> None:
    """Raises click.UsageError for an unknown run."""
    found = _found(engine, names, benchmark)
    if as_json:
        show.as_json({"evaluations": [one.told() for one in found.scores], "sentence": found.sentence})
        return
    if not found.scores:
        click.echo("No score is known. Collect result files with: stepwell collect RESULTS (docs/cli.md tells which)")
        return
    head = ("system", "benchmark", "metric", "value", "unit", "± error", "n", "k", "trained", "limit", "step")
    show.table(head, [_cells(one) for one in found.scores], right=(3, 5, 6, 7, 8, 9, 10))
    click.echo(found.sentence)


def _found(engine: sa.Engine, names: Sequence[str], benchmark: str | None = None) -> Evaluations:
    with reading(engine) as connection:
        chosen = [run.id for run in named(connection, names)] if names else None
        return evaluations(connection, chosen, benchmark)


def export(engine: sa.Engine, names: Sequence[str], form: str, output: Path | None) -> None:
    """One row per score with the columns of COLUMNS. Raises click.UsageError as the export of points does."""
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is binary: name a file with --output")
    rows = [{name: one.told().get(name) for name in COLUMNS} for one in _found(engine, names).scores]
    with output.open("wb") if output else nullcontext(sys.stdout.buffer) as stream:
        if form == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
            schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
            pq.write_table(pa.Table.from_pylist(rows, schema), stream)
        elif form == "jsonl":
            for row in rows:
                stream.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        else:
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            text.detach()


def _cells(one: Scored) -> tuple[str, ...]:
    said = one.said
    metric = said.metric.replace("@k", f"@{said.k}") if said.k is not None else said.metric
    return (
        _short(said.system) + (" (published)" if said.published else ""),
        _short(said.benchmark),
        metric,
        one.printed or show.number(said.value),
        said.unit,
        show.number(one.error),
        "–" if said.n_questions is None else f"{said.n_questions:,}",
        "–" if said.k_samples is None else str(said.k_samples),
        "–" if said.train_context is None else limit_words(said.train_context),
        limit_words(said.eval_context),
        "–" if said.step is None else f"{said.step:,}",
    )


def _short(name: str) -> str:
    return name if len(name) <= SHORT else name[: SHORT - 1] + "…"
