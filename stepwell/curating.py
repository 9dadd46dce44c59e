"""`stepwell data`: what a training set consists of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click
import sqlalchemy as sa

from analyses.curation import Source
from answers.training_data import KIND, TrainingSet, training_data
from collectors import datasets
from db import documents
from db.documents import Document
from db.engine import reading, writing
from db.text import storable
from stepwell import show

ENDINGS = (".parquet", ".jsonl", ".ndjson", ".json")


def data(engine: sa.Engine, paths: Sequence[Path], tests: Sequence[Path], few: int, *, as_json: bool) -> None:
    """Read data sets into the store and say what they consist of. Raises click.UsageError for a file that is none."""
    read = {storable(str(file)) for file in _files(paths) if _keep(engine, file, "")}
    for file in _files(tests):
        _keep(engine, file, "test")
    with reading(engine) as connection:
        told = [one for one in training_data(connection, few) if one.path in read or not read]
    if as_json:
        show.as_json({"datasets": [asdict(one) for one in told]})
        return
    for one in told:
        _print(one)
    if not told:
        click.echo("No training set is known. Name its files: stepwell data train.parquet --test test.parquet")


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file.resolve() for file in inside if file.is_file() and (file == path or file.suffix in ENDINGS))


def _keep(engine: sa.Engine, file: Path, split: str) -> bool:
    try:
        made = datasets.read(file)
    except datasets.NotADataset as error:
        raise click.UsageError(str(error)) from error
    made.split = split or made.split
    status = file.stat()
    kept = Document(
        path=str(file),
        kind=KIND,
        format="dataset",
        fingerprint=f"{status.st_size}:{status.st_mtime_ns}",
        size=status.st_size,
        modified=status.st_mtime,
        content=made.content(),
        unread=made.unread,
        why=made.why,
    )
    with writing(engine) as connection:
        documents.put(connection, kept)
    return True


def _print(one: TrainingSet) -> None:
    click.secho(one.path, bold=True)
    click.echo(one.sentence)
    if one.runs:
        click.echo(f"named in the config of {', '.join(one.runs)}")
    head = ["source", "problems", "repeated", "tests (median)", f"below {one.few}", "no solution"]
    rows = [_row(source) for source in (*one.sources, *([one.total] if len(one.sources) > 1 else []))]
    show.table([*head, "never solved", "always solved", "in test"], rows, right=range(1, 9))
    if one.unread:
        click.echo(f"{one.unread:,} records set aside: {one.why}")
    if one.beyond:
        click.echo(f"{one.beyond:,} records beyond the first {datasets.MOST:,} were counted, not looked at")


def _row(one: Source) -> list[str]:
    counts = (one.few, one.without_solution, one.never, one.always, one.shared)
    told = ["–" if count is None else f"{count:,}" for count in counts]
    return [one.name, f"{one.problems:,}", f"{one.repeated:,}", show.number(one.tests_median), *told]
