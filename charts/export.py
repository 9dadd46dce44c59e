"""A chart as a file: PNG and SVG for a paper, the Vega-Lite specification with its data, and every point as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from charts import lines
from charts.curve import Band, Curve, Level, Mark

Spec = dict[str, Any]

WIDTH, HEIGHT = 720, 300  # px
SHARPNESS = 3  # pixels of the PNG per px


def full(
    curves: Sequence[Curve],
    style: lines.Style,
    *,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    levels: Sequence[Level] = (),
) -> Spec:
    """The specification with its data, of a fixed size: whoever opens it needs nothing else."""
    drawn = lines.rows(curves, style, bands=bands, marks=marks, levels=levels)
    return with_data(lines.spec(lines.names(curves), style, drawn.extras), drawn.rows) | {"height": HEIGHT}


def with_data(spec: Spec, rows: pd.DataFrame, width: int | str = WIDTH) -> Spec:
    """The specification with these rows as its table; what is not finite, or absent, is null."""
    return spec | {"width": width, "data": {"name": "source", "values": records(rows)}}


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows for JSON, without what is null: times in ms since the epoch."""
    columns = {}
    for name in rows.columns:
        column = rows[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            column = (column - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(milliseconds=1)
        columns[name] = column.astype(object).tolist()
    names = list(columns)
    return [
        {name: value for name, value in zip(names, row, strict=True) if _said(value)}
        for row in zip(*columns.values(), strict=True)
    ]


def _said(value: Any) -> bool:
    return value is not None and value is not pd.NA and not (isinstance(value, float) and not math.isfinite(value))


def svg(spec: Spec) -> str:
    """The chart as SVG, on white or on the ground of its look."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(json.dumps(_grounded(spec))))


def png(spec: Spec) -> bytes:
    """The chart as PNG, sharp enough for print."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(json.dumps(_grounded(spec)), scale=SHARPNESS))


def _grounded(spec: Spec) -> Spec:
    """A page gives a chart its ground; a file has to bring one."""
    return spec | {"background": spec.get("usermeta", {}).get("ground", "#ffffff"), "padding": 12}


def table(curves: Sequence[Curve]) -> str:
    """Every point of the curves, not only those that are drawn: curve, step, x, y, attempt, live."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["curve", "step", "x", "y", "attempt", "live"])
    for curve in curves:
        columns = (curve.steps, curve.x, curve.y, curve.segment, curve.live)
        label = harmless(curve.label)
        writer.writerows([label, *row] for row in zip(*(column.tolist() for column in columns), strict=True))
    return text.getvalue()


def harmless(text: str) -> str:
    """Text of a log in a cell: a spreadsheet must not take it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
