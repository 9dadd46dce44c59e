"""What was measured, and a line with its interval through and beyond it: fits, forecasts, means of groups.

As in charts.curve all layers read one table with a column `kind`; specification and data travel apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from charts.curve import Level
from charts.lines import LOG_NUMBER, NUMBER, PERCENT, Style, x_axis
from charts.theme import config

Spec = dict[str, Any]
Numbers = Sequence[float] | np.ndarray
COLUMNS = ("kind", "curve", "tone", "x", "x2", "y", "low", "high", "text")
MOST = 1500  # dots


@dataclass(frozen=True, slots=True)
class Dots:
    """Measured points. x, y: (n,). joined: with a thin line between them."""

    label: str
    colour: str
    x: Numbers
    y: Numbers
    joined: bool = True


@dataclass(frozen=True, slots=True)
class Ribbon:
    """A line with its interval: x, y, low, high (k,), low and high may be empty. ahead: it is a forecast, so dashed."""

    label: str
    colour: str
    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Bend:
    """A place on x with its interval and what it is."""

    x: float
    low: float
    high: float
    text: str
    colour: str


def rows(
    dots: Sequence[Dots], ribbons: Sequence[Ribbon], *, levels: Sequence[Level] = (), bends: Sequence[Bend] = ()
) -> pd.DataFrame:
    """The data. Dots beyond MOST are left out evenly; nothing that is not finite is drawn."""
    made: list[pd.DataFrame] = []
    for one in dots:
        each = -(-len(one.x) // MOST) or 1
        table = pd.DataFrame({"x": np.asarray(one.x)[::each], "y": np.asarray(one.y)[::each]})
        made.append(table.assign(kind="joined" if one.joined else "dot", curve=one.label, tone=one.colour))
    for line in ribbons:
        table = pd.DataFrame({"x": line.x, "y": line.y})
        if len(line.low):
            table = table.assign(low=np.asarray(line.low), high=np.asarray(line.high))
        made.append(table.assign(kind="ahead" if line.ahead else "fit", curve=line.label, tone=line.colour))
    made += [pd.DataFrame({"kind": ["level"], "y": [level.y], "text": [level.text]}) for level in levels]
    for bend in bends:
        place = {"kind": ["bend"], "x": [bend.x], "low": [bend.low], "x2": [bend.high]}
        made.append(pd.DataFrame({**place, "text": [bend.text], "tone": [bend.colour]}))
    table = pd.concat(made, ignore_index=True) if made else pd.DataFrame({"kind": []})
    table = table.reindex(columns=list(COLUMNS))
    drawn = table["kind"].isin(["joined", "dot", "fit", "ahead"])
    good = np.isfinite(table["x"].astype(float)) & np.isfinite(table["y"].astype(float))
    return table[~drawn | good].reset_index(drop=True)


def spec(
    names: Sequence[tuple[str, str]],
    style: Style,
    *,
    alt_text: str,
    y_title: str = "",
    zero: bool = False,
) -> Spec:
    """The specification, without data. names: (label, colour) of what the legend tells; one alone needs none, nor does
    a page with a legend of its own (style.keys)."""
    x, y = x_axis(style), _y(style, y_title, zero)
    legend = (
        {"title": None, "orient": "top", "symbolType": "stroke", "symbolOpacity": 1}
        if style.keys and len(names) > 1
        else None
    )
    scale = {"domain": [name for name, _ in names], "range": [colour for _, colour in names]}
    colour: Spec = {"field": "curve", "type": "nominal", "scale": scale, "legend": legend, "sort": None}
    settled = config(style.look)
    settled["legend"] |= {"layout": {"top": {"anchor": "end"}}}
    return {
        "$schema": alt.SCHEMA_URL,
        "description": alt_text,
        "config": settled,
        "width": "container",
        "height": style.height,
        "layer": [*_bends(style, x), *_drawn(style, x, y, colour)],
    }


def _drawn(style: Style, x: Spec, y: Spec, colour: Spec) -> list[Spec]:
    """Ribbons, levels, what was measured, and the lines over it."""
    tips = [
        {"field": "curve", "title": "what", "type": "nominal"},
        {"field": "x", "title": style.x_title, "type": "quantitative", "format": ",.6~g"},
        {"field": "y", "title": style.unit or "value", "type": "quantitative", "format": ".4~g"},
    ]
    around = [
        {"field": name, "title": title, "type": "quantitative", "format": ".4~g"}
        for name, title in (("low", "from"), ("high", "to"))
    ]
    at = {"x": x, "y": y, "color": colour}
    grouped = at | {"detail": {"field": "curve"}}
    # fillOpacity, not opacity: the legend would inherit that from the first layer that has a colour.
    area = {"type": "area", "fillOpacity": 0.16, "clip": True, "tooltip": False}
    return [
        _only("isValid(datum.low) && (datum.kind == 'fit' || datum.kind == 'ahead')", area)
        | {"encoding": grouped | {"y": y | {"field": "low"}, "y2": {"field": "high"}}},
        *_levels(style, y),
        _only("datum.kind == 'joined'", {"type": "line", "strokeWidth": 1, "opacity": 0.45, "clip": True})
        | {"encoding": grouped},
        _only("datum.kind == 'dot' || datum.kind == 'joined'", {"type": "circle", "size": 22})
        | {"encoding": at | {"opacity": {"value": 0.65}, "tooltip": tips}},
        _only("datum.kind == 'fit'", {"type": "line", "strokeWidth": 2.2, "clip": True})
        | {"encoding": grouped | {"tooltip": tips + around}},
        _only("datum.kind == 'ahead'", {"type": "line", "strokeWidth": 2, "strokeDash": [5, 4], "clip": True})
        | {"encoding": grouped | {"tooltip": tips + around}},
    ]


def _only(where: str, mark: Spec) -> Spec:
    return {"transform": [{"filter": where}], "mark": mark}


def _y(style: Style, title: str, zero: bool) -> Spec:
    scale: Spec = {"type": "log", "nice": False, "padding": 6} if style.log else {"zero": zero, "nice": True}
    place = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleX": -34, "titleY": -8}
    label = PERCENT if style.unit == "fraction" else LOG_NUMBER if style.log else NUMBER
    axis = {"title": title or {"fraction": "%"}.get(style.unit, style.unit) or None, **place, "minExtent": 36}
    axis |= {"titleBaseline": "bottom", "tickCount": 5 if style.log else 4, "labelExpr": label}
    return {"field": "y", "type": "quantitative", "scale": scale, "axis": axis}


def _bends(style: Style, x: Spec) -> list[Spec]:
    tone = {"field": "tone", "type": "nominal", "scale": None}
    ground = {"type": "rect", "fillOpacity": 0.1, "clip": True}
    text = {"type": "text", "align": "right", "dx": -5, "fontWeight": 600, "clip": True}
    return [
        _only("datum.kind == 'bend'", ground)
        | {"encoding": {"x": x | {"field": "low"}, "x2": {"field": "x2"}, "color": tone}},
        _only("datum.kind == 'bend'", {"type": "rule", "strokeWidth": 1.4, "clip": True})
        | {"encoding": {"x": x, "color": tone, "tooltip": [{"field": "text", "title": "what"}]}},
        _only("datum.kind == 'bend'", text)
        | {"encoding": {"x": x, "y": {"value": 10}, "text": {"field": "text"}, "color": tone}},
    ]


def _levels(style: Style, y: Spec) -> list[Spec]:
    line = {"type": "rule", "strokeDash": [2, 4], "color": style.look.muted}
    text = {"type": "text", "align": "left", "baseline": "bottom", "dx": 4, "dy": -3, "color": style.look.muted}
    return [
        _only("datum.kind == 'level'", line) | {"encoding": {"y": y}},
        _only("datum.kind == 'level'", text) | {"encoding": {"y": y, "x": {"value": 0}, "text": {"field": "text"}}},
    ]
