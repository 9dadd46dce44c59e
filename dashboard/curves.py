"""From what the store holds to what a chart draws: the x that was chosen, colours, stages, findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyses.judge import detectors
from charts.curve import Band, Curve, Mark
from charts.theme import Look
from dashboard.words import tokens, trouble
from db.findings import Finding
from db.series import Series

Floats = NDArray[np.float64]

X = {"step": "step", "tokens": "tokens", "hours": "hours since the first record", "time": "time (UTC)"}
NEEDED = ("tokens_total", "tokens_per_step", "time_step", "context_limit")  # what x and the stages are made of


@dataclass(frozen=True, slots=True)
class Axis:
    """The chosen x of one run. kind: a key of X; start: wall time of its first record.

    total: for tokens and hours, what stands at each step where the log does not say it per record: (steps, x).
    """

    kind: str
    start: float = float("nan")
    total: tuple[Floats, Floats] | None = None

    def place(self, curve: Series) -> Floats:
        """x (n,) of every point of a curve; NaN where it is not known."""
        if self.total is not None:
            return np.interp(curve.steps, *self.total)
        if self.kind == "time":
            return curve.walls
        if self.kind == "hours":
            return (curve.walls - self.start) / 3600.0
        return curve.steps.astype(np.float64) if self.kind == "step" else np.full(len(curve), np.nan)

    def of_step(self, step: float, curve: Series) -> float:
        """x of a step, as the curve has it: of the first live record at or after it."""
        x, here = self.place(curve), curve.live & (curve.steps >= step)
        known = x[here & np.isfinite(x)]
        return float(known.min()) if len(known) else float("nan")


def axis(kind: str, run_id: int, known: Mapping[tuple[int, str], Series]) -> Axis:
    """The x of a run. known: curves of the run, its NEEDED quantities among them.

    Where the log carries no times, hours are added up from the time that each step took.
    """
    walls = _walls(run_id, known)
    start = float(walls.min()) if len(walls) else float("nan")
    if kind == "tokens":
        return Axis(
            kind, start, _total(known.get((run_id, "tokens_total")), 1.0) or _sum(known, run_id, "tokens_per_step")
        )
    if kind == "hours" and not timed(run_id, known):
        return Axis(kind, start, _sum(known, run_id, "time_step", 3600.0))
    return Axis(kind, start)


def timed(run_id: int, known: Mapping[tuple[int, str], Series]) -> bool:
    """Does the log carry times? If not, all records have the time at which the file was last written."""
    walls = _walls(run_id, known)
    return len(walls) > 0 and float(np.ptp(walls)) > 0


def _walls(run_id: int, known: Mapping[tuple[int, str], Series]) -> Floats:
    mine = [curve.walls for (run, _), curve in known.items() if run == run_id]
    walls = np.concatenate(mine) if mine else np.empty(0)
    return walls[np.isfinite(walls)]


def _total(series: Series | None, per: float) -> tuple[Floats, Floats] | None:
    """(steps, value / per) of the live line, for interpolation."""
    if series is None:
        return None
    good = np.flatnonzero(np.isfinite(series.values) & series.live)
    good = good[np.argsort(series.steps[good], kind="stable")]
    return (series.steps[good].astype(np.float64), series.values[good] / per) if len(good) else None


def _sum(
    known: Mapping[tuple[int, str], Series], run_id: int, name: str, per: float = 1.0
) -> tuple[Floats, Floats] | None:
    each = _total(known.get((run_id, name)), per)
    return None if each is None else (each[0], np.cumsum(each[1]))


def curve(series: Series, axis: Axis, *, label: str, run_id: int, colour: str) -> Curve:
    """A curve for the chart."""
    return Curve(
        label, str(run_id), colour, axis.place(series), series.values, series.steps, series.attempts, series.live
    )


def marks(
    found: Sequence[Finding], axis: Axis, along: Series, look: Look, shown: Collection[str] | None = None
) -> list[Mark]:
    """Findings above a note, where their trouble began, named where the chart shows what they were found in.

    What is over is grey; of what is open the first has a ground, for several grounds above each other would say more
    than there is. shown: quantities of the chart; None names every finding.
    """
    made: list[Mark] = []
    grounded = False
    for one in sorted((f for f in found if f.severity != "info"), key=lambda f: f.onset_step):
        x, still = axis.of_step(one.onset_step, along), one.state == "firing"
        if not np.isfinite(x):
            continue
        stop = x if still and grounded else float("nan") if still else _end(one, axis, along, x)
        colour = look.severity(one.severity) if still else look.fine
        made.append(Mark(x, trouble(one.trouble), colour, stop, named=shown is None or concerns(one.trouble, shown)))
        grounded = grounded or still
    return made


def concerns(trouble: str, quantities: Collection[str]) -> bool:
    """Was the trouble found in one of these quantities? One that needs none (a restart) concerns every chart."""
    detector = detectors().get(trouble)
    needs = {name for one_of in detector.NEEDS for name in one_of} if detector else set[str]()
    return not needs or not needs.isdisjoint(quantities)


def _end(finding: Finding, axis: Axis, along: Series, x: float) -> float:
    """x at which a finding was resolved; its onset where that is not known."""
    stop = x if finding.resolved_step is None else axis.of_step(finding.resolved_step, along)
    return stop if np.isfinite(stop) else x


def stages(limit: Series | None, axis: Axis) -> list[Band]:
    """A band for each context limit in force, if it ever changed."""
    if limit is None or not len(limit):
        return []
    live = np.flatnonzero(limit.live & np.isfinite(limit.values))
    x, values = axis.place(limit)[live], limit.values[live]
    order = np.argsort(x, kind="stable")
    x, values = x[order], values[order]
    starts = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    if len(starts) < 2:
        return []
    ends = np.append(x[starts[1:]], x[-1])
    return [Band(float(x[a]), float(b), tokens(values[a])) for a, b in zip(starts, ends, strict=True)]
