"""A curve as small as a word: a short list for a table's line column, or an inline SVG."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
from numpy.typing import NDArray

from charts.downsample import extremes

Floats = NDArray[np.float64]


def spark(values: Floats, length: int = 60) -> list[float]:
    """At most `length` values in order, lowest and highest of every stretch among them; non-finite ones left out."""
    finite = values[np.isfinite(values)]
    kept = extremes(np.arange(len(finite), dtype=np.float64), finite, length // 2 - 1)
    return [float(value) for value in finite[kept]]


def image(values: Floats, colour: str, *, width: int = 150, height: int = 30) -> str:
    """The curve as the address of an image, for <img src>; "" where there is nothing to draw."""
    drawn = svg(values, colour, width=width, height=height)
    return f"data:image/svg+xml;base64,{b64encode(drawn.encode()).decode()}" if drawn else ""


def svg(values: Floats, colour: str, *, width: int = 150, height: int = 30) -> str:
    """The curve as an <svg> that holds numbers and `colour` only, with a dot on the newest point."""
    thin = np.array(spark(values, width // 2))
    if not len(thin):
        return ""
    low, high = float(thin.min()), float(thin.max())
    x = np.linspace(2, width - 5, len(thin)) if len(thin) > 1 else np.array([width - 5.0])
    share = (thin - low) / (high - low) if high > low else np.full(len(thin), 0.5)
    y = height - 4 - share * (height - 8)
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-linejoin="round"/>'
        f'<circle cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" r="2.5" fill="{colour}"/></svg>'
    )
