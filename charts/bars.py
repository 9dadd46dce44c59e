"""How often: counts of whole numbers or names as bars."""

from __future__ import annotations

from typing import Any

import altair as alt

from charts.theme import LIGHT, Look, config

Spec = dict[str, Any]


def spec(*, x: str, y: str, alt_text: str, weak: str = "", look: Look = LIGHT, height: int = 220) -> Spec:
    """The specification for rows with columns x (ordinal), y (count) and weak (bool: drawn in the warning's colour)."""
    colour: Spec = {"value": look.runs[0]}
    if weak:
        colour = {"condition": {"test": f"datum['{weak}']", "value": look.warning}, "value": look.runs[0]}
    return {
        "$schema": alt.SCHEMA_URL,
        "description": alt_text,
        "width": "container",
        "height": height,
        "mark": {"type": "bar", "cornerRadiusEnd": 2},
        "encoding": {
            "x": {"field": x, "type": "ordinal", "sort": None, "axis": {"labelAngle": 0, "labelOverlap": True}},
            "y": {"field": y, "type": "quantitative", "axis": {"format": ",d", "tickMinStep": 1}},
            "color": colour,
            "tooltip": [{"field": x}, {"field": y, "type": "quantitative", "format": ","}],
        },
        "config": config(look),
    }
