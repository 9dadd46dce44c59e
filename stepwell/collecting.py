"""`stepwell collect`: passes over the logs, a progress bar on long work, a summary of what was and was not read."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from alerts.check import check as judge_runs
from collectors.follow import Collector, FileReport
from collectors.lineage import link_runs
from db import evaluations, runs
from db.edits import SHELVES
from db.engine import reading
from stepwell import show

POLL = 0.5  # s between two looks at the files; a new line is to be in the store within 2 s
TRACKERS_EVERY = 20  # looks at the files: a server is not asked every half second
LONG_WORK = 64 << 20  # bytes to read before a progress bar is worth its line
MANY_RUNS = 30  # runs to judge before it is, again


def collect(
    engine: sa.Engine,
    paths: Sequence[Path | str],
    project: str | None,
    *,
    run_per_file: bool = False,
    follow: bool = False,
    as_json: bool = False,
) -> None:
    """Read until nothing is new; with follow, go on until interrupted. Raises click.UsageError for a missing path."""
    collector = Collector(engine, paths, project, run_per_file=run_per_file)
    news = one_pass(collector, bar=not as_json)
    _judge(engine, news, bar=not as_json)
    summary = _summary(engine, collector, news)
    if as_json:
        show.as_json(summary)
    else:
        _tell(summary)
    if follow:
        _follow(collector)


def one_pass(collector: Collector, *, bar: bool = False) -> list[FileReport]:
    """Read everything that is new under the collector's paths. Raises click.UsageError for a missing path."""
    collector.refresh_names()
    try:
        pending = collector.pending()
    except FileNotFoundError as error:
        raise click.UsageError(f"there is no {error}") from error
    long = sum(found.size for found, _place in pending) > LONG_WORK
    with click.progressbar(pending, label="reading", hidden=not (bar and long), item_show_func=_name) as steps:
        reports = [collector.read(found, place) for found, place in steps]
    reports += collector.read_trackers()
    collector.read_configs()
    link_runs(collector.engine)
    collector.papers.attach(len(collector.places or ()))
    collector.refusals.keep()
    return [report for report in reports if report is not None]


def _name(step: Any) -> str:
    return step[0].path.name if step else ""


