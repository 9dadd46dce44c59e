"""`stepwell check`: collect what is new, judge, print, and say it in the exit code."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from alerts.check import Report
from alerts.check import check as judge_runs
from db.findings import Finding
from db.settings import Value
from stepwell import show

OK, FIRING, STALE = 0, 1, 3
COLOURS = {"critical": "red", "warning": "yellow", "info": None}


def check(
    engine: sa.Engine,
    paths: Sequence[Path],
    settings: Mapping[str, Value],
    *,
    live_for: float | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Returns the exit code: 1 firing at or above fail_on, else 3 if a live run's data is stale, else 0."""
    if paths:
        from collectors.follow import Collector
        from stepwell.collecting import one_pass

        one_pass(Collector(engine, paths, settings["project"].value or None))
    report = judge_runs(engine, now=time.time(), live_for=live_for)
    loud = report.firing(settings["fail_on"].value)
    # `stalled` says that the data is old: that is exit 3, not an alarm about the training itself.
    alarms = [one for one in loud if one.trouble != "stalled"]
    code = FIRING if alarms else STALE if report.stale or loud else OK
    if as_json:
        show.as_json(_object(report, code))
    elif not quiet or code:
        _tell(report, quiet=quiet)
    return code


def _object(report: Report, code: int) -> dict[str, Any]:
    """The promised object (docs/cli.md)."""
    return {
        "findings": [_finding(report, one) for one in report.findings],
        "runs": [{"run": run.name, "project": run.project, "step": run.step} for run in report.runs.values()],
        "stale": [{"run": report.runs[i].name, "seconds": round(age)} for i, age in report.stale.items()],
        "cannot_judge": [
            {"run": report.runs[i].name, "trouble": trouble, "missing": list(names)}
            for i, troubles in report.missing.items()
            for trouble, names in troubles.items()
        ],
        "exit_code": code,
    }


def _finding(report: Report, one: Finding) -> dict[str, Any]:
    run = report.runs[one.run_id]
    names = ("trouble", "severity", "state", "onset_step", "detected_step", "resolved_step", "message", "evidence")
    said = {name: getattr(one, name) for name in (*names, "attempt", "clears", "advice", "origin")}
    return {"project": run.project, "run": run.name, "source": report.sources[one.source_id].path, **said}


def _tell(report: Report, *, quiet: bool) -> None:
    for one in report.firing("info" if not quiet else "warning"):
        run = report.runs[one.run_id]
        head = f"{one.severity.upper():8} {run.name}: {one.trouble} since step {one.onset_step}"
        click.secho(head, fg=COLOURS[one.severity], bold=True)
        click.echo(f"         {one.message}")
        if one.advice:
            click.echo(f"         Try: {one.advice}")
    for run_id, age in report.stale.items():
        run = report.runs[run_id]
        click.secho(f"STALE    {run.name}: no new data for {show.age(age)} (last step {run.step})", fg="yellow")
    if not quiet:
        firing = {one.run_id for one in report.firing("warning")}
        click.echo(f"{len(report.runs)} runs judged, {len(firing)} with something firing, {len(report.stale)} stale")
        if not report.runs:
            click.echo("No live run in the store. `stepwell check --all` judges finished ones too.")
