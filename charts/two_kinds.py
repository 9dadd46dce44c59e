"""Curves of two units in one chart, told apart: one unit on the left, solid; the other on the right, dashed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from charts.downsample import extremes
from charts.lines import NUMBER, Style, x_axis
from charts.smooth import Smoothing, smooth
from charts.theme import config

Spec = dict[str, Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve. x, y: (n,), x ascending where it is finite; right: it belongs to the unit on the right."""

    label: str
    colour: str
    right: bool
    x: Floats
    y: Floats
    steps: NDArray[np.int64]


def rows(lines: Sequence[Line], smoothing: Smoothing, *, columns: int = 400, time: bool = False) -> pd.DataFrame:
    """label, right, x, raw, smoothed: the points that are drawn, extremes of every pixel column among them."""
    made = []
    for line in lines:
        at = np.flatnonzero(np.isfinite(line.x) & np.isfinite(line.y))
        curve = smooth(line.steps[at], line.y[at], smoothing)
        kept = extremes(line.x[at], line.y[at], columns)
        told = {"label": line.label, "right": line.right, "x": line.x[at][kept]}
        made.append(pd.DataFrame({**told, "raw": line.y[at][kept], "smoothed": curve[kept]}))
    frame = pd.concat(made, ignore_index=True) if made else pd.DataFrame({"label": [], "x": []})
    if time:
        frame["x"] = pd.to_datetime(frame["x"].astype(float), unit="s", utc=True)
    return frame


def spec(lines: Sequence[Line], style: Style, *, left: str, right: str, alt_text: str) -> Spec:
    """The specification, without data. left, right: titles of the two axes."""
    colours = {"domain": [line.label for line in lines], "range": [line.colour for line in lines]}
    colour = {"field": "label", "type": "nominal", "scale": colours, "legend": {"title": None, "orient": "top"}}
    sides = [(False, left), *([(True, right)] if any(line.right for line in lines) else [])]
    return {
        "$schema": alt.SCHEMA_URL,
        "description": alt_text,
        "config": config(style.look),
        "width": "container",
        "height": style.height,
        "encoding": {"x": x_axis(style), "color": colour},
        "layer": [_side(at_right, title) for at_right, title in sides],
        "resolve": {"scale": {"y": "independent"}},
    }


def _side(right: bool, title: str) -> Spec:
    axis: Spec = {"title": title, "orient": "right" if right else "left", "tickCount": 5, "grid": not right}
    axis |= {"labelExpr": NUMBER} if right else {"format": "~p"}
    dash = {"strokeDash": [6, 3]} if right else {}
    tooltip = [
        {"field": "label", "title": "reward"},
        {"field": "x", "type": "quantitative", "format": ","},
        {"field": "raw", "title": "as logged", "type": "quantitative", "format": ".4~g"},
    ]
    y: Spec = {"type": "quantitative", "scale": {"zero": False}, "axis": axis}
    return {
        "transform": [{"filter": f"datum.right === {'true' if right else 'false'}"}],
        "layer": [
            {
                "mark": {"type": "line", "opacity": 0.3, "strokeWidth": 1, **dash},
                "encoding": {"y": {"field": "raw", **y}, "tooltip": tooltip},
            },
            {
                "mark": {"type": "line", "strokeWidth": 2, "tooltip": False, **dash},
                "encoding": {"y": {"field": "smoothed", **y}},
            },
        ],
    }
