"""What people do about alerts, each act with who and when. Command and dashboard do it here: both mean the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import sqlalchemy as sa

from db import alerts, edits
from db.alerts import Alert, Silence
from db.edits import Edit
from db.engine import writing
from db.text import storable


def acknowledge(engine: sa.Engine, alert_ids: Collection[int], *, who: str, now: float, note: str = "") -> list[Alert]:
    """Somebody has them in hand: no repeats, no escalation for want of an answer. Returns the alerts as they were.

    Raises LookupError where there is no such alert; then none is acknowledged.
    """
    who, note = storable(who), storable(note)
    with writing(engine) as connection:
        found = [_there(connection, alert_id) for alert_id in alert_ids]
        for one in found:
            alerts.acknowledge(connection, one.id, now=now, who=who, note=note)
            edits.record(connection, Edit(now, who, "acknowledge", one.run_id, _said(one, note)))
    return found


def comment(engine: sa.Engine, alert_id: int, *, who: str, now: float, note: str) -> Alert:
    """A word for the others, in the alert's history. Raises LookupError where there is no such alert."""
    who, note = storable(who), storable(note)
    with writing(engine) as connection:
        one = _there(connection, alert_id)
        alerts.comment(connection, one.id, now=now, who=who, note=note)
        edits.record(connection, Edit(now, who, "comment", one.run_id, _said(one, note)))
    return one


def silence(engine: sa.Engine, wanted: Silence) -> int:
    """Tell nothing of what matches for a while; it is recorded all the same. Returns the silence's number.

    Raises ValueError for one that would never end, or that is over already.
    """
    if wanted.until is None and wanted.until_step is None:
        raise ValueError("until when? A silence ends at a time or at a step of the run")
    if wanted.until is not None and wanted.until <= wanted.made_at:
        raise ValueError("a silence ends in the future")
    wanted = _storable(wanted)
    with writing(engine) as connection:
        number = alerts.silence(connection, wanted)
        detail = f"{number}: {words(wanted, wanted.made_at)}" + (f": {wanted.why}" if wanted.why else "")
        edits.record(connection, Edit(wanted.made_at, wanted.who, "silence", None, detail))
    return number


def end_silence(engine: sa.Engine, silence_id: int, *, who: str, now: float) -> bool:
    """False where there is no such silence, or it has ended before."""
    with writing(engine) as connection:
        ended = alerts.end_silence(connection, silence_id, now)
        if ended:
            edits.record(connection, Edit(now, storable(who), "end silence", None, str(silence_id)))
    return ended


def _storable(one: Silence) -> Silence:
    run, rule, tag = storable(one.run), storable(one.rule), storable(one.tag)
    return replace(one, run=run, rule=rule, tag=tag, who=storable(one.who), why=storable(one.why))


def words(one: Silence, now: float) -> str:
    """What a silence covers and how long it still holds: "run blow*, for 6 h"."""
    told = [
        f"{name} {value}" for name, value in (("run", one.run), ("rule", one.rule), ("tag", one.tag)) if value != "*"
    ]
    ends = [] if one.until is None else [f"for {_lasting(one.until - now)}"]
    ends += [] if one.until_step is None else [f"until step {one.until_step:,}"]
    return f"{', '.join(told) or 'everything'} {' and '.join(ends)}"


def _lasting(seconds: float) -> str:
    for size, unit in ((86_400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"


def _there(connection: sa.Connection, alert_id: int) -> Alert:
    one = alerts.alert(connection, alert_id)
    if one is None:
        raise LookupError(f"there is no alert {alert_id}")
    return one


def _said(one: Alert, note: str) -> str:
    return f"{one.id} {one.rule}" + (f": {note}" if note else "")
