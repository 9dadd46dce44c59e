"""A share over a limit: what another context limit would cut off, with its interval, the limits in force as marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from charts.theme import Look, config

Floats = NDArray[np.float64]
Spec = dict[str, Any]

TOKENS = "datum.value >= 1024 && datum.value % 1024 == 0 ? datum.value / 1024 + 'K' : format(datum.value, '.3~s')"


def rows(limits: Floats, share: Floats, low: Floats, high: Floats, seen: Sequence[tuple[float, float]]) -> pd.DataFrame:
    """kind, x, y, low, high. limits, share, low, high: (n,); seen: (limit, share) that was measured, as dots."""
    told = pd.DataFrame({"kind": "forecast", "x": limits, "y": share, "low": low, "high": high})
    dots = pd.DataFrame({"kind": "measured", "x": [x for x, _ in seen], "y": [y for _, y in seen]})
    return pd.concat([told, dots], ignore_index=True).reindex(columns=["kind", "x", "y", "low", "high"])


def spec(look: Look, colour: str, ticks: Sequence[float], *, height: int = 225) -> Spec:
    """The Vega-Lite specification without data. ticks: limits that are named on the axis, tokens."""
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"type": "log", "base": 2, "nice": False},
        "axis": {
            "title": "context limit (tokens)",
            "titleAnchor": "start",
            "values": list(ticks),
            "labelExpr": TOKENS,
            "labelOverlap": True,
        },
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"zero": True, "domainMin": 0},
        "axis": {"title": None, "format": ".2~p", "tickCount": 4, "minExtent": 36},
    }
    tips = [
        {"field": "x", "title": "limit", "type": "quantitative", "format": ",.0f"},
        {"field": "y", "title": "truncated", "type": "quantitative", "format": ".2~p"},
        {"field": "low", "title": "from", "type": "quantitative", "format": ".2~p"},
        {"field": "high", "title": "to", "type": "quantitative", "format": ".2~p"},
    ]
    dot = {"type": "point", "filled": True, "size": 70, "color": colour, "opacity": 1, "stroke": look.surface}
    return {
        "$schema": alt.SCHEMA_URL,
        "config": config(look),
        "width": "container",
        "height": height,
        "usermeta": {"embedOptions": {"renderer": "svg"}, "ground": look.surface},
        "layer": [
            {
                "transform": [{"filter": "datum.kind == 'forecast'"}],
                "mark": {"type": "area", "color": colour, "opacity": 0.18, "clip": True},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
            },
            {
                "transform": [{"filter": "datum.kind == 'forecast'"}],
                "mark": {"type": "line", "color": colour, "strokeWidth": 2, "clip": True},
                "encoding": {"x": x, "y": y, "tooltip": tips},
            },
            {
                "transform": [{"filter": "datum.kind == 'measured'"}],
                "mark": dot,
                "encoding": {"x": x, "y": y, "tooltip": tips[:2]},
            },
        ],
    }
