"""What a chart is made of, and the one table that it is drawn from.

All layers of a chart read one table with a column `kind`. So the chart's specification does not change while a run
grows: the page replaces the data of the view that stands, and zoom and selection survive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from charts.downsample import extremes, one_each
from charts.smooth import Smoothing, smooth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Window = tuple[float, float]
Row = dict[str, Any]

RAW = "as logged"
OLD = "superseded"
OVER = "over"  # a mark whose end has a line of its own
EXTRAS = frozenset({"band", "mark", "level", "edge", "dot"})
LANES = 4  # names of findings stand in so many lines below each other
SPARSE = 80  # a curve of fewer points shows each of them as a dot
FENCE = 3.0  # interquartile ranges beyond the quartiles: "far out" by Tukey, Exploratory Data Analysis, 1977
ODD = ("NaN", "+inf", "−inf", "≤ 0", "trimmed above", "trimmed below")


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve. x (shown), y, steps, segment, live: all (n,), in emission order.

    x: steps, tokens, hours, or seconds since the epoch; NaN where unknown (such points are not drawn).
    y: as it should be read off the axis; may be NaN or +-inf.
    segment: the attempt that wrote the point; lines do not cross from one to another.
    live: False where a later attempt has superseded the point.
    path: x goes to and fro, so the points are joined in the order of their steps, not of x.
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
    path: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A stage behind the curves: from x to x, its name written once at the top."""

    start: float
    stop: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding: a thin line at its onset, a pale ground to where it ended (NaN: it has not).

    named: its name is written beside the line; without, the line is paler and tells its name when pointed at.
    told: what became of it, for whoever points at it.
    """

    x: float
    text: str
    colour: str
    stop: float = float("nan")
    named: bool = True
    told: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal reference, e.g. the context limit."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """What is drawn: the rows for the chart, and how many of how many points they show.

    odd: how many stand on the frame, by why (one of ODD). left_out: how many a log x has no place for.
    """

    rows: pd.DataFrame
    drawn: int
    points: int
    odd: dict[str, int] = field(default_factory=dict)
    left_out: int = 0

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
    log_x: bool = False,
    time: bool = False,
    trim: bool = False,
    window: Window | None = None,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    levels: Sequence[Level] = (),
) -> Table:
    """The rows of one chart. columns: pixel columns to thin to. log: of y. time: x are seconds since the epoch.

    log_x: pixel columns are even in log x, and what is not above 0 has no place; it is counted.
    trim: points far outside of their own curve's quartiles become marks on the frame, and are counted.
    window: the part of x that is looked at; it gets as many columns again as the whole.
    """
    view = _View(columns, log, window, log_x, trim)
    parts: list[Row] = []
    drawn, points, odd = 0, 0, dict.fromkeys(ODD, 0)
    left_out = sum(int((c.x <= 0).sum()) for c in curves) if log_x else 0
    for curve in curves:
        for kind, row in _pieces(curve, smoothing, view):
            parts.append(row)
            drawn += len(np.atleast_1d(np.asarray(row["x"]))) if kind in (RAW, OLD, "edge") else 0
            if kind == "edge":
                odd[str(row["shape"])] += int(str(row.pop("count")))
        points += len(curve.x)
    end = max((float(np.nanmax(c.x)) for c in curves if np.isfinite(c.x).any()), default=0.0)
    parts += [_row("band", x=b.start, x2=b.stop, value=b.text) for b in bands if b.start > 0 or not log_x]
    parts += _mark_rows([m for m in marks if m.x > 0 or not log_x], end)
    parts += [_row("level", y=level.y, value=level.text) for level in levels]
    frame = _frame(parts, time)
    return Table(frame, drawn, points, {name: count for name, count in odd.items() if count}, left_out)


def _mark_rows(marks: Sequence[Mark], end: float) -> list[Row]:
    """A row for each mark; the lanes are for those whose name is written."""
    lanes = np.cumsum([mark.named for mark in marks]) - 1
    rows = []
    for mark, lane in zip(marks, lanes, strict=True):
        stop = mark.stop if np.isfinite(mark.stop) else max(end, mark.x)
        name = {"curve": mark.text, "value": mark.text if mark.named else "", "tone": mark.colour, "part": mark.told}
        over = OVER if np.isfinite(mark.stop) and mark.stop > mark.x else None
        rows.append(_row("mark", x=mark.x, x2=stop, y=lane % LANES, shape=over, **name))
    return rows


def _row(kind: str, **values: object) -> Row:
    return {"kind": kind, **values}


def _frame(parts: Sequence[Row], time: bool) -> pd.DataFrame:
    frames = [pd.DataFrame(part | {k: np.atleast_1d(v) for k, v in part.items() if k in "xy"}) for part in parts]
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


@dataclass(frozen=True, slots=True)
class _View:
    """How a curve is looked at."""

    columns: int
    log: bool
    window: Window | None
    log_x: bool
    trim: bool

    def placed(self, x: Floats) -> Bools:
        return np.isfinite(x) & ((x > 0) | (not self.log_x))

    def can_show(self, y: Floats) -> Bools:
        return np.isfinite(y) & ((y > 0) | (not self.log))

    def fence(self, y: Floats) -> Window:
        """Between which two values of a curve's points, all of them showable, nothing is trimmed."""
        if not self.trim or not len(y):
            return -np.inf, np.inf
        low, high = np.quantile(np.log(y) if self.log else y, [0.25, 0.75])
        if not high > low:
            return -np.inf, np.inf
        reach = FENCE * (high - low)
        return (float(np.exp(low - reach)), float(np.exp(high + reach))) if self.log else (low - reach, high + reach)

    def thin(self, at: Ints, x: Floats, y: Floats, columns: int, *, path: Ints | None = None) -> Ints:
        """Of the positions `at`, those to draw, in order of x; path: steps (n,) of a curve that goes in their order."""
        if path is not None:
            return self._along(at, x, y, columns, path)
        at = at[np.argsort(x[at], kind="stable")]
        kept = at[extremes(x[at], y[at], columns, log=self.log_x)]
        if self.window is None or len(kept) == len(at):
            return kept
        seen = at[(x[at] >= self.window[0]) & (x[at] <= self.window[1])]
        both = np.union1d(kept, seen[extremes(x[seen], y[seen], columns, log=self.log_x)]) if len(seen) else kept
        return both[np.argsort(x[both], kind="stable")]

    def _along(self, at: Ints, x: Floats, y: Floats, columns: int, steps: Ints) -> Ints:
        """In order of the steps, with the extremes of x and of y of every stretch, which is a column of the steps."""
        at = at[np.argsort(steps[at], kind="stable")]
        when = steps[at].astype(np.float64)
        each = [extremes(when, values[at], columns // 2) for values in (x, y)]
        return at[np.union1d(*each)]


def _pieces(curve: Curve, smoothing: Smoothing, view: _View) -> Iterator[tuple[str, Row]]:
    """The curve as rows: raw line by attempt, superseded attempts, smoothing over the live line, marks on the edge."""
    placed = view.placed(curve.x)
    plain = placed & view.can_show(curve.y)
    fence = view.fence(curve.y[plain & curve.live])
    plain &= (curve.y >= fence[0]) & (curve.y <= fence[1])
    for live, kind in ((True, RAW), (False, OLD)):
        mine = plain & (curve.live == live)
        for segment in np.unique(curve.segment[mine]).tolist():
            these = np.flatnonzero(mine & (curve.segment == segment))
            at = view.thin(these, curve.x, curve.y, view.columns, path=curve.steps if curve.path else None)
            shape = "dot" if kind == RAW and mine.sum() <= SPARSE else None
            yield kind, _line(curve, kind, f"{curve.key}/{segment}", at, curve.y, shape)
    if smoothing.kind != "none":
        yield from _smoothed(curve, plain & curve.live if view.trim else placed & curve.live, smoothing, view)
    yield from _edges(curve, placed, view, fence)


def _line(curve: Curve, kind: str, part: str, at: Ints, y: Floats, shape: str | None) -> Row:
    named = {"curve": curve.label, "part": part, "tone": curve.colour, "shape": shape}
    return _row(kind, x=curve.x[at], y=y[at], step=curve.steps[at], **named)


def _smoothed(curve: Curve, mine: Bools, smoothing: Smoothing, view: _View) -> Iterator[tuple[str, Row]]:
    at = np.flatnonzero(mine)
    at = at[np.argsort(curve.steps[at], kind="stable")]
    bold = np.full(len(curve.y), np.nan)
    bold[at] = smooth(curve.steps[at], curve.y[at], smoothing)
    if curve.path:  # a noisy x would make a scribble of the line: it is smoothed as well
        curve = replace(curve, x=curve.x.copy())
        curve.x[at] = smooth(curve.steps[at], curve.x[at], smoothing)
    path = curve.steps if curve.path else None
    at = view.thin(at[view.can_show(bold[at])], curve.x, bold, view.columns // 2, path=path)
    if len(at):
        yield smoothing.name, _line(curve, smoothing.name, curve.key, at, bold, None)


def _edges(curve: Curve, placed: Bools, view: _View, fence: Window) -> Iterator[tuple[str, Row]]:
    """What has no place on the axis stands on the frame: +inf above; -inf, NaN and what a log axis lacks below."""
    kinds = {"NaN": np.isnan(curve.y), "+inf": curve.y == np.inf, "−inf": curve.y == -np.inf}
    if view.log:
        kinds["≤ 0"] = (curve.y <= 0) & np.isfinite(curve.y)
    shown = view.can_show(curve.y)
    kinds |= {"trimmed above": shown & (curve.y > fence[1]), "trimmed below": shown & (curve.y < fence[0])}
    for shape, hit in kinds.items():
        at = np.flatnonzero(placed & hit)
        at = at[np.argsort(curve.x[at], kind="stable")]
        thin = at[one_each(curve.x[at], view.columns, log=view.log_x)]
        if len(thin):
            named = {"curve": curve.label, "part": curve.key, "tone": curve.colour, "shape": shape, "count": len(at)}
            values = [str(value) for value in curve.y[thin].tolist()]
            yield "edge", _row("edge", x=curve.x[thin], step=curve.steps[thin], value=values, **named)
