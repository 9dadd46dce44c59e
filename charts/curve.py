"""What a chart is made of, and the one table that it is drawn from.

All layers of a chart read one table with a column `kind`. So the chart's specification does not change while a run
grows: the page replaces the data of the view that stands, and zoom and selection survive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from charts.downsample import extremes, one_each
from charts.smooth import Smoothing, smooth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

RAW = "as logged"
OLD = "superseded"
EXTRAS = frozenset({"band", "mark", "level", "edge", "dot"})
LANES = 4  # names of findings stand in so many lines below each other
SPARSE = 80  # a curve of fewer points shows each of them as a dot


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve. x (shown), y, steps, segment, live: all (n,), in emission order.

    x: steps, tokens, hours, or seconds since the epoch; NaN where unknown (such points are not drawn).
    y: as it should be read off the axis; may be NaN or +-inf.
    segment: the attempt that wrote the point; lines do not cross from one to another.
    live: False where a later attempt has superseded the point.
    key: the run's, stable; label: what the legend says, must differ between the curves of one chart.
    """

    label: str
    key: str
    colour: str
    x: Floats
    y: Floats
    steps: Ints
    segment: Ints
    live: Bools


@dataclass(frozen=True, slots=True)
class Band:
    """A stage behind the curves: from x to x, its name written once at the top."""

    start: float
    stop: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding: a thin line at its onset, a pale ground to where it ended (NaN: it has not)."""

    x: float
    text: str
    colour: str
    stop: float = float("nan")


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal reference, e.g. the context limit."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """What is drawn: the rows for the chart, and how many of how many points they show."""

    rows: pd.DataFrame
    drawn: int
    points: int
    odd: dict[str, int] = field(default_factory=dict)

    @property
    def extras(self) -> frozenset[str]:
        """Which of EXTRAS there are rows of: a chart has no layers for what it does not hold."""
        return EXTRAS & {*self.rows["kind"].cat.categories, *self.rows["shape"].cat.categories}


COLUMNS = ("kind", "curve", "part", "x", "x2", "y", "step", "value", "shape", "tone")
_TEXT = ("kind", "curve", "part", "value", "shape", "tone")


def table(
    curves: Sequence[Curve],
    smoothing: Smoothing,
    *,
    columns: int = 400,
    log: bool = False,
    time: bool = False,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    levels: Sequence[Level] = (),
) -> Table:
    """The rows of one chart. columns: pixel columns to thin to. log: of y. time: x are seconds since the epoch."""
    parts: list[dict[str, object]] = []
    drawn, points, odd = 0, 0, {"NaN": 0, "+inf": 0, "−inf": 0, "≤ 0": 0}
    for curve in curves:
        for kind, row in _pieces(curve, smoothing, columns, log):
            parts.append(row)
            drawn += len(np.atleast_1d(np.asarray(row["x"]))) if kind in (RAW, OLD, "edge") else 0
            if kind == "edge":
                odd[str(row["shape"])] += int(str(row.pop("count")))
        points += len(curve.x)
    end = max((float(np.nanmax(c.x)) for c in curves if np.isfinite(c.x).any()), default=0.0)
    parts += [_row("band", x=b.start, x2=b.stop, value=b.text) for b in bands]
    for place, mark in enumerate(marks):
        stop = mark.stop if np.isfinite(mark.stop) else max(end, mark.x)
        parts.append(_row("mark", x=mark.x, x2=stop, y=place % LANES, value=mark.text, tone=mark.colour))
    parts += [_row("level", y=level.y, value=level.text) for level in levels]
    frame = _frame(parts, time)
    return Table(frame, drawn, points, {name: count for name, count in odd.items() if count})


def _row(kind: str, **values: object) -> dict[str, object]:
    return {"kind": kind, **values}


def _frame(parts: Sequence[dict[str, object]], time: bool) -> pd.DataFrame:
    frames = [pd.DataFrame({k: np.atleast_1d(np.asarray(v)) if k in ("x", "y") else v for k, v in p.items()}) for p in parts]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({"kind": pd.Series(dtype=str)})
    rows = rows.reindex(columns=list(COLUMNS))
    for name in ("x", "x2"):
        if time:
            rows[name] = pd.to_datetime(rows[name].astype(float), unit="s", utc=True)
        else:
            rows[name] = rows[name].astype(float)
    rows["y"], rows["step"] = rows["y"].astype(float), rows["step"].astype("Int64")
    for name in _TEXT:
        rows[name] = rows[name].astype("category" if name != "value" else object)
    return rows


def _pieces(curve: Curve, smoothing: Smoothing, columns: int, log: bool) -> Iterator[tuple[str, dict[str, object]]]:
    """The curve as rows: raw line by attempt, superseded attempts, smoothing over the live line, marks on the edge."""
    placed = np.isfinite(curve.x)
    plain = placed & np.isfinite(curve.y) & ((curve.y > 0) | (not log))
    for live, kind in ((True, RAW), (False, OLD)):
        mine = plain & (curve.live == live)
        for segment in np.unique(curve.segment[mine]).tolist():
            at = np.flatnonzero(mine & (curve.segment == segment))
            at = at[np.argsort(curve.x[at], kind="stable")]
            at = at[extremes(curve.x[at], curve.y[at], columns)]
            shape = "dot" if kind == RAW and mine.sum() <= SPARSE else None
            yield kind, _line(curve, kind, f"{curve.key}/{segment}", at, curve.y, shape)
    if smoothing.kind != "none":
        yield from _smoothed(curve, placed & curve.live, smoothing, columns, log)
    yield from _edges(curve, placed, columns, log)


def _line(curve: Curve, kind: str, part: str, at: Ints, y: Floats, shape: str | None) -> dict[str, object]:
    named = {"curve": curve.label, "part": part, "tone": curve.colour, "shape": shape}
    return _row(kind, x=curve.x[at], y=y[at], step=curve.steps[at], **named)


def _smoothed(
    curve: Curve, mine: Bools, smoothing: Smoothing, columns: int, log: bool
) -> Iterator[tuple[str, dict[str, object]]]:
    at = np.flatnonzero(mine)
    at = at[np.argsort(curve.steps[at], kind="stable")]
    bold = np.full(len(curve.y), np.nan)
    bold[at] = smooth(curve.steps[at], curve.y[at], smoothing)
    at = at[np.isfinite(bold[at]) & ((bold[at] > 0) | (not log))]
    at = at[np.argsort(curve.x[at], kind="stable")]
    at = at[extremes(curve.x[at], bold[at], columns // 2)]
    if len(at):
        yield smoothing.name, _line(curve, smoothing.name, curve.key, at, bold, None)


def _edges(curve: Curve, placed: Bools, columns: int, log: bool) -> Iterator[tuple[str, dict[str, object]]]:
    """What has no place on the axis stands on the frame: +inf above; -inf, NaN and, on a log axis, what is not positive below."""
    kinds = {"NaN": np.isnan(curve.y), "+inf": curve.y == np.inf, "−inf": curve.y == -np.inf}
    if log:
        kinds["≤ 0"] = (curve.y <= 0) & np.isfinite(curve.y)
    for shape, hit in kinds.items():
        at = np.flatnonzero(placed & hit)
        at = at[np.argsort(curve.x[at], kind="stable")]
        thin = at[one_each(curve.x[at], columns)]
        if len(thin):
            named = {"curve": curve.label, "part": curve.key, "tone": curve.colour, "shape": shape, "count": len(at)}
            values = [str(value) for value in curve.y[thin].tolist()]
            yield "edge", _row("edge", x=curve.x[thin], step=curve.steps[thin], value=values, **named)
