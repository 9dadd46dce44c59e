"""`stepwell mlflow`: copy what is new, then MLflow's own UI on it."""

from __future__ import annotations

import os
import subprocess

import click
import sqlalchemy as sa

from db.mlflow_mirror import UI_ENVIRONMENT, MirrorAway, ui_command
from db.mlflow_mirror import mirror as copy

AWAY = 3


def mirror(engine: sa.Engine, uri: str, port: int, host: str, *, ui: bool) -> int:
    """Returns the exit code: 3 when MLflow is away (nothing is lost: the next call goes on)."""
    try:
        done = copy(engine, uri)
    except MirrorAway as error:
        click.echo(f"Error: {error}", err=True)
        return AWAY
    click.echo(f"{done.runs} runs, {done.points:,} new points in {uri}")
    for problem in done.problems:
        click.secho(problem, fg="yellow")
    if not ui:
        return 0
    try:
        command = ui_command(uri, port, host)
    except ValueError:  # a server has a UI of its own
        click.echo(f"MLflow: {uri}")
        return 0
    click.echo(f"MLflow: http://{host}:{port}")
    try:
        return subprocess.run(command, check=False, env={**os.environ, **UI_ENVIRONMENT}).returncode
    except KeyboardInterrupt:
        return 0
