"""`stepwell demo`: the sample runs collected, judged, mirrored to MLflow, and both UIs open on them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import click

from alerts.check import check
from collectors.follow import Collector
from dashboard import launch as dashboard
from db.engine import open_store
from db.mlflow_mirror import UI_ENVIRONMENT, mirror, ui_command
from stepwell.collecting import one_pass

HOST = "127.0.0.1"
PARTS = ("trl", "verl", "evaluations", "published", "formats/esft")


def demo(folder: Path, port: int, mlflow_port: int, *, serve: bool) -> None:
    """Everything from log to page, in `folder`; serves until interrupted. Raises db.engine.StoreError."""
    store, uri = f"sqlite:///{folder / 'store.db'}", f"sqlite:///{folder / 'mlflow.db'}"
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_store(store)
    # The runs that were really trained, and scores; of sample_runs/formats/, which only shows what other trainers'
    # files look like, the expert scores alone.
    reports = one_pass(Collector(engine, [samples() / part for part in PARTS]))
    firing = check(engine, now=time.time(), live_for=None).firing("warning")
    click.echo(f"collected {len(reports)} new files of sample_runs/ into {store}")
    click.echo(f"judged: {len({one.run_id for one in firing})} runs have something firing (stepwell check --all)")
    done = mirror(engine, uri)
    click.echo(f"mirrored {done.points:,} new points of {done.runs} runs to MLflow at {uri}")
    if serve:
        _serve(store, uri, _free(port), _free(mlflow_port))


def samples() -> Path:
    """The sample runs: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    return here / "sample_runs" if (here / "sample_runs").is_dir() else here.parent / "sample_runs"


def _serve(store: str, uri: str, port: int, mlflow_port: int) -> None:
    quiet, mlflow = subprocess.DEVNULL, {**os.environ, **UI_ENVIRONMENT}
    servers = [
        subprocess.Popen(dashboard.command(port, HOST), env=dashboard.environment(store), stdout=quiet),
        subprocess.Popen(ui_command(uri, mlflow_port, HOST), env=mlflow, stdout=quiet, stderr=quiet),
    ]
    try:
        for name, number in (("dashboard", port), ("MLflow", mlflow_port)):
            url = f"http://{HOST}:{number}"
            click.secho(f"{name}: {url}" if _answers(url, servers) else f"{name} did not start at {url}", bold=True)
        click.echo("Ctrl-C stops both.")
        for server in servers:
            server.wait()
    except KeyboardInterrupt:
        click.echo("stopped")
    finally:
        for server in servers:
            server.terminate()


def _answers(url: str, servers: list[subprocess.Popen[bytes]], patience: float = 90.0) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and all(server.poll() is None for server in servers):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def _free(port: int) -> int:
    """The port, or the next one that nobody listens on."""
    for number in range(port, port + 50):
        with socket.socket() as probe:
            if probe.connect_ex((HOST, number)):
                return number
    raise click.UsageError(f"no free port from {port} on")
