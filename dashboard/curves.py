"""From what the store holds to what a chart draws: the x that was chosen, colours, stages, findings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts.about import about
from charts.curve import Band, Curve, Mark
from charts.theme import Look
from dashboard.words import tokens, trouble
from db.findings import Finding
from db.series import Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

X = {
    "step": "step",
    "tokens": "tokens",
    "hours": "hours since the first record",
    "gpu": "GPU-hours",
    "time": "time (UTC)",
    "epoch": "epoch",
}
METRIC = "metric:"  # x=metric:<name>: any metric of the run, by the name under which it is logged
CHOSEN = "the metric on x"  # its key among the known curves
NEEDED = ("tokens_total", "tokens_per_step", "time_step", "context_limit", "epoch")  # what x and stages are made of


@dataclass(frozen=True, slots=True)
class Axis:
    """The chosen x of one run. kind: a key of X, or METRIC and a name; start: wall time of its first record.

    total: for tokens, hours and epochs, what stands at each step where the log does not say it per record: (steps, x).
    gpus: how many the run uses, None where its config does not say: then GPU-hours are hours, and the title says so.
    metric: the curve that is x.
    """

    kind: str
    start: float = float("nan")
    total: tuple[Floats, Floats] | None = None
    gpus: int | None = None
    metric: Series | None = None

    @property
    def title(self) -> str:
        """What stands under the axis, with its unit."""
        if self.kind == "gpu" and self.gpus is None:
            return "hours (number of GPUs unknown)"
        if self.metric is not None:
            unit = self.metric.metric.unit if self.metric.metric.scale == 1 else None
            return f"{self.metric.metric.name} ({unit})" if unit else self.metric.metric.name
        return X.get(self.kind, "step")

    def place(self, curve: Series) -> Floats:
        """x (n,) of every point of a curve; NaN where it is not known."""
        if self.metric is not None:
            return _where_logged(curve, self.metric)
        each = float(self.gpus or 1) if self.kind == "gpu" else 1.0
        if self.total is not None:
            return np.interp(curve.steps, *self.total) * each
        if self.kind == "time":
            return curve.walls
        if self.kind in ("hours", "gpu"):
            return (curve.walls - self.start) / 3600.0 * each
        return curve.steps.astype(np.float64) if self.kind == "step" else np.full(len(curve), np.nan)

    def of_step(self, step: float, curve: Series) -> float:
        """x of a step, as the curve has it: of the first live record at or after it."""
        x, here = self.place(curve), curve.live & (curve.steps >= step)
        known = x[here & np.isfinite(x)]
        return float(known.min()) if len(known) else float("nan")


def _where_logged(curve: Series, metric: Series) -> Floats:
    """What the metric said in the record of each point: of its attempt, else in the live line; NaN where nothing."""
    x = look_up(curve.steps, metric.steps[metric.live], metric.values[metric.live])
    x[~curve.live] = np.nan
    span = 1 + max(int(curve.steps.max(initial=0)), int(metric.steps.max(initial=0)))
    own = look_up(curve.attempts * span + curve.steps, metric.attempts * span + metric.steps, metric.values)
    return np.where(np.isfinite(own), own, x)


def look_up(wanted: Ints, keys: Ints, values: Floats) -> Floats:
    """The value (m,) of each wanted key (m,), from keys and values (n,); NaN where there is none."""
    found = np.full(len(wanted), np.nan)
    if len(keys):
        order = np.argsort(keys, kind="stable")
        at = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
        same = keys[at] == wanted
        found[same] = values[at[same]]
    return found


def axis(kind: str, run_id: int, known: Mapping[tuple[int, str], Series], gpus: int | None = None) -> Axis:
    """The x of a run. known: curves of the run, its NEEDED quantities and the metric on x (CHOSEN) among them.

    Where the log carries no times, hours are added up from the time that each step took.
    """
    if kind.startswith(METRIC):
        on_x = known.get((run_id, CHOSEN))
        return Axis(kind, metric=on_x) if on_x is not None else Axis("step")
    walls = _walls(run_id, known)
    start = float(walls.min()) if len(walls) else float("nan")
    if kind == "tokens":
        return Axis(
            kind, start, _total(known.get((run_id, "tokens_total")), 1.0) or _sum(known, run_id, "tokens_per_step")
        )
    if kind == "epoch":
        return Axis(kind, start, _total(known.get((run_id, "epoch")), 1.0))
    if kind in ("hours", "gpu") and not timed(run_id, known):
        return Axis(kind, start, _sum(known, run_id, "time_step", 3600.0), gpus)
    return Axis(kind, start, gpus=gpus)


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
    x = axis.place(series)
    path = axis.metric is not None and _to_and_fro(x[series.live])
    return Curve(label, str(run_id), colour, x, series.values, series.steps, series.attempts, series.live, path)


def _to_and_fro(x: Floats) -> bool:
    """Does x, in the order of its steps, both grow and shrink?"""
    moves = np.diff(x[np.isfinite(x)])
    return bool((moves > 0).any() and (moves < 0).any())


def marks(
    found: Sequence[Finding],
    axis: Axis,
    along: Series,
    look: Look,
    shown: Collection[str] | None = None,
    course: Callable[[Finding], str] = lambda _: "",
) -> list[Mark]:
    """Findings above a note, where their trouble began, named where the chart shows what they were found in.

    What is over is grey; of what is open the first has a ground, for several grounds above each other would say more
    than there is. shown: quantities and metrics of the chart; None names every finding. course: what became of it.
    """
    made: list[Mark] = []
    grounded = False
    for one in sorted((f for f in found if f.severity != "info"), key=lambda f: f.onset_step):
        x, still = axis.of_step(one.onset_step, along), one.state == "firing"
        if not np.isfinite(x):
            continue
        stop = x if still and grounded else float("nan") if still else _end(one, axis, along, x)
        colour = look.severity(one.severity) if still else look.fine
        named = shown is None or about(one.trouble, one.evidence).concerns(shown)
        made.append(Mark(x, trouble(one.trouble), colour, stop, named, course(one)))
        grounded = grounded or still
    return made


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
