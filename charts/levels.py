"""One outcome at each level of a factor: a point with its standard error; hollow where another level beats it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from charts.lines import NUMBER, PERCENT
from charts.theme import Look, config

Spec = dict[str, Any]


def rows(cells: Sequence[tuple[str, float, float | None, bool]]) -> pd.DataFrame:
    """cells: (level, mean, standard error or None, no level beats it), in the order of the axis."""
    made = [
        (level, mean, None if error is None else mean - error, None if error is None else mean + error, kept)
        for level, mean, error, kept in cells
    ]
    return pd.DataFrame(made, columns=["level", "y", "low", "high", "kept"])


def spec(look: Look, *, unit: str, alt_text: str, height: int = 200) -> Spec:
    """The specification, without data."""
    x = {"field": "level", "type": "nominal", "sort": None, "axis": {"title": None, "labelAngle": 0, "labelLimit": 140}}
    label = PERCENT if unit == "fraction" else NUMBER
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"zero": False, "nice": True},
        "axis": {"title": None, "tickCount": 4, "labelExpr": label, "minExtent": 36},
    }
    colour = look.runs[0]
    fill = {"condition": {"test": "datum.kept", "value": colour}, "value": look.surface}
    tips = [
        {"field": "level", "title": "level", "type": "nominal"},
        {"field": "y", "title": "mean", "type": "quantitative", "format": ".4~g"},
        {"field": "low", "title": "one standard error below", "type": "quantitative", "format": ".4~g"},
        {"field": "high", "title": "above", "type": "quantitative", "format": ".4~g"},
    ]
    whisker = {"transform": [{"filter": "isValid(datum.low)"}], "mark": {"type": "rule", "color": colour}}
    return {
        "$schema": alt.SCHEMA_URL,
        "description": alt_text,
        "config": config(look),
        "width": "container",
        "height": height,
        "layer": [
            whisker | {"encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}}},
            {
                "mark": {"type": "point", "size": 90, "filled": True, "stroke": colour, "opacity": 1},
                "encoding": {"x": x, "y": y, "fill": fill, "tooltip": tips},
            },
        ],
    }
