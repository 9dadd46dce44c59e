"""A table of numbers as colours: experts of each layer, scores by training and evaluation limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from charts.theme import LIGHT, Look, config

Spec = dict[str, Any]


def rows(
    values: NDArray[np.float64], chosen: NDArray[np.bool_], down: Sequence[str], across: Sequence[str]
) -> pd.DataFrame:
    """One row per cell of (down, across): its value, and whether it is marked."""
    at = np.indices(values.shape)
    return pd.DataFrame(
        {
            "down": np.asarray(down, object)[at[0].ravel()],
            "across": np.asarray(across, object)[at[1].ravel()],
            "value": values.ravel(),
            "chosen": chosen.ravel(),
        }
    )


def spec(
    *,
    down: str,
    across: str,
    value: str,
    chosen: str,
    alt_text: str,
    look: Look = LIGHT,
    top: float | None = None,
    every: int = 1,
    height: int = 420,
) -> Spec:
    """The specification, without data. top: the value of the fullest colour, the same for charts that are compared.

    every: each so many columns is named on the axis.
    """
    scale: Spec = {"range": [look.surface, look.runs[0]], "zero": True} | ({"domainMax": top} if top else {})
    legend: Spec = {"orient": "bottom", "direction": "horizontal", "gradientLength": 140, "gradientThickness": 8}
    shade: Spec = {"field": "value", "type": "quantitative", "title": value, "scale": scale, "legend": legend}
    ticks: Spec = {"labelAngle": 0, "labelExpr": f"toNumber(datum.value) % {every} == 0 ? datum.label : ''"}
    place: Spec = {
        "x": {"field": "across", "type": "ordinal", "title": across, "sort": None, "axis": ticks if every > 1 else {}},
        "y": {"field": "down", "type": "ordinal", "title": down, "sort": None},
    }
    tooltip = [
        {"field": "down", "title": down},
        {"field": "across", "title": across},
        {"field": "value", "title": value, "format": ".4~g", "type": "quantitative"},
    ]
    marked: Spec = {
        "transform": [{"filter": "datum.chosen"}],
        "mark": {"type": "rect", "filled": False, "stroke": look.ink, "strokeWidth": 1.2, "description": chosen},
        "encoding": {"tooltip": tooltip},
    }
    return {
        "$schema": alt.SCHEMA_URL,
        "description": alt_text,
        "width": "container",
        "height": height,
        "encoding": place,
        "layer": [{"mark": "rect", "encoding": {"color": shade, "tooltip": tooltip}}, marked],
        "config": config(look),
    }
