"""Several charts in one figure, for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Spec = dict[str, Any]

WIDTH, HEIGHT, ACROSS = 300, 170, 3


def figure(title: str, charts: Mapping[str, Spec]) -> Spec:
    """One specification of charts.lines, with data, by title. Raises ValueError where there is none."""
    if not charts:
        raise ValueError("there is no chart to draw")
    first = next(iter(charts.values()))
    kinds = _scales(first, "opacity")[0]["domain"]
    colours = {colour for spec in charts.values() for scale in _scales(spec, "color") for colour in scale["range"]}
    tables = {f"table_{i}": spec["data"]["values"] for i, spec in enumerate(charts.values())}
    parts = zip(charts.items(), tables, strict=True)
    weights = f"faded: {kinds[0]}; bold: {kinds[1]}" if len(kinds) > 2 else kinds[0]
    return {key: first[key] for key in ("$schema", "config", "usermeta")} | {
        "title": {"text": title, "subtitle": weights, "offset": 16},
        "datasets": tables,
        "columns": ACROSS,
        "concat": [_part(name, spec, table, named=len(colours) > 1) for (name, spec), table in parts],
        "spacing": {"row": 30, "column": 34},
        "resolve": {"scale": dict.fromkeys(("color", "x", "y", "opacity", "strokeWidth", "shape"), "independent")},
    }


def _scales(spec: Spec, channel: str) -> list[Spec]:
    found = [layer["encoding"].get(channel, {}).get("scale") for layer in spec["layer"]]
    return [scale for scale in found if isinstance(scale, dict)]


def _part(title: str, spec: Spec, table: str, *, named: bool) -> Spec:
    """One chart of the figure: without what only a reader's hand could move, its curves named under it."""
    under = {"orient": "bottom", "title": None, "symbolType": "stroke", "symbolOpacity": 1, "columns": 3}
    layers = []
    for layer in spec["layer"]:
        encoding = dict(layer["encoding"])
        for channel in ("color", "opacity", "strokeWidth"):
            scale = encoding.get(channel, {}).get("scale")
            if isinstance(scale, dict):
                told = named and channel == "color" and len(scale["domain"]) > 1
                encoding[channel] = encoding[channel] | {"legend": under if told else None}
        kept = {key: value for key, value in layer.items() if key != "params"}
        layers.append(kept | {"encoding": encoding})
    return {"title": title, "width": WIDTH, "height": HEIGHT, "data": {"name": table}, "layer": layers}
