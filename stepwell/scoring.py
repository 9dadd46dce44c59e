"""`stepwell evaluations`: every score of the store, with what it was measured under."""

from __future__ import annotations

from collections.abc import Sequence

import click
import sqlalchemy as sa

from answers.evaluations import Scored, evaluations, limit_words
from db import runs
from db.engine import reading
from stepwell import show

SHORT = 34  # characters of a name in the table


def tell(engine: sa.Engine, names: Sequence[str], benchmark: str | None, *, as_json: bool) -> None:
    """Raises click.UsageError for an unknown run."""
    with reading(engine) as connection:
        try:
            chosen = [run.id for run in runs.find(connection, names)] if names else None
        except KeyError as error:
            raise click.UsageError(f"there is no run {error}; `stepwell runs` lists them") from error
        found = evaluations(connection, chosen, benchmark)
    if as_json:
        show.as_json({"evaluations": [one.told() for one in found.scores], "sentence": found.sentence})
        return
    if not found.scores:
        click.echo("No score is known. Collect result files with: stepwell collect RESULTS (docs/cli.md tells which)")
        return
    head = ("system", "benchmark", "metric", "value", "unit", "± error", "n", "k", "trained", "limit", "step")
    show.table(head, [_cells(one) for one in found.scores], right=(3, 5, 6, 7, 8, 9, 10))
    click.echo(found.sentence)


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
