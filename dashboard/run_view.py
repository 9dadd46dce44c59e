"""One run as it is drawn now: what the pages about a run share, beside its head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from answers.gpus import gpus
from charts import export, shares
from charts.curve import Level
from charts.lines import Style
from charts.theme import run_colour
from dashboard import curves, data, downloads, parts, run_head
from dashboard.controls import Choice, controls
from dashboard.panels import Panel
from dashboard.words import listed, plain, sentence
from db.metrics import Metric
from db.quantities import quantity
from db.series import Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def view(one: run_head.One, quantities: Sequence[str]) -> View:
    """The controls of a page about one run, and its curves of these quantities as they are to be drawn."""
    url, version = data.store_url(), one.now.versions.get(one.run.id, 0)
    logged = [metric for metric, _, _ in data.metrics_of(url, one.run.id, version)]
    choice = controls(
        one.run.step or 0, has_attempts=len(one.about.attempts) > 1, metrics=[metric.name for metric in logged]
    )
    wanted = tuple(dict.fromkeys((*quantities, *curves.NEEDED)))
    known = data.quantities(url, one.cursor, wanted, history=choice.history)
    made = View(one, choice, known | on_x(one, choice, logged), logged)
    made.tell_of_x()
    return made


def on_x(one: run_head.One, choice: Choice, logged: Sequence[Metric]) -> dict[tuple[int, str], Series]:
    """The metric that stands on x, if one does."""
    name = choice.x.removeprefix(curves.METRIC)
    ids = tuple(metric.id for metric in logged if metric.name == name)
    if not choice.x.startswith(curves.METRIC) or not ids:
        return {}
    found = data.metrics(data.store_url(), one.cursor, ids, history=choice.history)
    curve = next(iter(found.values()), None)
    return {} if curve is None else {(one.run.id, curves.CHOSEN): curve}


class View:
    """One run as it is to be drawn now: the choices and the curves that several charts share."""

    def __init__(
        self, one: run_head.One, choice: Choice, known: dict[tuple[int, str], Series], logged: list[Metric]
    ) -> None:
        self.one, self.run, self.about, self.found = one, one.run, one.about, one.found
        self.choice, self.known, self.logged = choice, known, logged
        self.look = parts.look()
        self.colour = run_colour(self.look, self.run.id)
        self.gpus = gpus(self.about.config)
        self.axis = curves.axis(choice.x, self.run.id, known, self.gpus)
        self.bands = curves.stages(known.get((self.run.id, "context_limit")), self.axis)

    def tell_of_x(self) -> None:
        """Say it when the log does not hold what was asked for as x."""
        nothing = {"tokens": "token counts", "epoch": "epochs"}.get(self.choice.x)
        if nothing and self.axis.total is None:
            st.caption(f"This run logs no {nothing}: there is nothing to draw the curves over.")
        if self.choice.x in ("hours", "gpu", "time") and not curves.timed(self.run.id, self.known):
            instead = " Hours are added up from the time of each step." if self.axis.total is not None else ""
            st.caption(f"This log carries no times: all that is known is when the file was last written.{instead}")
        if self.choice.x == "gpu" and self.gpus is None:
            st.caption("The config does not say how many GPUs: these are hours, times an unknown number.")
        if self.axis.metric is not None:
            st.caption(
                "Points stand where their own record logged both metrics; where x goes to and fro, "
                "they are joined in the order of their steps."
            )

    def has(self, panel: Panel) -> bool:
        return any((self.run.id, name) in self.known for name in panel.quantities)

    def metrics(self, metrics: Sequence[Metric], foot: Callable[[Metric], None] = lambda _: None) -> None:
        """A grid of metrics as they are logged, under their own names; their points are read here.

        foot: draws what stands under each chart.
        """
        series = self._read(metrics)

        def one(metric: Metric) -> None:
            unit = metric.unit if metric.unit and metric.scale == 1 else ""
            self.draw(f"m{metric.id}", metric.name, unit, {metric.name: series[metric.id]}, log=self.choice.log)
            foot(metric)

        parts.grid([partial(one, metric) for metric in metrics if metric.id in series])

    def together(self, metrics: Sequence[Metric], unit: str) -> None:
        """Metrics of one unit in one chart."""
        series = self._read(metrics)
        found = {metric.name: series[metric.id] for metric in metrics if metric.id in series}
        if found:
            key = "-".join(str(metric.id) for metric in metrics)
            self.draw(f"together-{key}", listed(list(found), 3), unit, found, log=self.choice.log)

    def _read(self, metrics: Sequence[Metric]) -> dict[int, Series]:
        ids = tuple(metric.id for metric in metrics)
        found = data.metrics(data.store_url(), self.one.cursor, ids, history=self.choice.history)
        return {metric_id: curve for (_, metric_id), curve in found.items()}

    def panel(self, panel: Panel) -> None:
        """One of the charts that matter first."""
        has = [name for name in panel.quantities if (self.run.id, name) in self.known]
        has = has if panel.many else has[:1]
        labels = dict(zip(panel.quantities, panel.short, strict=False))
        series = {labels.get(name, name): self.known[self.run.id, name] for name in has}
        first = quantity(has[0])
        title = panel.title if len(has) > 1 or not first else sentence(first.label.split(" (")[0])
        unit = first.unit if first else ""
        levels = self.limit(series) if panel.name == "length" else []
        self.draw(panel.name, title, unit, series, log=panel.log or self.choice.log, levels=levels)

    def limit(self, series: dict[str, Series]) -> list[Level]:
        """The context limit as a line, where the responses come near it."""
        limit = self.about.settings.get("context_limit")
        top = max((float(np.nanmax(c.values)) for c in series.values() if np.isfinite(c.values).any()), default=0.0)
        if not isinstance(limit, int | float) or self.bands or top <= 0.6 * limit:
            return []
        return [Level(float(limit), f"limit {limit:,.0f}")]

    def draw(
        self, key: str, title: str, unit: str, series: dict[str, Series], *, log: bool, levels: Sequence[Level] = ()
    ) -> None:
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
            time=self.choice.x == "time",
            log=log,
            log_x=self.choice.log_x,
            trim=self.choice.trim,
            path=any(one.path for one in made),
            smoothing=self.choice.smoothing,
        )
        warned = [one.metric for one in series.values() if one.metric.caveat]
        caveats = [f"**{plain(metric.name)}** — {plain(metric.caveat or '', 600)}" for metric in warned]
        parts.chart(
            f"{self.run.id}-{key}",
            made,
            style,
            title=f"**{plain(title)}**",
            caveat="\n\n".join(caveats),
            attempts=self.attempts(first),
            bands=self.bands,
            marks=curves.marks(self.found, self.axis, first, self.look, self.meanings(series)),
            levels=levels,
        )

    def computed(self, like: str, steps: Ints, values: Floats) -> Series:
        """A curve that was computed from others, as if it had been logged beside the quantity `like`."""
        base = self.known[self.run.id, like]
        metric = replace(base.metric, id=0, name="", quantity=None, caveat=None, scale=1.0, unit=None)
        walls = curves.look_up(steps, base.steps[base.live], base.walls[base.live])
        tries = np.full(len(steps), base.attempts[-1] if len(base) else 1)
        return Series(metric, steps, walls, values, tries, np.ones(len(steps), bool))

    def shares(self, key: str, title: str, along: Series, parts_of: dict[str, tuple[Floats, str]]) -> None:
        """Stacked shares of a whole at the steps of `along`. parts_of: label -> (share (n,), colour), bottom up."""
        style = Style(look=self.look, x_title=self.axis.title, time=self.choice.x == "time", log_x=self.choice.log_x)
        x = self.axis.place(along)
        frame = shares.rows(x, {label: values for label, (values, _) in parts_of.items()}, time=style.time)
        spec = shares.spec([(label, colour) for label, (_, colour) in parts_of.items()], style)
        downloads.add(
            f"shares-{key}",
            downloads.Drawn(
                title,
                lambda: export.with_data(spec, frame) | {"title": title},
                lambda: str(frame[["part", "x", "share"]].to_csv(index=False)),
            ),
        )
        with st.container(key=f"panel-{self.run.id}-{key}"):
            st.markdown(f"**{plain(title)}**")
            st.vega_lite_chart(frame, spec, theme=None, key=f"shares-{self.run.id}-{key}", alt=f"{title}, stacked")

    def not_logged(self, quantities: Sequence[str]) -> None:
        """What of these this run does not log, and what to switch on in its trainer, where that is known."""
        told = data.understood(data.store_url(), self.run.id, self.one.now.versions.get(self.run.id, 0))
        for missing in told.missing:
            if missing.quantity in quantities:
                how = f": {missing.how}" if missing.how else ""
                st.caption(plain(f"Not logged: {missing.label}{how}", 400))

    def meanings(self, series: dict[str, Series]) -> set[str]:
        return {one.metric.quantity for one in series.values() if one.metric.quantity}

    def attempts(self, series: Series) -> str:
        """Which attempts are drawn, counted within the file and its restarts that the curve is read from."""
        shown = set(series.attempts.tolist())
        lines = {a.line for a in self.about.attempts if a.number in shown}
        numbers = sorted(a.number for a in self.about.attempts if a.line in lines)
        at = [place for place, number in enumerate(numbers, 1) if number in shown]
        if len(numbers) < 2 or not at:
            return ""
        return (f"attempt {at[0]}" if len(at) == 1 else f"attempts {at[0]}–{at[-1]}") + f" of {len(numbers)}"