def _follow(collector: Collector) -> None:
    """Pass after pass until SIGINT or SIGTERM, which end it between two files, never inside a transaction."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    click.echo("following; stop with Ctrl-C", err=True)
    turn, told = 0, len(collector.papers.read)
    while not stop.wait(POLL):
        news: list[FileReport] = []
        for found, place in collector.pending():
            report = None if stop.is_set() else collector.read(found, place)
            if report is not None and report.new_points:
                news.append(report)
                now = report.place
                click.echo(f"{now.path}: step {now.last_step}, {report.new_points:,} points", err=True)
        for paper in collector.papers.read[told:]:
            click.echo(f"{paper.path}: {paper.format}", err=True)
        told = len(collector.papers.read)
        if (turn := turn + 1) % TRACKERS_EVERY == 0:
            news += collector.read_trackers()
        if collector.read_configs() or news:
            link_runs(collector.engine)
            _judge(collector.engine, news)
        collector.papers.attach(len(collector.places or ()))
    click.echo("stopped", err=True)


def _judge(engine: sa.Engine, news: list[FileReport], *, bar: bool = False) -> None:
    """The verdicts that the dashboard shows are those of the newest rows."""
    changed = sorted({report.place.run_id for report in news if report.new_points})
    with click.progressbar(changed, label="judging", hidden=not bar or len(changed) < MANY_RUNS) as steps:
        for run_id in steps:
            judge_runs(engine, now=time.time(), live_for=None, run_ids=[run_id])


def _summary(engine: sa.Engine, collector: Collector, news: list[FileReport]) -> dict[str, Any]:
    """The promised object: every collected file under the paths; `points` are those that this call stored."""
    fresh = {report.place.path: report.new_points for report in news}
    every = [report.place for report in collector.known()]
    with reading(engine) as connection:
        names = {run.id: run for run in runs.all_runs(connection, {place.run_id for place in every}, shelves=SHELVES)}
        aside = runs.unread_of(connection, [place.id for place in every])
        documents = _documents(connection, collector)
    files = []
    for place in sorted(every, key=lambda place: place.path):
        torn = [tuple(one) for one in (place.provisional or {}).get("unread", [])]
        unread = [{"line": line, "why": why} for line, why in [*aside[place.id], *torn]]
        file: dict[str, Any] = {"path": place.path, "format": place.format, "project": names[place.run_id].project}
        file |= {"run": names[place.run_id].name, "rows": place.rows, "first_step": place.first_step}
        file |= {"last_step": place.last_step, "unread": unread, "unread_count": place.unread + len(torn)}
        files.append(file | {"new_points": fresh.get(place.path, 0)})
    refused = sorted(str(path) for path in collector.refused)
    unreadable = [{"path": str(path), "why": why} for path, why in sorted(collector.unreadable.items())]
    counts = {"runs": len(names), "points": sum(fresh.values())}
    return {"files": files, **counts, "documents": documents, "not_logs": refused, "unreadable": unreadable}


def _documents(connection: sa.Connection, collector: Collector) -> list[dict[str, Any]]:
    """Every document under the paths; `evaluations` are the scores that it tells."""
    papers = collector.papers.under([path.resolve() for path in collector.paths])
    told = evaluations.counts(connection) if papers else {}
    named = {run.id: run.label for run in runs.all_runs(connection, {p.run_id for p in papers if p.run_id})}
    return [
        {"path": paper.path, "kind": paper.kind, "format": paper.format, "run": named.get(paper.run_id or 0)}
        | {"evaluations": told.get(paper.id, 0), "unread_count": paper.unread, "why": paper.why or None}
        for paper in sorted(papers, key=lambda paper: paper.path)
    ]


def _tell(summary: dict[str, Any]) -> None:
    files = summary["files"]
    for one in summary["unreadable"]:
        click.secho(f"not read: {one['path']}: {one['why']}", fg="red")
    if not files and not summary["documents"]:
        click.echo("No log was recognised here. Formats: verl, TRL, TensorBoard, JSONL, CSV (docs/trainers.md).")
        return
    rows = [
        (
            str(file["run"]),
            file["format"],
            f"{file['rows']:,}",
            f"{_step(file['first_step'])}–{_step(file['last_step'])}",
        )
        for file in files[:40]
    ]
    show.table(("run", "format", "rows", "steps"), rows, right=(2,))
    if len(files) > len(rows):
        click.echo(f"… and {len(files) - len(rows)} more")
    click.echo(f"{len(files)} files, {summary['runs']} runs, {summary['points']:,} new points")
    _tell_documents(summary["documents"])
    for file in files:
        for one in file["unread"][:5]:
            click.secho(f"set aside: {file['path']}:{one['line']}: {one['why']}", fg="yellow")
        if file["unread_count"] > 5:
            click.secho(
                f"set aside: {file['path']}: {file['unread_count'] - 5:,} more (--json lists them)", fg="yellow"
            )
    if summary["not_logs"]:
        click.echo(f"{len(summary['not_logs'])} other files are no logs that Stepwell knows (--json lists them)")


def _tell_documents(documents: list[dict[str, Any]]) -> None:
    scores = sum(one["evaluations"] for one in documents)
    if documents:
        plural = "document" if len(documents) == 1 else "documents"
        click.echo(f"{len(documents)} {plural} beside the logs, {scores:,} evaluations (stepwell evaluations)")
    for one in documents:
        if one["unread_count"]:
            click.secho(f"set aside: {one['path']}: {one['unread_count']:,}, first {one['why']}", fg="yellow")


def _step(step: int | None) -> str:
    return "?" if step is None else f"{step:,}"
