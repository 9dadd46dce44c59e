"""A curve and, under it on the same axis, a lane for each rule: when its episodes began, were told and were over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from charts.curve import Curve
from charts.downsample import extremes
from charts.lines import NUMBER, PERCENT
from charts.theme import Look, config

Spec = dict[str, Any]
CURVE, GAP, LANE = 170, 12, 26  # px: height of the curve, space under it, height of a lane
COLUMNS = 600  # pixel columns that the curve is thinned to


@dataclass(frozen=True, slots=True)
class Span:
    """An episode, in steps. stop: None while it is open; told: steps of the run at which somebody heard of it.

    lane: the rule's name; what, when: for whoever points at it.
    """

    lane: str
    start: float
    stop: float | None
    told: tuple[float, ...]
    colour: str
    what: str
    when: str


def rows(curve: Curve | None, spans: Sequence[Span]) -> pd.DataFrame:
    """The data of the chart. A row of kind curve has x, y; of kind span x, x2; of kind told x; of kind name value."""
    lanes = list(dict.fromkeys(span.lane for span in spans))
    end = _end(curve, spans)
    made: list[dict[str, object]] = []
    for span in spans:
        place = {"lane": _middle(lanes.index(span.lane)), "tone": span.colour, "value": span.what, "when": span.when}
        stop = end if span.stop is None else span.stop
        made.append({"kind": "span", "x": span.start, "x2": stop, "still": span.stop is None, **place})
        made += [{"kind": "told", "x": step, **place} for step in span.told]
    made += [{"kind": "name", "value": name, "lane": _middle(at) - 7} for at, name in enumerate(lanes)]
    frame = pd.DataFrame(made, columns=["kind", "x", "x2", "y", "lane", "tone", "value", "when", "still"])
    line = _line(curve)
    return pd.concat([line, frame], ignore_index=True) if len(frame) else line


def _line(curve: Curve | None) -> pd.DataFrame:
    if curve is None:
        return pd.DataFrame({"kind": [], "x": [], "y": []})
    at = np.flatnonzero(curve.live & np.isfinite(curve.x) & np.isfinite(curve.y))
    at = at[np.argsort(curve.x[at], kind="stable")]
    at = at[extremes(curve.x[at], curve.y[at], COLUMNS)]
    return pd.DataFrame({"kind": "curve", "x": curve.x[at], "y": curve.y[at], "tone": curve.colour})


def _end(curve: Curve | None, spans: Sequence[Span]) -> float:
    ends = [span.start if span.stop is None else span.stop for span in spans] + [s for one in spans for s in one.told]
    ends += [float(np.nanmax(curve.x))] if curve is not None and np.isfinite(curve.x).any() else []
    return max(ends, default=0.0)


def _middle(lane: int) -> int:
    """px from the top."""
    return CURVE + GAP + LANE * lane + LANE // 2 + 4


def height(lanes: int) -> int:
    """px of the whole chart."""
    return CURVE + GAP + LANE * lanes + 6


def spec(lanes: int, look: Look, unit: str, title: str) -> Spec:
    """The Vega-Lite specification without data. unit: of the curve; title: what the curve is."""
    return {
        "$schema": alt.SCHEMA_URL,
        "config": config(look),
        "width": "container",
        "height": height(lanes),
        "autosize": {"type": "fit-x", "contains": "padding"},  # the height is that of curve and lanes, axis apart
        "layer": [_curve(unit, title), _bar(), _edge("start"), _edge("stop"), _told(look), _name(look)],
        "resolve": {"scale": {"y": "independent"}},  # lanes are in px, the curve has an axis
    }


def _where(kind: str, mark: Spec, encoding: Spec, more: str = "") -> Spec:
    test = f"datum.kind == '{kind}'" + (f" && {more}" if more else "")
    return {"transform": [{"filter": test}], "mark": mark, "encoding": encoding}


def _x() -> Spec:
    axis = {"title": "step", "titleAnchor": "start", "tickCount": 8, "labelFlush": True, "labelExpr": NUMBER}
    scale = {"nice": False, "zero": False}
    return {"field": "x", "type": "quantitative", "axis": axis, "scale": scale}


def _lane() -> Spec:
    return {"field": "lane", "type": "quantitative", "scale": None, "axis": None}


TONE: Spec = {"field": "tone", "type": "nominal", "scale": None, "legend": None}
TIPS = [
    {"field": "value", "type": "nominal", "title": "alert"},
    {"field": "when", "type": "nominal", "title": "course"},
]


def _curve(unit: str, title: str) -> Spec:
    axis: Spec = {
        "title": title,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleX": -34,
        "titleY": -8,
        "titleBaseline": "bottom",
        "tickCount": 4,
        "minExtent": 36,
        "labelExpr": PERCENT if unit == "fraction" else NUMBER,
    }
    scale = {"range": [CURVE, 0], "zero": unit == "fraction", "nice": True}
    y = {"field": "y", "type": "quantitative", "axis": axis, "scale": scale}
    mark = {"type": "line", "strokeWidth": 1.3, "strokeJoin": "round", "clip": True}
    layer = _where("curve", mark, {"x": _x(), "y": y, "color": TONE})
    wheel = "wheel![event.ctrlKey || event.metaKey]"
    zoom = {"type": "interval", "encodings": ["x"], "zoom": wheel}
    return layer | {"params": [{"name": "zoom", "select": zoom, "bind": "scales"}]}


def _bar() -> Spec:
    faded = {"condition": {"test": "datum.still", "value": 0.85}, "value": 0.4}
    mark = {"type": "bar", "height": 8, "cornerRadius": 2, "clip": True}
    return _where(
        "span",
        mark,
        {"x": _x(), "x2": {"field": "x2"}, "y": _lane(), "color": TONE, "fillOpacity": faded, "tooltip": TIPS},
    )


def _edge(which: str) -> Spec:
    """A line through the curve where an episode began, a dashed one where it was over."""
    mark: Spec = {"type": "rule", "strokeWidth": 1, "opacity": 0.7, "clip": True}
    mark |= {} if which == "start" else {"strokeDash": [3, 3], "opacity": 0.5}
    x = _x() if which == "start" else {**_x(), "field": "x2"}
    encoding = {"x": x, "y": {"value": 0}, "y2": {"value": CURVE}, "color": TONE, "tooltip": TIPS}
    return _where("span", mark, encoding, "" if which == "start" else "!datum.still")


def _told(look: Look) -> Spec:
    edge = {"stroke": look.surface, "strokeWidth": 1}
    mark = {"type": "point", "shape": "triangle-down", "filled": True, "size": 90, "opacity": 1, "clip": True, **edge}
    return _where("told", mark, {"x": _x(), "y": _lane(), "color": TONE, "tooltip": TIPS})


def _name(look: Look) -> Spec:
    mark = {"type": "text", "align": "left", "baseline": "bottom", "color": look.muted, "fontSize": 11}
    return _where("name", mark, {"x": {"value": 0}, "y": _lane(), "text": {"field": "value", "type": "nominal"}})
