"""Scores with their standard errors: over steps, over the limit of the evaluation, over the number of tries.

What is published is drawn dashed; a score without a known error has no whisker. Specification and data travel apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from charts.lines import NUMBER
from charts.theme import LIGHT, Look, config

Spec = dict[str, Any]
TOKENS = "datum.value >= 1024 && datum.value % 1024 == 0 ? datum.value / 1024 + 'K' : format(datum.value, ',d')"
COLUMNS = ("curve", "x", "y", "low", "high", "told", "error", "kind")


@dataclass(frozen=True, slots=True)
class Line:
    """One system's scores. x, y: (n,); errors: (n,) standard errors, NaN unknown; told: (n,) what the tip says of each.
    dashed: it is a published figure."""

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    errors: Sequence[float]
    told: Sequence[str]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes say. ticks: of x, where its values are few and known; tokens: x is a limit; log: x doubles."""

    x: str
    y: str
    ticks: tuple[float, ...] = ()
    tokens: bool = False
    log: bool = False
    base: int = 2
    height: int = 280
    look: Look = LIGHT


def rows(lines: Sequence[Line], *, share: bool = False) -> pd.DataFrame:
    """The data: a row per score; whiskers reach one standard error to both sides; of shares, not out of 0 to 100."""
    made: list[tuple[Any, ...]] = []
    for line in lines:
        kind = "published" if line.dashed else "measured"
        for x, y, error, told in zip(line.x, line.y, line.errors, line.told, strict=True):
            if np.isfinite(x) and np.isfinite(y):
                known = bool(np.isfinite(error))
                low, high = (y - error, y + error) if known else (None, None)
                if share and known:
                    low, high = max(y - error, 0.0), min(y + error, 100.0)
                made.append((line.name, x, y, low, high, told, f"{error:.3g}" if known else "not known", kind))
    return pd.DataFrame(made, columns=list(COLUMNS))


def spec(lines: Sequence[Line], axes: Axes, alt_text: str) -> Spec:
    """The Vega-Lite specification without data."""
    names, colours = [line.name for line in lines], [line.colour for line in lines]
    legend = {"title": None, "symbolType": "circle", "columns": 4} if len(lines) > 1 else None
    colour: Spec = {"field": "curve", "type": "nominal", "legend": legend, "sort": None}
    colour["scale"] = {"domain": names, "range": colours}
    dash: Spec = {"field": "kind", "type": "nominal", "legend": None}
    dash["scale"] = {"domain": ["measured", "published"], "range": [[1, 0], [5, 4]]}
    at = {"x": _x(axes), "y": _y(axes), "color": colour}
    tip = [
        {"field": "curve", "title": "system", "type": "nominal"},
        {"field": "told", "title": "score", "type": "nominal"},
        {"field": "error", "title": "standard error", "type": "nominal"},
        {"field": "kind", "title": "figure", "type": "nominal"},
    ]
    whisker = {"transform": [{"filter": "isValid(datum.low)"}], "mark": {"type": "rule", "strokeWidth": 1.2}}
    return {
        "$schema": alt.SCHEMA_URL,
        "description": alt_text,
        "config": config(axes.look),
        "width": "container",
        "height": axes.height,
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 1.6, "opacity": 0.75}, "encoding": at | {"strokeDash": dash}},
            whisker | {"encoding": at | {"y": at["y"] | {"field": "low"}, "y2": {"field": "high"}}},
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, "stroke": axes.look.surface},
                "encoding": at | {"tooltip": tip},
            },
        ],
    }


def _x(axes: Axes) -> Spec:
    axis: Spec = {"title": axes.x, "titleAnchor": "start", "labelFlush": True, "labelOverlap": "greedy"}
    axis |= {"labelExpr": TOKENS if axes.tokens else NUMBER}
    axis |= {"values": list(axes.ticks)} if axes.ticks else {"tickCount": 6}
    scale: Spec = {"type": "log", "base": axes.base, "nice": False} if axes.log else {"zero": False, "nice": False}
    return {"field": "x", "type": "quantitative", "scale": scale | {"padding": 12}, "axis": axis}


def _y(axes: Axes) -> Spec:
    title = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleX": -34, "titleY": -8}
    axis = {"title": axes.y or None, **title, "titleBaseline": "bottom", "tickCount": 5, "labelExpr": NUMBER}
    return {"field": "y", "type": "quantitative", "scale": {"zero": False, "nice": True}, "axis": axis}
