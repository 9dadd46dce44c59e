"""`stepwell check`: collect what is new, judge, tell what is new, and say it in the exit code."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from alerts import guard, heartbeat, lock, metrics_file, outbox, rules
from alerts.check import Report
from alerts.check import check as judge_runs
from alerts.lifecycle import Episode
from alerts.rules import TERMINAL, Book, Channel
from analyses.lint import notes
from db import alerts as alert_rows
from db import outbox as outbox_rows
from db.engine import open_store, reading, writing
from db.findings import Finding
from db.runs import settings_of
from db.settings import Value, seconds
from stepwell import show
from stepwell.arguments import AWAY, FIRING, OK, USAGE

COLOURS = {"critical": "red", "warning": "yellow", "info": None}
PATIENCE = 20.0  # s that a check waits for another one to end
PING = 5.0  # s for a ping
NOTICED = 3  # failures in a row after which a quiet check mentions a channel, once
MAIL = Channel(TERMINAL, TERMINAL)
"""What a quiet pass prints. Cron mails it: so it is told like everything else, once."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """How the command was called."""

    settings: Mapping[str, Value]
    paths: Sequence[Path | str]
    live_for: float | None
    quiet: bool
    as_json: bool

    def of(self, name: str) -> str:
        return self.settings[name].value


def check(
    settings: Mapping[str, Value], paths: Sequence[Path | str], *, every: bool, quiet: bool, as_json: bool
) -> int:
    """Returns the exit code: 1 firing at or above fail_on, else 3 if something could not be judged, else 0.

    Raises BadSettings, click.UsageError, db.engine.StoreError.
    """
    live_for = None if every else seconds(settings["live_for"].value)
    limit = seconds(settings["time_limit"].value)
    wish = _Wish(settings, paths, live_for, quiet, as_json)
    book = rules.load()
    if quiet and not as_json and live_for is not None:
        book = replace(book, channels={**book.channels, MAIL.name: MAIL})
    _ping(wish, "start")
    code = AWAY
    try:
        engine = open_store(settings["store"].value)
        with lock.time_limit(limit), lock.alone(engine, wait=PATIENCE):
            code = _pass(engine, wish, book, limit)
    except click.UsageError:
        code = USAGE
        raise
    except (lock.OutOfTime, lock.Busy) as error:
        click.echo(f"Error: could not evaluate: {error}", err=True)
    finally:
        _ping(wish, str(code))
    return code


def _pass(engine: sa.Engine, wish: _Wish, book: Book, limit: float) -> int:
    now = time.time()
    with writing(engine) as connection:
        heartbeat.begin(connection, now, limit)
    if wish.paths:
        from collectors.follow import Collector
        from stepwell.collecting import one_pass

        one_pass(Collector(engine, wish.paths, wish.of("project") or None))
        now = time.time()
    report = judge_runs(engine, now=now, live_for=wish.live_for, book=book, link=wish.of("dashboard_url"))
    code = _code(report, wish.of("fail_on"))
    _tell(engine, wish, report, code, now)
    if wish.live_for is not None:
        acts = guard.guard(engine, book, report.runs, now)
        served = outbox.deliver(engine, book.channels.values(), budget=max(1.0, min(60.0, limit / 2)))
        _after(wish, acts, served)
    with writing(engine) as connection:
        heartbeat.end(connection, now, time.time(), code, len(report.runs))
    _metrics(engine, wish, report, code, book)
    return code


def _code(report: Report, fail_on: str) -> int:
    """`stalled` says that the data is old: that is exit 3, not an alarm about the training itself."""
    loud = [one.rule.trouble for _run, one in report.alarms(fail_on)]
    if any(trouble != "stalled" for trouble in loud):
        return FIRING
    return AWAY if loud or report.stale or report.errors else OK


def _ping(wish: _Wish, what: str) -> None:
    """A ping that does not arrive changes nothing; whoever waits for it will notice."""
    url = wish.of("ping_url")
    if url.startswith(("http://", "https://")):
        import urllib.request  # 20 ms that a start without pings can do without

        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/{what}", timeout=PING):
                pass
        except OSError as error:
            if not wish.quiet:
                click.echo(f"ping not delivered: {type(error).__name__}", err=True)


def _metrics(engine: sa.Engine, wish: _Wish, report: Report, code: int, book: Book) -> None:
    if not (name := wish.of("metrics_file")):
        return
    with reading(engine) as connection:
        open_ = alert_rows.alerts_of(connection, report.runs.keys(), still_open=True)
        waiting = outbox_rows.waiting(connection)
    labels = {rule.name: rule.labels for rule in book.rules.values() if rule.labels}
    told = metrics_file.text(report.runs, open_, waiting, now=time.time(), code=code, labels=labels)
    try:
        metrics_file.write(Path(name), told)
    except OSError as error:
        click.echo(f"metrics file not written: {name}: {error.strerror}", err=True)


def _after(wish: _Wish, acts: Sequence[str], served: Mapping[str, outbox.Served]) -> None:
    """What guards did is always told; a channel that fails, aloud once."""
    for act in acts:
        click.echo(act, err=wish.as_json)
    for name, one in served.items():
        if one.trouble and (not wish.quiet or one.failures == NOTICED):
            click.secho(f"channel {name}: {one.trouble}; what it was to tell is kept", fg="yellow", err=True)


def _object(report: Report, code: int) -> dict[str, Any]:
    """The promised object (docs/cli.md)."""
    return {
        "findings": [_finding(report, one) for one in report.findings],
        "alerts": [_alert(report, i, one) for i, told in report.episodes.items() for one in told],
        "runs": [{"run": run.name, "project": run.project, "step": run.step} for run in report.runs.values()],
        "stale": [{"run": report.runs[i].name, "seconds": round(age)} for i, age in report.stale.items()],
        "cannot_judge": [
            {"run": report.runs[i].name, "trouble": trouble, "missing": list(names)}
            for i, troubles in report.missing.items()
            for trouble, names in troubles.items()
        ],
        "errors": [
            {"run": report.runs[i].name, "rule": rule, "why": why}
            for i, errors in report.errors.items()
            for rule, why in errors.items()
        ],
        "exit_code": code,
    }


def _notes(engine: sa.Engine, report: Report) -> list[dict[str, Any]]:
    """What the configs of the judged runs say to expect; read only where it is shown."""
    with reading(engine) as connection:
        settings = [(run.name, settings_of(connection, run.id)) for run in report.runs.values()]
    return [{"run": name, **asdict(note)} for name, said in settings for note in notes(said)]


def _finding(report: Report, one: Finding) -> dict[str, Any]:
    run = report.runs[one.run_id]
    names = ("trouble", "severity", "state", "onset_step", "detected_step", "resolved_step", "message", "evidence")
    said = {name: getattr(one, name) for name in (*names, "attempt", "clears", "advice", "origin")}
    return {"project": run.project, "run": run.name, "source": report.sources[one.source_id].path, **said}


def _alert(report: Report, run_id: int, one: Episode) -> dict[str, Any]:
    run, closing = report.runs[run_id], one.closing
    told: dict[str, Any] = {"project": run.project, "run": run.name, "rule": one.rule.name, "severity": one.severity}
    told |= {"state": one.state, "detected_step": one.first.detected_step, "attempt": one.first.attempt}
    return {**told, "resolved_step": closing.step if closing else None, "message": one.latest.finding["message"]}


def _tell(engine: sa.Engine, wish: _Wish, report: Report, code: int, now: float) -> None:
    if wish.as_json:
        show.as_json(_object(report, code) | {"notes": _notes(engine, report)})
    elif wish.quiet and wish.live_for is not None:
        outbox.print_waiting(engine, MAIL.name, _news, now)
    elif not wish.quiet or code:
        _all(report, quiet=wish.quiet)


def _news(one: Mapping[str, Any]) -> None:
    """One message of a quiet pass."""
    head = "RESOLVED" if one["kind"] == "resolved" else str(one["severity"]).upper()
    since = "at step" if one["kind"] == "resolved" else "since step"
    step = one["step"] if one["kind"] == "resolved" else one["onset_step"]
    click.secho(f"{head:8} {one['run']}: {one['rule']} {since} {step}", fg=COLOURS.get(one["severity"]), bold=True)
    _explain(str(one["message"]), "" if one["kind"] == "resolved" else str(one["advice"]))


def _explain(message: str, advice: str) -> None:
    click.echo(f"         {message}")
    if advice:
        click.echo(f"         Try: {advice}")


def _all(report: Report, *, quiet: bool) -> None:
    for run_id, one in report.alarms("info" if not quiet else "warning"):
        said = one.latest.finding
        head = f"{one.severity.upper():8} {report.runs[run_id].name}: {one.rule.name} since step {said['onset_step']}"
        click.secho(head, fg=COLOURS[one.severity], bold=True)
        _explain(said["message"], said["advice"])
    for run_id, age in report.stale.items():
        run = report.runs[run_id]
        click.secho(f"STALE    {run.name}: no new data for {show.age(age)} (last step {run.step})", fg="yellow")
    for run_id, errors in report.errors.items():
        for rule, why in errors.items():
            click.secho(f"ERROR    {report.runs[run_id].name}: {rule} could not be evaluated: {why}", fg="red")
    if not quiet:
        firing = {run_id for run_id, _one in report.alarms("warning")}
        click.echo(f"{len(report.runs)} runs judged, {len(firing)} with something firing, {len(report.stale)} stale")
        if not report.runs:
            click.echo("No live run in the store. `stepwell check --all` judges finished ones too.")
