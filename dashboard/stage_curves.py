"""The curves of a chain of runs: on one axis with its stages behind them, or each stage from its own start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from answers.laid import Piece, Span
from answers.limits import spoken
from answers.stages import Stages
from charts.curve import Band, Curve, Level
from charts.lines import Style
from charts.smooth import Smoothing
from charts.theme import Look, run_colour
from dashboard import parts
from dashboard.words import sentence
from db.quantities import quantity

LAYOUTS = {"continuous": "one axis", "aligned": "aligned at 0"}
BY = {"steps": "steps", "tokens": "tokens", "hours": "GPU-hours"}
LENGTHS = ("response_length_mean", "response_length_max")
OTHERS = ("truncation_fraction", "val_score", "entropy_token_mean", "perplexity")


@dataclass(frozen=True)
class Picture:
    """How the curves are to be drawn. layout, by: keys of LAYOUTS and BY."""

    found: Stages
    layout: str
    by: str
    smoothing: Smoothing
    look: Look
    key: str

    @property
    def x_title(self) -> str:
        hours = "GPU-hours" if self.found.gpus_known else "hours (number of GPUs unknown)"
        unit = {"steps": "steps", "tokens": "tokens", "hours": hours}[self.by]
        return f"{unit} since the stage began" if self.layout == "aligned" else f"{unit} since the chain began"

    def x(self, piece: Piece) -> np.ndarray:
        """Where the points of a piece stand."""
        along = self._along(piece).astype(np.float64)
        return along - self._start(self.found.spans[piece.span]) if self.layout == "aligned" else along

    def _along(self, piece: Piece) -> np.ndarray:
        return {"steps": piece.steps, "tokens": piece.tokens, "hours": piece.hours}[self.by]

    def _start(self, span: Span) -> float:
        """x at which a span begins."""
        if self.by == "steps":
            return float(span.start)
        return float(sum(getattr(one, self.by) for one in self.found.spans[: span.number]))

    def bands(self) -> list[Band]:
        """A band for each stage, on the one axis."""
        if self.layout == "aligned" or len(self.found.spans) < 2:
            return []
        starts = [self._start(span) for span in self.found.spans]
        last = self.found.spans[-1]
        end = float(last.stop) if self.by == "steps" else starts[-1] + getattr(last, self.by)
        edges = [*starts, end]
        if not np.isfinite(edges).all():
            return []
        return [Band(edges[i], edges[i + 1], span.label) for i, span in enumerate(self.found.spans)]

    def colour(self, span: Span) -> str:
        """On one axis a run keeps its colour; aligned, every stage has its own."""
        if self.layout == "aligned":
            return self.look.runs[span.number % len(self.look.runs)]
        return run_colour(self.look, span.run_id)

    def label(self, span: Span) -> str:
        if self.layout == "aligned":
            same = [one for one in self.found.spans if one.label == span.label]
            return span.label if len(same) == 1 else f"{span.label} · {span.run} · step {span.first:,}"
        return span.run


def panels(picture: Picture) -> list[Callable[[], None]]:
    """The charts that there is something for, what is compared first."""
    found = picture.found
    main = [name for name in (found.quantity,) if name is not None and name in found.pieces]
    made: list[Callable[[], None]] = [partial(one, picture, name) for name in main]
    if LENGTHS[0] in found.pieces:
        made.append(partial(lengths, picture))
    made += [partial(one, picture, name) for name in OTHERS if name in found.pieces and name not in main]
    return made


def one(picture: Picture, name: str) -> None:
    known = quantity(name)
    title = sentence(known.label.split(" (")[0]) if known else name
    draw(picture, name, title, known.unit if known else "", _curves(picture, name))


def lengths(picture: Picture) -> None:
    """The mean, and every limit as a line."""
    title = "Mean response length against the limit"
    draw(picture, "length", title, "tokens", _curves(picture, LENGTHS[0]), _limits(picture))


def _curves(picture: Picture, name: str) -> list[Curve]:
    """On one axis a curve per run, its stages as segments; aligned, a curve per stage."""
    groups: dict[str, list[Piece]] = {}
    for piece in picture.found.pieces.get(name, ()):
        groups.setdefault(picture.label(picture.found.spans[piece.span]), []).append(piece)
    made = []
    for label, pieces in groups.items():
        span = picture.found.spans[pieces[0].span]
        x, y, steps = (
            np.concatenate(part) for part in zip(*((picture.x(p), p.values, p.own) for p in pieces), strict=True)
        )
        segment = np.concatenate([np.full(len(p.own), p.span + 1) for p in pieces])
        made.append(
            Curve(
                label, f"{span.run_id}-{span.number}", picture.colour(span), x, y, steps, segment, np.ones(len(x), bool)
            )
        )
    return made


def _limits(picture: Picture) -> list[Level]:
    """Every limit of the chain once."""
    limits = sorted({span.limit for span in picture.found.spans if span.limit is not None})
    return [Level(limit, f"limit {spoken(limit)}") for limit in limits]


def draw(picture: Picture, name: str, title: str, unit: str, drawn: list[Curve], levels: Sequence[Level] = ()) -> None:
    style = Style(look=picture.look, unit=unit, x_title=picture.x_title, smoothing=picture.smoothing)
    key = f"stages-{picture.key}-{name}"
    parts.chart(key, drawn, style, title=f"**{title}**", bands=picture.bands(), levels=levels)
