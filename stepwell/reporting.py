"""`stepwell report`: a run, or several side by side, as one HTML file that opens offline, and as a PNG for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import sqlalchemy as sa

from db.engine import reading
from stepwell.named import named


def report(engine: sa.Engine, names: Sequence[str], output: Path | None, png: Path | None) -> None:
    """Raises click.UsageError for an unknown run, or for a PNG of runs that log nothing to draw."""
    from charts import export
    from charts.figure import figure
    from dashboard import report as making

    with reading(engine) as connection:
        made = making.of_runs(connection, [run.id for run in named(connection, names)])
    output = output or (None if png else Path("report.html"))
    if output:
        output.write_text(made.html, encoding="utf-8")
        click.echo(f"{output}: {made.title}, {len(made.html.encode()) / 1e6:.1f} MB, {len(made.charts)} charts")
    if png:
        if not made.charts:
            raise click.UsageError("these runs log nothing that could be drawn")
        png.write_bytes(export.png(figure(made.title, made.charts)))
        click.echo(f"{png}: {len(made.charts)} charts")
