"""The line chart: raw line faded, smoothing bold over it, findings and stages behind, odd values on the frame.

The specification is written as Vega-Lite says it, in plain dicts: built from Altair's objects, one chart costs a fifth
of a second. The tests have Altair check it against the schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from charts.curve import EXTRAS, LANES, OLD, OVER, RAW, Band, Curve, Level, Mark, Table, Window, table
from charts.smooth import Smoothing
from charts.theme import LIGHT, Look, config

Spec = dict[str, Any]
Names = tuple[tuple[str, str], ...]  # (label, colour) of each curve

# Small and large numbers as people write them: 0.00031 is 3.1e-4, 12500 is 12.5k.
NUMBER = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 1e4 ? format(datum.value, '.3~s')"
    " : abs(datum.value) < 1e-3 ? format(datum.value, '.2~e') : format(datum.value, '.4~g')"
)
# On a log axis over more than a decade and a half only powers of ten are named.
LOG_NUMBER = (
    "domain('y')[1] / domain('y')[0] > 30 && abs(log(datum.value) / LN10 - round(log(datum.value) / LN10)) > 1e-6"
    f" ? '' : {NUMBER}"
)
PERCENT = "format(datum.value, '.3~p')"
EDGES = {
    "NaN": "triangle-right",
    "+inf": "triangle-up",
    "−inf": "triangle-down",
    "≤ 0": "triangle-left",
    "trimmed above": "diamond",
    "trimmed below": "diamond",
}
USUAL = Smoothing()
MANY = 12  # curves of one chart; beyond them the browser is sent no more points in all
# Drag moves, Ctrl or Cmd and the wheel zoom, double click resets.
ZOOM: Spec = {
    "name": "zoom",
    "select": {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.ctrlKey || event.metaKey]"},
    "bind": "scales",
}
TONE: Spec = {"field": "tone", "type": "nominal", "scale": None}


@dataclass(frozen=True, slots=True)
class Style:
    """How a chart is drawn, apart from its data. unit: of y; "fraction" is shown in percent.

    log: of y; log_x: of x. trim: points far outside of their curve's quartiles go to the frame.
    path: a curve may go to and fro in x: points are joined in the order of their steps.
    keys: whether the legend names the curves; a page with a legend of its own leaves them out.
    columns: pixel columns that the curves are thinned to. height: px.
    focus: the part of x that is shown at first; the rest is there to be moved to.
    """

    look: Look = LIGHT
    unit: str = ""
    x_title: str = "step"
    time: bool = False
    log: bool = False
    log_x: bool = False
    trim: bool = False
    path: bool = False
    smoothing: Smoothing = USUAL
    height: int = 225
    columns: int = 400
    keys: bool = True
    title: str = ""
    focus: Window | None = None


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
    chart = alt.LayerChart.from_dict(_spec(names(curves), style, drawn.extras, hover=_hover(style)), validate=False)
    chart.data = drawn.rows
    return chart


def rows(
    curves: Sequence[Curve],
    style: Style,
    *,
    window: Window | None = None,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    levels: Sequence[Level] = (),
) -> Table:
    """The data of the chart: see charts.curve.table."""
    how: Spec = {"columns": _columns(style, len(curves)), "log": style.log, "time": style.time, "window": window}
    how |= {"log_x": style.log_x and not style.time, "trim": style.trim}
    return table(curves, style.smoothing, **how, bands=bands, marks=marks, levels=levels)


def _columns(style: Style, curves: int) -> int:
    """Pixel columns of a curve: of many in one chart, fewer for each; extremes are kept in every column."""
    return style.columns if curves <= MANY else max(100, style.columns * MANY // curves)


def names(curves: Sequence[Curve]) -> Names:
    """What the legend must know of the curves: (label, colour) of each."""
    return tuple((curve.label, curve.colour) for curve in curves)


def note(drawn: Table, attempts: str = "") -> str:
    """The small print: "drawn 1,964 of 20,000 points · attempt 2 of 2 · 3 NaN on the frame"."""
    parts = [f"drawn {drawn.drawn:,} of {drawn.points:,} points" if drawn.points else "no points"]
    parts += [attempts] if attempts else []
    parts += [f"{count:,} {name}{'' if 'trim' in name else ' on the frame'}" for name, count in drawn.odd.items()]
    parts += [f"{drawn.left_out:,} left out: a log axis has no place for x ≤ 0"] if drawn.left_out else []
    return " · ".join(parts)


def spoken(title: str, curves: Sequence[Curve], style: Style) -> str:
    """What the chart shows, for those who do not see it; nothing that moves with the data, or its view would go."""
    named = f" of {', '.join(curve.label for curve in curves[:6])}" if len(curves) > 1 else ""
    unit = f" ({style.unit})" if style.unit else ""
    over = "" if style.smoothing.kind == "none" else f", {style.smoothing.name} over it"
    return f"{title}{unit}{named}, by {style.x_title}: as logged{over}"


def spec(curves: Names, style: Style, extras: frozenset[str] = EXTRAS) -> Spec:
    """The Vega-Lite specification without data: the same for the same curves and style, whatever the data.

    extras: kinds of row for which layers are needed, see Table.extras. What is pointed at is shown by charts.script:
    marks of Vega's own for every point would cost more than all the rest.
    """
    made = _spec(curves, style, extras, hover=[])
    made["params"] = [{"name": "axis", "value": style.x_title}]
    made["usermeta"] = {"embedOptions": {"renderer": "svg"}, "ground": style.look.surface}
    # Vega knows where a legend at the top is anchored; the schema of Vega-Lite, which Altair checks, does not.
    made["config"]["legend"] |= {"orient": "top", "layout": {"top": {"anchor": "end"}}}
    return made


def _spec(curves: Names, style: Style, extras: frozenset[str], *, hover: list[Spec]) -> Spec:
    smoothed = [style.smoothing.name] if style.smoothing.kind != "none" else []
    layers = [
        *(_bands(style) if "band" in extras else []),
        *(_marks(style) if "mark" in extras else []),
        *(_levels(style) if "level" in extras else []),
        _line(style, curves, [RAW, OLD]) | {"params": _zoom(style)},
        *([_dots(style)] if "dot" in extras else []),
        *([_line(style, curves, smoothed)] if smoothed else []),
        *([_edges(style, top=True), _edges(style, top=False)] if "edge" in extras else []),
        *hover,
    ]
    return {
        "$schema": alt.SCHEMA_URL,
        "config": config(style.look),
        "width": "container",
        "height": style.height,
        **({"title": style.title} if style.title else {}),
        "layer": layers,
    }


def _zoom(style: Style) -> list[Spec]:
    if style.focus is None:
        return [ZOOM]
    edges = [1000 * edge if style.time else edge for edge in style.focus]  # Vega counts milliseconds
    return [ZOOM | {"value": {"x": edges}}]


def _layer(where: str, mark: Spec, encoding: Spec, **more: Any) -> Spec:
    """One layer over the rows for which `where` holds."""
    transform = [{"filter": where}, *more.pop("transform", [])]
    return {"transform": transform, "mark": mark, "encoding": encoding, **more}


def _kind_is(*kinds: str) -> str:
    return " || ".join(f"datum.kind == '{kind}'" for kind in kinds)


def x_axis(style: Style) -> Spec:
    """The encoding of x: its field is "x", its unit stands in the title."""
    axis: Spec = {"title": style.x_title, "titleAnchor": "start", "tickCount": 6, "labelFlush": True}
    if style.time:
        return {"field": "x", "type": "temporal", "scale": {"type": "utc", "nice": False}, "axis": axis}
    scale: Spec = {"type": "log", "nice": False} if style.log_x else {"nice": False, "zero": False}
    label = LOG_NUMBER.replace("'y'", "'x'") if style.log_x else NUMBER
    return {"field": "x", "type": "quantitative", "scale": scale, "axis": {**axis, "labelExpr": label}}


def _y(style: Style) -> Spec:
    if style.log:
        scale: Spec = {"type": "log", "nice": False, "padding": 4}
    else:
        scale = {"zero": style.unit == "fraction", "nice": True}
    axis = {
        "title": {"fraction": "%"}.get(style.unit, style.unit) or None,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleX": -34,
        "titleY": -8,
        "titleBaseline": "bottom",
        "tickCount": 5 if style.log else 4,
        "minExtent": 36,
        "labelExpr": PERCENT if style.unit == "fraction" else LOG_NUMBER if style.log else NUMBER,
    }
    return {"field": "y", "type": "quantitative", "scale": scale, "axis": axis}


def _line(style: Style, curves: Names, kinds: Sequence[str]) -> Spec:
    """Lines, one for each attempt; faded, bold or dashed by kind, and the legend names the smoothing."""
    mark = {"type": "line", "strokeJoin": "round", "clip": True}
    part = {"field": "part", "type": "nominal"}
    where = {"x": x_axis(style), "y": _y(style), "detail": part}
    if style.path:
        where["order"] = {"field": "step", "type": "quantitative"}
    return _layer(_kind_is(*kinds), mark, {**where, "color": _colour(style, curves), **_weight(style, curves)})


def _colour(style: Style, curves: Names) -> Spec:
    legend = {"title": None, "symbolType": "stroke", "symbolOpacity": 1} if style.keys and len(curves) > 1 else None
    scale = {"domain": [label for label, _ in curves], "range": [colour for _, colour in curves]}
    return {"field": "curve", "type": "nominal", "scale": scale, "legend": legend}


def _weight(style: Style, curves: Names) -> Spec:
    """Opacity and width by kind: (faded, bold, superseded), or where nothing is smoothed (plain, superseded)."""
    bold = style.smoothing.kind != "none"
    kinds = [RAW, style.smoothing.name, OLD] if bold else [RAW, OLD]
    stroke = curves[0][1] if len(curves) == 1 else style.look.muted
    legend = (
        {"title": None, "values": kinds[:-1], "symbolType": "stroke", "symbolStrokeColor": stroke} if bold else None
    )
    opacity, width = ([0.42, 1.0, 0.5], [1.0, 2.2, 1.0]) if bold else ([0.95, 0.5], [1.4, 1.0])

    def by_kind(values: list[float]) -> Spec:
        scale = {"type": "ordinal", "domain": kinds, "range": values}
        return {"field": "kind", "type": "ordinal", "scale": scale, "legend": legend}

    dash = {"condition": {"test": _kind_is(OLD), "value": [3, 3]}, "value": [1, 0]}
    return {"opacity": by_kind(opacity), "strokeWidth": by_kind(width), "strokeDash": dash}


def _dots(style: Style) -> Spec:
    mark = {"type": "circle", "size": 14, "opacity": 0.6, "clip": True}
    return _layer("datum.shape == 'dot'", mark, {"x": x_axis(style), "y": _y(style), "color": TONE})


def _bands(style: Style) -> list[Spec]:
    edge = {"stroke": style.look.surface, "strokeWidth": 2}
    ground = {"type": "rect", "color": style.look.band, "opacity": 0.07, "clip": True, **edge}
    name = {
        "type": "text",
        "align": "left",
        "baseline": "bottom",
        "dx": 4,
        "dy": -5,
        "color": style.look.muted,
        "clip": True,
    }
    text = {"x": x_axis(style), "y": {"value": "height"}, "text": {"field": "value"}}
    return [
        _layer(_kind_is("band"), ground, {"x": x_axis(style), "x2": {"field": "x2"}}),
        _layer(_kind_is("band"), name, text),
    ]


def _marks(style: Style) -> list[Spec]:
    # fillOpacity, not opacity: the legend of the curves would inherit that from the first layer that has a colour.
    ground = {"type": "rect", "fillOpacity": 0.05, "clip": True}
    line = {"type": "rule", "strokeWidth": 1.2, "clip": True}
    pale = {"condition": {"test": "datum.value == ''", "value": 0.35}, "value": 1}
    at = {
        "x": x_axis(style),
        "color": TONE,
        "strokeOpacity": pale,
        "tooltip": [_tip("curve", "found"), _tip("x", style.x_title), _tip("part", "alert")],
    }
    over = f"{_kind_is('mark')} && datum.shape == '{OVER}'"
    end = {**line, "strokeDash": [3, 3], "strokeOpacity": 0.6}
    return [
        _layer(_kind_is("mark"), ground, {"x": x_axis(style), "x2": {"field": "x2"}, "color": TONE}),
        _layer(_kind_is("mark"), line, at),
        _layer(over, end, {"x": {**x_axis(style), "field": "x2"}, "color": TONE, "tooltip": at["tooltip"]}),
        *(layer for lane in range(LANES) for layer in _mark_name(style, lane)),
    ]


def _mark_name(style: Style, lane: int) -> list[Spec]:
    """What was found, beside its line and readable over curves; names of neighbours stand below each other."""
    text = {"type": "text", "align": "left", "dx": 5, "fontWeight": 600, "clip": True}
    halo = {**text, "stroke": style.look.surface, "strokeWidth": 4, "strokeJoin": "round", "opacity": 0.85}
    place = {"x": x_axis(style), "y": {"value": 8 + 13 * lane}, "text": {"field": "value"}}
    here = f"{_kind_is('mark')} && datum.value != '' && datum.y == {lane}"
    return [_layer(here, halo, place), _layer(here, text, {**place, "color": TONE})]


def _levels(style: Style) -> list[Spec]:
    line = {"type": "rule", "strokeDash": [2, 4], "color": style.look.muted}
    text = {"type": "text", "align": "right", "baseline": "top", "dy": 4, "color": style.look.muted}
    name = {"y": _y(style), "x": {"value": "width"}, "text": {"field": "value"}}
    return [_layer(_kind_is("level"), line, {"y": _y(style)}), _layer(_kind_is("level"), text, name)]


def _edges(style: Style, *, top: bool) -> Spec:
    """Triangles on the frame: at the top for +inf, at the bottom for -inf, NaN and what a log axis cannot show."""
    edge = {"stroke": style.look.surface, "strokeWidth": 0.5}
    mark = {"type": "point", "filled": True, "size": 60, "opacity": 1, "yOffset": 4 if top else -4, **edge}
    shapes = {"domain": list(EDGES), "range": list(EDGES.values())}
    encoding = {
        "x": x_axis(style),
        "y": {"value": 0 if top else "height"},
        "shape": {"field": "shape", "type": "nominal", "scale": shapes, "legend": None},
        "color": TONE,
        "tooltip": [_tip("curve", "curve"), _tip("step", "step", ",d"), _tip("value", "value")],
    }
    return _layer(f"{_kind_is('edge')} && datum.shape {'==' if top else '!='} '+inf'", mark, encoding)


def _tip(field: str, title: str, form: str = "") -> Spec:
    kind = "quantitative" if form else "nominal"
    return {"field": field, "title": title, "type": kind, **({"format": form} if form else {})}


def _hover(style: Style) -> list[Spec]:
    """The nearest logged point in full precision, where no script of ours shows it."""
    near = {"type": "point", "on": "pointerover", "clear": "pointerout", "nearest": True, "encodings": ["x", "y"]}
    tips = [_tip("curve", "curve"), _tip("step", "step", ",d"), _tip("exact", "value"), _tip("kind", "line")]
    if style.time:
        tips.insert(2, {"field": "x", "title": "time (UTC)", "type": "temporal", "format": "%Y-%m-%d %H:%M:%S"})

    def only_near(opacity: float) -> Spec:
        return {"condition": {"param": "near", "value": opacity, "empty": False}, "value": 0}

    exact = [{"calculate": "'' + datum.y", "as": "exact"}]
    line, dot = (
        {"type": "rule", "strokeWidth": 0.8, "color": style.look.muted, "clip": True},
        {"type": "circle", "size": 60, "clip": True},
    )
    at = {"x": x_axis(style), "y": _y(style), "opacity": only_near(1), "color": TONE, "tooltip": tips}
    params = [{"name": "near", "select": near}]
    return [
        _layer(_kind_is(RAW, OLD), line, {"x": x_axis(style), "opacity": only_near(0.6)}),
        _layer(_kind_is(RAW, OLD), dot, at, transform=exact, params=params),
    ]
