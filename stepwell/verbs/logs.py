"""What was logged: read it, look through it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from db.settings import load
from stepwell.arguments import Source, opened, with_store


@click.command()
@with_store
@click.argument("paths", nargs=-1, required=True, type=Source())
@click.option("--follow", is_flag=True, help="Keep reading what is new until interrupted.")
@click.option("--project", help="Project of the runs, instead of what logs and folders say.")
@click.option(
    "--run-per",
    type=click.Choice(["log", "file"]),
    default="log",
    show_default=True,
    help="What is a run: a log with its restarts, as names and folders tell, or each file.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def collect(
    store: str | None, paths: Sequence[Path | str], follow: bool, project: str | None, run_per: str, as_json: bool
) -> None:
    """Read logs (files or whole folders) into the store."""
    from stepwell import collecting

    engine, settings = opened({"store": store, "project": project})
    project = settings["project"].value or None
    collecting.collect(engine, paths, project, run_per_file=run_per == "file", follow=follow, as_json=as_json)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=Source())
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def doctor(paths: Sequence[Path | str], as_json: bool) -> None:
    """Say what is recognised under PATHS and why, what is missing and how to log it, what was not understood."""
    from stepwell import doctoring

    doctoring.doctor(paths, as_json=as_json)


@click.command()
@with_store
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--test", "tests", multiple=True, type=click.Path(exists=True, path_type=Path), help="The test split.")
@click.option(
    "--few", type=click.IntRange(1), default=5, show_default=True, help="Tests below which a problem is weak."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def data(store: str | None, paths: Sequence[Path], tests: Sequence[Path], few: int, as_json: bool) -> None:
    """Say what a training set consists of: problems per source, tests per problem, overlap with the test split."""
    from stepwell import curating

    engine, _settings = opened({"store": store})
    curating.data(engine, paths, tests, few, as_json=as_json)


@click.command()
@with_store
def config(store: str | None) -> None:
    """Print each setting, its value and where it came from."""
    from stepwell import listing

    listing.settings(load({"store": store}))


@click.command()
@click.option(
    "--folder", type=click.Path(path_type=Path), default="demo", show_default=True, help="Where its stores live."
)
@click.option("--port", type=int, default=8501, show_default=True, help="Of the dashboard; the next free one is taken.")
@click.option("--mlflow-port", type=int, default=5000, show_default=True)
@click.option("--serve/--no-serve", default=True, help="Open the dashboard and MLflow's UI.")
def demo(folder: Path, port: int, mlflow_port: int, serve: bool) -> None:
    """See it work: the sample runs, from log to page."""
    from stepwell.demo import demo as run_demo

    run_demo(folder.resolve(), port, mlflow_port, serve=serve)
