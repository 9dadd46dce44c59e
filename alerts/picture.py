"""The picture that goes with a message: the curve that the alert is about, with its onset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from alerts.about import About, about
from alerts.notify import heard
from charts.downsample import extremes
from charts.still import NotDrawn, Still, png
from db.engine import StoreError, reading
from db.metrics import named
from db.outbox import Message
from db.quantities import quantity
from db.runs import all_runs
from db.series import Series, by_quantity, series

COLUMNS = 500  # pixel columns that the curve is thinned to
NONE = ("error", "no-data")


def picture(engine: sa.Engine, messages: Sequence[Message]) -> bytes | None:
    """PNG for the first of these messages of one run that is about a curve; None where there is none to draw, or it
    cannot be drawn: a message goes without its picture rather than not at all."""
    shown = heard([one.body for one in messages])
    body = next((one for one in shown if one["kind"] not in NONE), None)
    if body is None:
        return None
    subject = about(str(body["rule"]), body["evidence"])
    try:
        with reading(engine) as connection:
            found = _curve(connection, messages[0].run_id, subject)
        if found is None:
            return None
        label, unit, curve = found
        at = np.flatnonzero(curve.live)
        finite = at[np.isfinite(curve.values[at])]
        at = finite[extremes(curve.steps[finite].astype(np.float64), curve.values[finite], COLUMNS)]
        return png(
            Still(
                title=f"{body['run']} · {label}",
                unit=unit,
                label=label,
                steps=curve.steps[at].tolist(),
                values=curve.values[at].tolist(),
                mark=str(body["rule"]).replace("_", " ").replace("blowup", "blow-up"),
                start=int(body["onset_step"]),
                stop=body["resolved_step"],
                tone="#c62828" if body["severity"] == "critical" else "#b26a00",
            )
        )
    except (NotDrawn, StoreError):
        return None


def _curve(connection: sa.Connection, run_id: int, subject: About) -> tuple[str, str, Series] | None:
    """(label, unit, curve) of the first of what the alert is about that the run logs."""
    logged = by_quantity(connection, [run_id], subject.quantities)
    for name in subject.quantities:
        if (run_id, name) in logged:
            meant = quantity(name)
            return (meant.label, meant.unit, logged[run_id, name]) if meant else (name, "", logged[run_id, name])
    for run in all_runs(connection, [run_id]):
        ids = [metric.id for metric in named(connection, run.trainer, subject.metrics)]
        for curve in series(connection, [run_id], ids).values():
            return curve.metric.name, curve.metric.unit or "", curve
    return None
