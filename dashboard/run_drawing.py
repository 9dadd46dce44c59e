"""How one run is drawn, for its pages and its report alike: which curves, in which colours, with what behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from answers.gpus import gpus
from charts.curve import Band, Curve, Level, Mark, Window
from charts.lines import USUAL, Style
from charts.smooth import Smoothing
from charts.theme import Look, run_colour
from dashboard import curves
from dashboard.episodes import Episodes
from dashboard.panels import Panel
from dashboard.words import sentence
from db.findings import Finding
from db.quantities import quantity
from db.runs import Attempt, Run
from db.series import Series

NONE = Episodes()


@dataclass(frozen=True)
class How:
    """How curves are to be drawn: see dashboard.controls.Choice. step: one that somebody was sent to look at."""

    x: str = "step"
    smoothing: Smoothing = USUAL
    log: bool = False
    log_x: bool = False
    trim: bool = False
    step: int | None = None


@dataclass(frozen=True)
class Made:
    """A chart, ready to be drawn. caveats: (metric's name, what to know of it); attempts: which are shown."""

    key: str
    title: str
    curves: list[Curve]
    style: Style
    caveats: list[tuple[str, str]]
    attempts: str
    bands: list[Band]
    marks: list[Mark]
    levels: list[Level]


class Drawing:
    """One run as it is to be drawn. known: (run id, quantity) -> its curve in the canonical unit."""

    def __init__(
        self,
        run: Run,
        settings: Mapping[str, Any],
        config: Mapping[str, Any],
        attempts: Sequence[Attempt],
        found: Sequence[Finding],
        known: Mapping[tuple[int, str], Series],
        how: How,
        look: Look,
        episodes: Episodes = NONE,
    ) -> None:
        self.run, self.settings, self.tries, self.found = run, settings, attempts, found
        self.known, self.how, self.look, self.episodes = known, how, look, episodes
        self.colour = run_colour(look, run.id)
        self.gpus = gpus(config)
        self.axis = curves.axis(how.x, run.id, known, self.gpus)
        self.bands = curves.stages(known.get((run.id, "context_limit")), self.axis)

    def has(self, panel: Panel) -> bool:
        return any((self.run.id, name) in self.known for name in panel.quantities)

    def of_panel(self, panel: Panel) -> Made:
        """One of the charts that matter first."""
        has = [name for name in panel.quantities if (self.run.id, name) in self.known]
        has = has if panel.many else has[:1]
        labels = dict(zip(panel.quantities, panel.short, strict=False))
        series = {labels.get(name, name): self.known[self.run.id, name] for name in has}
        first = quantity(has[0])
        title = panel.title if len(has) > 1 or not first else sentence(first.label.split(" (")[0])
        unit = first.unit if first else ""
        levels = self.limit(series) if panel.name == "length" else []
        return self.made(panel.name, title, unit, series, log=panel.log or self.how.log, levels=levels)

    def limit(self, series: dict[str, Series]) -> list[Level]:
        """The context limit as a line, where the responses come near it."""
        limit = self.settings.get("context_limit")
        top = max((float(np.nanmax(c.values)) for c in series.values() if np.isfinite(c.values).any()), default=0.0)
        if not isinstance(limit, int | float) or self.bands or top <= 0.6 * limit:
            return []
        return [Level(float(limit), f"limit {limit:,.0f}")]

    def made(
        self, key: str, title: str, unit: str, series: Mapping[str, Series], *, log: bool, levels: Sequence[Level] = ()
    ) -> Made:
        """A chart of these curves, by label; the first in the run's own colour."""
        colours = [self.colour, *(c for c in self.look.runs if c != self.colour)]
        made = [
            curves.curve(one, self.axis, label=label, run_id=self.run.id, colour=colours[i % len(colours)])
            for i, (label, one) in enumerate(series.items())
        ]
        first = next(iter(series.values()))
        style = Style(
            look=self.look,
            unit=unit,
            x_title=self.axis.title,
            time=self.how.x == "time",
            log=log,
            log_x=self.how.log_x,
            trim=self.how.trim,
            path=any(one.path for one in made),
            smoothing=self.how.smoothing,
            focus=self.focus(first),
        )
        meanings = {name for one in series.values() for name in (one.metric.quantity, one.metric.name) if name}
        return Made(
            f"{self.run.id}-{key}",
            title,
            made,
            style,
            [(one.metric.name, one.metric.caveat) for one in series.values() if one.metric.caveat],
            self.attempts(first),
            self.bands,
            self.marks(first, meanings),
            list(levels),
        )

    def marks(self, along: Series, meanings: set[str]) -> list[Mark]:
        """Findings and alerts, and the step that somebody was sent to look at."""
        made = curves.marks(self.found, self.axis, along, self.look, meanings, self.episodes.course)
        made += self.episodes.marks(self.axis, along, self.look)
        x = float("nan") if self.how.step is None else self.axis.of_step(self.how.step, along)
        return made + ([Mark(x, f"step {self.how.step:,}", self.look.ink, x)] if np.isfinite(x) else [])

    def focus(self, along: Series) -> Window | None:
        """Around the step that somebody was sent to look at, where the run is long enough for it to be lost."""
        step = self.how.step
        if step is None or self.axis.metric is not None or not len(along):
            return None
        reach = max(25, int(along.steps[-1] - along.steps[0]) // 8)
        if along.steps[-1] - along.steps[0] < 4 * reach:
            return None
        edges = [self.axis.of_step(max(step + way, int(along.steps[0])), along) for way in (-reach, reach)]
        edges[1] = edges[1] if np.isfinite(edges[1]) else self.axis.of_step(int(along.steps.max()), along)
        return (edges[0], edges[1]) if np.isfinite(edges).all() and edges[0] < edges[1] else None

    def attempts(self, series: Series) -> str:
        """Which attempts are drawn, counted within the file and its restarts that the curve is read from."""
        shown = set(series.attempts.tolist())
        lines = {a.line for a in self.tries if a.number in shown}
        numbers = sorted(a.number for a in self.tries if a.line in lines)
        at = [place for place, number in enumerate(numbers, 1) if number in shown]
        if len(numbers) < 2 or not at:
            return ""
        return (f"attempt {at[0]}" if len(at) == 1 else f"attempts {at[0]}–{at[-1]}") + f" of {len(numbers)}"
