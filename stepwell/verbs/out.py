"""Out of the store: tables, SQL, pages, MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stepwell.arguments import opened, with_store


@click.command()
@with_store
@click.argument("run", nargs=-1)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "parquet"]), default="csv", show_default=True)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="File to write; standard output otherwise.")
@click.option("--history", is_flag=True, help="Every attempt, not only the live line.")
@click.option("--evaluations", "scores", is_flag=True, help="The scores instead of the points, a row each.")
def export(store: str | None, run: Sequence[str], form: str, output: Path | None, history: bool, scores: bool) -> None:
    """Write points as long rows (all runs, or the named ones)."""
    from stepwell import exporting, scoring

    engine, _settings = opened({"store": store})
    if scores:
        scoring.export(engine, run, form, output)
        return
    exporting.export(engine, run, form, output, history=history)


@click.command()
@with_store
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(["table", "csv", "jsonl"]), default="table", show_default=True)
def query(store: str | None, sql: str, form: str) -> None:
    """Ask the store in SQL (read-only): tables runs, points, history, metrics, findings …"""
    from stepwell import exporting

    engine, _settings = opened({"store": store})
    exporting.query(engine, sql, form)


@click.command()
@with_store
@click.option("--port", type=int, help="Port (8501).")
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--base-url-path", metavar="PATH", help="Where a reverse proxy serves it, such as /stepwell (the root).")
@click.option("--browser/--no-browser", default=False, help="Open a browser window.")
def dashboard(browser: bool, **flags: Any) -> None:
    """Open the dashboard."""
    from dashboard.launch import launch

    _engine, settings = opened(flags)
    address, number, base = settings["host"].value, int(settings["port"].value), settings["base_url_path"].value
    raise click.exceptions.Exit(launch(settings["store"].value, number, address, browser=browser, base=base))


@click.command()
@with_store
@click.option("--mlflow", metavar="URI", help="MLflow tracking URI.  [env: MLFLOW_TRACKING_URI]")
@click.option("--port", type=int, default=5000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--ui/--no-ui", default=True, help="Open MLflow's UI after copying.")
def mlflow(store: str | None, mlflow: str | None, port: int, host: str, ui: bool) -> None:
    """Copy what is new into MLflow and open its UI on it."""
    from stepwell import mirroring

    engine, settings = opened({"store": store, "mlflow": mlflow})
    raise click.exceptions.Exit(mirroring.mirror(engine, settings["mlflow"].value, port, host, ui=ui))
