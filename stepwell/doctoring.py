"""`stepwell doctor`: what is recognised in a folder and why, what is missing, what was not understood, what not read.

It reads into a store of its own that is thrown away.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from collectors import discover, names, rollout_files
from collectors.documents.contract import readers
from collectors.follow import Collector
from collectors.tail import Log
from db import documents, evaluations, runs
from db.documents import Document
from db.engine import open_store, reading
from db.understood import WANTED, Understood, understood
from stepwell import show
from stepwell.collecting import one_pass

HEAD = 1 << 16  # bytes that tell a file of rollouts
NO_SETTING = "not in this log; no setting is known that would log it"
SHOWN = 6  # lines, names and files of each kind in the text; --json has them all


def doctor(paths: Sequence[Path | str], *, as_json: bool) -> None:
    """Raises click.UsageError for a missing path."""
    with tempfile.TemporaryDirectory(prefix="stepwell-doctor-") as folder:
        engine = open_store(f"sqlite:///{Path(folder) / 'store.db'}")
        collector = Collector(engine, paths)
        one_pass(collector, bar=not as_json)
        report = diagnosis(engine, collector)
        engine.dispose()
    if as_json:
        show.as_json(report)
    else:
        _tell(report)


def diagnosis(engine: sa.Engine, collector: Collector) -> dict[str, Any]:
    """Everything that one pass found out."""
    with reading(engine) as connection:
        found = [_run(connection, one) for one in understood(connection)]
        papers, told = documents.known(connection), evaluations.counts(connection)
    kinds = {path: _rollouts(path) for path in _others(collector)}
    return {
        "runs": found,
        "documents": [_document(one, told.get(one.id, 0)) for one in papers],
        "configs": sorted(str(one.path) for one in collector.config_files),
        "rollouts": [{"path": str(path), "kind": kind} for path, kind in sorted(kinds.items()) if kind],
        "not_logs": sorted(str(path) for path in collector.refused if not kinds.get(path)),
        "unreadable": [{"path": str(path), "why": why} for path, why in sorted(collector.unreadable.items())],
    }


def _run(connection: sa.Connection, one: Understood) -> dict[str, Any]:
    aside = runs.unread_of(connection, [source.id for source in one.sources])
    formats = discover.formats()
    files = []
    for source in one.sources:
        reader = formats.get(source.format)
        about = (reader.__doc__ or "").strip().partition("\n")[0] if reader else "a tracker's own store"
        file: dict[str, Any] = {"path": source.path, "format": source.format, "about": about}
        file |= {"trainer": source.trainer, "rows": source.rows, "points": source.points}
        file |= {"first_step": source.first_step, "last_step": source.last_step}
        unread = [{"line": line, "why": why} for line, why in aside[source.id]]
        files.append(file | {"unread": unread, "unread_count": source.unread})
    table = names.table(one.run.trainer)
    found = {
        quantity: [{"name": m.name, "unit": m.unit, "caveat": m.caveat} for m in held]
        for quantity, held in sorted(one.found.items())
    }
    return {
        "project": one.run.project,
        "run": one.run.name,
        "trainer": one.run.trainer,
        "about": table.header.about,
        "told_by": names.evidence(one.run.trainer, one.names),
        "files": files,
        "settings": runs.settings_of(connection, one.run.id),
        "found": found,
        "missing": [{"quantity": lack.quantity, "label": lack.label, "how": lack.how} for lack in one.missing],
        "unknown": one.unknown,
        "log": one.log,
    }


def _document(one: Document, scores: int) -> dict[str, Any]:
    reader = readers().get(one.format)
    about = (reader.__doc__ or "").strip().partition("\n")[0] if reader else ""
    said: dict[str, Any] = {"path": one.path, "kind": one.kind, "format": one.format, "about": about}
    return said | {"evaluations": scores, "unread_count": one.unread, "why": one.why or None}


def _others(collector: Collector) -> Iterator[Path]:
    """The files that no reader claimed, and those that were read as rollouts."""
    yield from collector.refused
    yield from (Path(one.path) for one in collector.papers.known.values() if one.kind == "rollouts")


def _rollouts(path: Path) -> str | None:
    try:
        with Log(path) as log:
            return rollout_files.what(path, log.read(0, HEAD))
    except OSError:
        return None


# --- as text -------------------------------------------------------------------------------------------------------


def _tell(report: dict[str, Any]) -> None:
    for run in report["runs"]:
        _tell_run(run)
    _tell_documents(report["documents"])
    if not report["runs"] and not report["documents"]:
        click.echo("No log was recognised here (docs/trainers.md lists what is read).")
    for one in report["unreadable"]:
        click.secho(f"not read: {one['path']}: {one['why']}", fg="red")
    _tell_files("config files", report["configs"])
    _tell_files("rollouts", [f"{one['path']} ({one['kind']})" for one in report["rollouts"]])
    _tell_files("no logs that Stepwell knows", report["not_logs"])


def _tell_run(run: dict[str, Any]) -> None:
    click.secho(f"{run['project']}/{run['run']}", bold=True)
    for file in run["files"]:
        steps = "no step yet" if file["last_step"] is None else f"steps {file['first_step']}–{file['last_step']}"
        click.echo(f"  {file['path']}")
        click.echo(f"    {file['format']} ({file['about']})")
        click.echo(f"    {file['rows']:,} rows, {steps}, {file['points']:,} points")
        for one in file["unread"][:SHOWN]:
            click.secho(f"    line {one['line']}: {one['why']}", fg="yellow")
        if file["unread_count"] > SHOWN:
            click.secho(f"    {file['unread_count'] - SHOWN:,} more lines could not be read", fg="yellow")
    why = f", told by {_some(run['told_by'])}" if run["told_by"] else ""
    click.echo(f"  trainer: {run['about'] or 'not known yet'}{why}")
    if run["settings"]:
        click.echo(f"  settings: {', '.join(f'{name} {value}' for name, value in run['settings'].items())}")
    for quantity, (label, answers) in WANTED.items():
        if held := next((run["found"][one] for one in answers if one in run["found"]), None):
            caveat = f" — {held[0]['caveat']}" if held[0]["caveat"] else ""
            click.secho(f"  ✓ {label}: ", nl=False, fg="green")
            click.echo(f"{held[0]['name']}{caveat}")
        elif lack := next((one for one in run["missing"] if one["quantity"] == quantity), None):
            click.secho(f"  ✗ {label}: ", nl=False, fg="yellow")
            click.echo(lack["how"] or NO_SETTING)
    if run["unknown"]:
        click.echo(f"  without a meaning ({len(run['unknown'])}): {_some(run['unknown'])}")
    if run["log"]:
        click.echo(f"  to log more: {run['log']}")


def _tell_documents(papers: Sequence[dict[str, Any]]) -> None:
    for one in papers:
        click.secho(one["path"], bold=True)
        scores = f", {one['evaluations']:,} evaluations" if one["evaluations"] else ""
        click.echo(f"  {one['format']} ({one['about']}): {one['kind'].replace('_', ' ')}{scores}")
        if one["unread_count"]:
            click.secho(f"  {one['unread_count']:,} entries could not be read, first {one['why']}", fg="yellow")


def _tell_files(kind: str, files: Sequence[str]) -> None:
    if files:
        click.echo(f"{kind} ({len(files)}):")
        for file in files[:SHOWN]:
            click.echo(f"  {file}")
        if len(files) > SHOWN:
            click.echo(f"  … and {len(files) - SHOWN:,} more (--json lists them)")


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
