"""The line chart: raw line faded, smoothing bold over it, findings and stages behind, odd values on the frame."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt

from charts.curve import EXTRAS, LANES, OLD, RAW, Band, Curve, Level, Mark, Table, table
from charts.smooth import Smoothing
from charts.theme import LIGHT, Look, config

# Small and large numbers as people write them: 0.00031 is 3.1e-4, 12500 is 12.5k.
NUMBER = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 1e4 ? format(datum.value, '.3~s')"
    " : abs(datum.value) < 1e-3 ? format(datum.value, '.2~e') : format(datum.value, '.4~g')"
)
Names = tuple[tuple[str, str], ...]  # (label, colour) of each curve
EDGES = {"NaN": "triangle-right", "+inf": "triangle-up", "−inf": "triangle-down", "≤ 0": "triangle-left"}
PERCENT = "format(datum.value, '.3~p')"


@dataclass(frozen=True, slots=True)
class Style:
    """How a chart is drawn, apart from its data. unit: of y; "fraction" is shown in percent.

    keys: whether the legend names the curves; a page with a legend of its own leaves them out.
    """

    look: Look = LIGHT
    unit: str = ""
    x_title: str = "step"
    time: bool = False
    log: bool = False
    smoothing: Smoothing = Smoothing()
    height: int = 190
    columns: int = 400
    keys: bool = True
    title: str = ""


def lines(
    curves: Sequence[Curve],
    style: Style,
    *,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    levels: Sequence[Level] = (),
) -> alt.LayerChart:
    """A chart with its data in it, for a report, a message or a notebook. The dashboard sends the two apart."""
    drawn = rows(curves, style, bands=bands, marks=marks, levels=levels)
    chart = alt.LayerChart.from_dict(spec(names(curves), style, drawn.extras))
    chart.data = drawn.rows
    return chart


def rows(
    curves: Sequence[Curve],
    style: Style,
    *,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    levels: Sequence[Level] = (),
) -> Table:
    """The data of the chart: see charts.curve.table."""
    return table(
        curves,
        style.smoothing,
        columns=style.columns,
        log=style.log,
        time=style.time,
        bands=bands,
        marks=marks,
        levels=levels,
    )


def names(curves: Sequence[Curve]) -> Names:
    """What the legend must know of the curves: (label, colour) of each."""
    return tuple((curve.label, curve.colour) for curve in curves)


def note(drawn: Table, attempts: str = "") -> str:
    """The small print: "drawn 1,964 of 20,000 points · attempt 2 of 2 · 3 NaN on the frame"."""
    parts = [f"drawn {drawn.drawn:,} of {drawn.points:,} points" if drawn.points else "no points"]
    parts += [attempts] if attempts else []
    parts += [f"{count:,} {name} on the frame" for name, count in drawn.odd.items()]
    return " · ".join(parts)


def spec(curves: Names, style: Style, extras: frozenset[str] = EXTRAS) -> dict[str, Any]:
    """The Vega-Lite specification without data: the same for the same curves and style, whatever the data.

    extras: kinds of row for which layers are needed, see Table.extras.
    """
    return dict(json.loads(_spec(curves, style, extras)))


@functools.lru_cache(maxsize=256)
def _spec(curves: Names, style: Style, extras: frozenset[str]) -> str:
    layers = [
        *(_bands(style) if "band" in extras else []),
        *(_marks(style) if "mark" in extras else []),
        *(_levels(style) if "level" in extras else []),
        _line(style, curves, [RAW, OLD]),
        *([_dots(style)] if "dot" in extras else []),
        *([_line(style, curves, [style.smoothing.name])] if style.smoothing.kind != "none" else []),
        *([_edges(style, top=True), _edges(style, top=False)] if "edge" in extras else []),
        *_hover(style),
    ]
    titled = {"title": style.title} if style.title else {}
    chart = alt.layer(*layers).properties(width="container", height=style.height, **titled)
    made = chart.to_dict()
    made["config"] = config(style.look)
    for layer in made["layer"]:  # one table for all layers, given from outside
        del layer["data"]
    return json.dumps(made)


def _where(condition: str) -> alt.Chart:
    return alt.Chart(alt.NamedData("rows")).transform_filter(condition)


def _x(style: Style) -> alt.X:
    scale = alt.Scale(nice=False, zero=False, type="utc" if style.time else "linear")
    axis = alt.Axis(
        title=style.x_title,
        titleAnchor="start",
        tickCount=6,
        labelFlush=True,
        labelExpr=alt.Undefined if style.time else NUMBER,
    )
    kind: Literal["temporal", "quantitative"] = "temporal" if style.time else "quantitative"
    return alt.X("x", type=kind, scale=scale, axis=axis)


def _y(style: Style) -> alt.Y:
    if style.log:
        scale = alt.Scale(type="log", nice=False, padding=4)
    else:
        scale = alt.Scale(zero=style.unit == "fraction", nice=True)
    unit = {"fraction": "%"}.get(style.unit, style.unit)
    axis = alt.Axis(
        title=unit or None,
        titleAngle=0,
        titleAlign="left",
        titleAnchor="end",
        titleX=-34,
        titleY=-8,
        titleBaseline="bottom",
        tickCount=4,
        minExtent=36,
        labelExpr=PERCENT if style.unit == "fraction" else NUMBER,
    )
    return alt.Y("y:Q", scale=scale, axis=axis)


def _colour(style: Style, curves: Names) -> alt.Color:
    legend = alt.Legend(title=None, symbolType="stroke", symbolOpacity=1) if style.keys and len(curves) > 1 else None
    return alt.Color(
        "curve:N",
        scale=alt.Scale(domain=[label for label, _ in curves], range=[colour for _, colour in curves]),
        legend=legend,
    )


def _kind(style: Style, curves: Names) -> dict[str, Any]:
    """Faded, bold or dashed by kind; the legend names the smoothing."""
    bold = style.smoothing.kind != "none"
    kinds = [RAW, *([style.smoothing.name] if bold else []), OLD]
    legend = None
    if bold:
        legend = alt.Legend(
            title=None, values=kinds[:-1], symbolType="stroke", symbolStrokeColor=curves[0][1] if len(curves) == 1 else style.look.muted
        )
    faded, width = (0.42, 1.0) if bold else (0.95, 1.4)
    tail = [1.0, 2.2] if bold else [1.4]
    return {
        "opacity": alt.Opacity(
            "kind:O", scale=alt.Scale(type="ordinal", domain=kinds, range=[faded, *([1.0] if bold else []), 0.3]), legend=legend
        ),
        "strokeWidth": alt.StrokeWidth(
            "kind:O", scale=alt.Scale(type="ordinal", domain=kinds, range=[width, *tail[1:], 1.0]), legend=legend
        ),
        "strokeDash": alt.condition(f"datum.kind == '{OLD}'", alt.value([3, 3]), alt.value([1, 0])),
    }


def _line(style: Style, curves: Names, kinds: Sequence[str]) -> alt.Chart:
    mine = " || ".join(f"datum.kind == '{kind}'" for kind in kinds)
    kept = _where(mine).mark_line(strokeJoin="round", clip=True)
    return kept.encode(x=_x(style), y=_y(style), color=_colour(style, curves), detail="part:N", **_kind(style, curves))


def _dots(style: Style) -> alt.Chart:
    kept = _where("datum.shape == 'dot'").mark_circle(size=14, opacity=0.6, clip=True)
    return kept.encode(x=_x(style), y=_y(style), color=alt.Color("tone:N", scale=None))


def _bands(style: Style) -> list[alt.Chart]:
    base = _where("datum.kind == 'band'")
    ground = base.mark_rect(color=style.look.band, opacity=0.07, clip=True, stroke=style.look.surface, strokeWidth=2)
    name = base.mark_text(align="left", baseline="bottom", dx=4, dy=-5, color=style.look.muted, clip=True)
    low = alt.YValue("height")
    return [ground.encode(x=_x(style), x2="x2"), name.encode(x=_x(style), y=low, text="value:N")]


def _marks(style: Style) -> list[alt.Chart]:
    # fillOpacity, not opacity: the legend of the curves would inherit that from the first layer that has a colour.
    base, tone = _where("datum.kind == 'mark'"), alt.Color("tone:N", scale=None)
    ground = base.mark_rect(fillOpacity=0.05, clip=True).encode(x=_x(style), x2="x2", color=tone)
    line = base.mark_rule(strokeWidth=1.2, clip=True).encode(x=_x(style), color=tone)
    return [ground, line, *(layer for lane in range(LANES) for layer in _mark_name(style, lane))]


def _mark_name(style: Style, lane: int) -> list[alt.Chart]:
    """What was found, beside its line and readable over curves; names of neighbours stand below each other."""
    base = _where(f"datum.kind == 'mark' && datum.y == {lane}")
    halo = base.mark_text(
        align="left", dx=5, fontWeight=600, clip=True, stroke=style.look.surface, strokeWidth=4, strokeJoin="round", opacity=0.85
    )
    text = base.mark_text(align="left", dx=5, fontWeight=600, clip=True)
    place: dict[str, Any] = {"x": _x(style), "y": alt.YValue(8 + 13 * lane), "text": "value:N"}
    return [halo.encode(**place), text.encode(**place, color=alt.Color("tone:N", scale=None))]


def _levels(style: Style) -> list[alt.Chart]:
    base = _where("datum.kind == 'level'")
    line = base.mark_rule(strokeDash=[2, 4], color=style.look.muted).encode(y=_y(style))
    text = base.mark_text(align="right", baseline="bottom", dy=-3, color=style.look.muted)
    return [line, text.encode(y=_y(style), x=alt.XValue("width"), text="value:N")]


def _edges(style: Style, *, top: bool) -> alt.Chart:
    """Triangles on the frame: up for +inf at the top; down for -inf, right for NaN, left for not positive at the bottom."""
    here = f"datum.kind == 'edge' && datum.shape {'==' if top else '!='} '+inf'"
    shapes = list(EDGES)
    shape = alt.Shape("shape:N", legend=None, scale=alt.Scale(domain=shapes, range=[EDGES[s] for s in shapes]))
    tips = [alt.Tooltip("curve:N", title="curve"), alt.Tooltip("step:Q", title="step"), alt.Tooltip("value:N", title="value")]
    kept = _where(here).mark_point(filled=True, size=55, opacity=1, stroke=style.look.surface, strokeWidth=0.5)
    place, tone = alt.YValue(3 if top else style.height - 3), alt.Color("tone:N", scale=None)
    return kept.encode(x=_x(style), y=place, shape=shape, color=tone, tooltip=tips)


def _hover(style: Style) -> list[alt.Chart]:
    """The nearest logged point with its full precision; drag moves, Ctrl or Cmd and the wheel zoom, double click resets."""
    near = alt.selection_point(
        name="near", on="pointerover", clear="pointerout", nearest=True, encodings=["x", "y"], empty=False
    )
    zoom = alt.selection_interval(
        name="zoom", bind="scales", encodings=["x"], zoom="wheel![event.ctrlKey || event.metaKey]"
    )
    base = _where(f"datum.kind == '{RAW}' || datum.kind == '{OLD}'").transform_calculate(exact="'' + datum.y")
    tips = [
        alt.Tooltip("curve:N", title="curve"),
        alt.Tooltip("step:Q", title="step", format=",d"),
        alt.Tooltip("exact:N", title="value"),
        alt.Tooltip("kind:N", title="line"),
    ]
    if style.time:
        tips.insert(2, alt.Tooltip("x:T", title="time (UTC)", format="%Y-%m-%d %H:%M:%S"))
    seen = alt.condition(near, alt.value(1), alt.value(0))
    dot = base.mark_circle(size=60, clip=True).encode(
        x=_x(style), y=_y(style), opacity=seen, color=alt.Color("tone:N", scale=None), tooltip=tips
    )
    line = base.mark_rule(color=style.look.muted, strokeWidth=0.8, clip=True).encode(
        x=_x(style), opacity=alt.condition(near, alt.value(0.6), alt.value(0))
    )
    return [line, dot.add_params(near, zoom)]
