"""`stepwell init`, `alerts`, `ack`, `comment`, `silence`."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from alerts import hands, sureness
from db import alerts, outbox, runs
from db.alerts import Alert, Flip, Silence
from db.engine import reading
from db.outbox import Act, Message
from db.runs import Run
from db.settings import seconds
from stepwell import show

STARTER = Path(__file__).with_name("starter.toml")


def init(path: Path, *, force: bool) -> None:
    """Raises click.UsageError where there is a file already."""
    if path.exists() and not force:
        raise click.UsageError(f"there is a {path} already; --force writes over it")
    path.write_text(STARTER.read_text(encoding="utf-8"), encoding="utf-8")
    click.echo(f"{path} written. Try it with: stepwell rules test")


def show_alerts(engine: sa.Engine, *, every: bool, deliveries: bool, as_json: bool) -> None:
    with reading(engine) as connection:
        found = alerts.alerts_of(connection, still_open=not every)
        names = {run.id: run for run in runs.all_runs(connection, {one.run_id for one in found})}
        found = [one for one in found if one.run_id in names]  # not those of a run that somebody deleted
        history = alerts.flips_of(connection, [one.id for one in found]) if as_json else {}
        sent = outbox.messages_of(connection, [one.id for one in found]) if as_json else []
        acts = outbox.acts_of(connection, [one.id for one in found])
        log = outbox.deliveries_of(connection) if deliveries else []
        waiting = outbox.waiting(connection)
    if as_json:
        told = [_alert(one, names[one.run_id], history.get(one.id, []), sent, acts) for one in found]
        tries = [asdict(one) for one in log]
        show.as_json({"alerts": told, "waiting": waiting, **({"deliveries": tries} if deliveries else {})})
        return
    if deliveries:
        rows = [(show.since(d.at), d.channel, str(d.messages), d.result, f"{d.took:.1f} s", d.detail) for d in log]
        show.table(("ago", "channel", "messages", "result", "took", "detail"), rows, right=(2, 4))
        return
    cells = [_cells(one, names[one.run_id]) for one in found]
    if cells:
        show.table(
            ("alert", "state", "severity", "run", "rule", "since step", "age", "how sure", ""), cells, right=(0, 5)
        )
    else:
        click.echo("No alert." if every else "No alert is open. `stepwell alerts --all` lists those that are over.")
    for channel, count in waiting.items():
        click.echo(f"{count} messages wait for channel {channel} (--deliveries says why)")


def _cells(one: Alert, run: Run) -> tuple[str, ...]:
    note = f"acknowledged by {one.acked_by}" if one.acked_at else ""
    since = (f"{one.onset_step:,}", show.since(one.opened_at), sureness.sure(one, run.step or one.detected_step))
    return (str(one.id), one.state, one.severity, run.label, one.rule, *since, note)


def _alert(one: Alert, run: Run, history: list[Flip], sent: list[Message], acts: list[Act]) -> dict[str, Any]:
    names = ("id", "rule", "state", "severity", "attempt", "onset_step", "detected_step", "resolved_step")
    times = ("opened_at", "fired_at", "resolved_at", "acked_at", "acked_by")
    told: dict[str, Any] = {"project": run.project, "run": run.name}
    told |= {name: getattr(one, name) for name in (*names, *times)}
    told["message"] = one.finding.get("message", "")
    estimate = sureness.interval(one.rule, one.finding.get("evidence") or {})
    told["sure"] = sureness.sure(one, run.step or one.detected_step)
    told["interval"] = None if estimate is None else estimate.as_dict()
    told["history"] = [asdict(flip) for flip in history]
    mine = [message for message in sent if message.alert_id == one.id]
    told["messages"] = [{"channel": m.channel, "kind": m.kind, "n": m.n, "state": m.state, "at": m.at} for m in mine]
    told["acts"] = [
        {name: getattr(act, name) for name in Act.__dataclass_fields__} for act in acts if act.alert_id == one.id
    ]
    return told


def acknowledge(engine: sa.Engine, alert_ids: Sequence[int], note: str, who: str | None) -> None:
    """Raises click.UsageError where there is no such alert."""
    try:
        found = hands.acknowledge(engine, alert_ids, who=who or _login(), now=time.time(), note=note)
    except LookupError as error:
        raise click.UsageError(f"{error.args[0]}; `stepwell alerts` lists them") from None
    for one in found:
        click.echo(f"{one.id}: {one.rule} acknowledged")


def comment(engine: sa.Engine, alert_id: int, note: str, who: str | None) -> None:
    """Raises click.UsageError where there is no such alert."""
    try:
        one = hands.comment(engine, alert_id, who=who or _login(), now=time.time(), note=note)
    except LookupError as error:
        raise click.UsageError(f"{error.args[0]}; `stepwell alerts --all` lists them") from None
    click.echo(f"{one.id}: {one.rule} commented")


def silence(engine: sa.Engine, wanted: Mapping[str, Any]) -> None:
    """Raises click.UsageError where it would never end, BadSettings for a time that is none."""
    period, step, now = wanted["period"], wanted["until_step"], time.time()
    if period is None and step is None:
        raise click.UsageError("until when? --for 6h, or --until-step 2000")
    until = None if period is None else now + seconds(period)
    who, why = wanted["who"] or _login(), wanted["note"]
    made = Silence(0, wanted["run"], wanted["rule"], wanted["tag"], until, step, now, who, why)
    number = hands.silence(engine, made)
    click.echo(f"silence {number}: {hands.words(made, now)}. End it with: stepwell silence --end {number}")


def silences(engine: sa.Engine, end: int | None) -> None:
    """List those in force, or end one. Raises click.UsageError where there is no such silence."""
    now = time.time()
    if end is not None:
        if not hands.end_silence(engine, end, who=_login(), now=now):
            raise click.UsageError(f"there is no silence {end}; `stepwell silence --list` shows them")
        click.echo(f"silence {end} has ended")
        return
    with reading(engine) as connection:
        found = alerts.silences_at(connection, now)
    for one in found:
        click.echo(f"{one.id}: {hands.words(one, now)}, by {one.who}{f': {one.why}' if one.why else ''}")
    if not found:
        click.echo("No silence is in force.")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
