"""Shares of a whole over x, stacked: where the time of a step goes, what the groups of a batch are.

Rows are averaged within pixel columns, so that what is drawn is bounded by the pixels; shares of a column add up to
what the shares of its rows do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from charts.lines import Style, x_axis
from charts.theme import config

Floats = NDArray[np.float64]
Spec = dict[str, Any]


def rows(x: Floats, parts: Mapping[str, Floats], *, columns: int = 160, time: bool = False) -> pd.DataFrame:
    """part, x, y, y2, share: of each part (n,) in every pixel column of x (n,), stacked in the order of `parts`.

    Rows in which a part or x is not known are left out; a single row is drawn as wide as one of x.
    """
    known = np.isfinite(x) & np.all([np.isfinite(each) for each in parts.values()] or [np.zeros(len(x), bool)], axis=0)
    at = np.flatnonzero(known)
    at = at[np.argsort(x[at], kind="stable")]
    column = _columns(x[at], columns)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    count = np.diff(np.append(starts, len(at)))
    middle = _mean(x[at], starts, count)
    if len(starts) == 1:
        starts, count, middle = np.repeat(starts, 2), np.repeat(count, 2), middle + np.array([-0.5, 0.5])
    under = np.zeros(len(starts))
    made = []
    for name, each in parts.items():
        share = _mean(each[at], starts, count)
        made.append(pd.DataFrame({"part": name, "x": middle, "y": under, "y2": under + share, "share": share}))
        under = under + share
    frame = pd.concat(made, ignore_index=True) if made else pd.DataFrame({"part": [], "x": []})
    if time:
        frame["x"] = pd.to_datetime(frame["x"].astype(float), unit="s", utc=True)
    return frame


def _columns(x: Floats, columns: int) -> NDArray[np.int64]:
    if len(x) <= columns or not x[-1] > x[0]:
        return np.arange(len(x))
    return np.asarray(np.minimum((x - x[0]) / (x[-1] - x[0]) * columns, columns - 1), np.int64)


def _mean(values: Floats, starts: NDArray[np.int64], count: NDArray[np.int64]) -> Floats:
    """Of every stretch of `count` values from `starts` on."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[starts + count] - sums[starts]) / count if len(starts) else np.zeros(0)


def spec(parts: Sequence[tuple[str, str]], style: Style) -> Spec:
    """The Vega-Lite specification without data. parts: (label, colour) from the bottom up."""
    colours = {"domain": [name for name, _ in parts], "range": [colour for _, colour in parts]}
    legend = {
        "columns": 4,
        "title": None,
        "orient": "top",
        "symbolType": "square",
        "symbolSize": 90,
        "symbolStrokeWidth": 0,
    }
    y = {"type": "quantitative", "scale": {"domain": [0, 1], "nice": False, "clamp": True}}
    return {
        "$schema": alt.SCHEMA_URL,
        "config": config(style.look),
        "width": "container",
        "height": style.height,
        **({"title": style.title} if style.title else {}),
        "params": [{"name": "axis", "value": style.x_title}],
        "usermeta": {"embedOptions": {"renderer": "svg"}, "ground": style.look.surface},
        "mark": {"type": "area", "line": False, "opacity": 0.85, "stroke": style.look.surface, "strokeWidth": 0.7},
        "encoding": {
            "x": x_axis(style),
            "y": {"field": "y", **y, "axis": {"title": None, "format": ".0%", "tickCount": 4, "minExtent": 36}},
            "y2": {"field": "y2"},
            "color": {"field": "part", "type": "nominal", "scale": colours, "legend": legend},
        },
    }
