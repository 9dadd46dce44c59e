"""One run as it is drawn now: what the pages about a run share, beside its head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from charts import export, shares
from charts.curve import Level
from charts.lines import Style
from dashboard import alerts_data, curves, data, downloads, parts, run_head, state
from dashboard.controls import Choice, controls
from dashboard.panels import Panel
from dashboard.run_drawing import Drawing, How, Made
from dashboard.words import listed, plain
from db.metrics import Metric
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
    made.tell_of_step()
    return made


def _step() -> int | None:
    """The step that the address names, as the link of a message does."""
    given = state.read("step")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 12 else None


def on_x(one: run_head.One, choice: Choice, logged: Sequence[Metric]) -> dict[tuple[int, str], Series]:
    """The metric that stands on x, if one does."""
    name = choice.x.removeprefix(curves.METRIC)
    ids = tuple(metric.id for metric in logged if metric.name == name)
    if not choice.x.startswith(curves.METRIC) or not ids:
        return {}
    found = data.metrics(data.store_url(), one.cursor, ids, history=choice.history)
    curve = next(iter(found.values()), None)
    return {} if curve is None else {(one.run.id, curves.CHOSEN): curve}


class View(Drawing):
    """One run as its pages draw it: the drawing, and the reads that it needs."""

    def __init__(
        self, one: run_head.One, choice: Choice, known: dict[tuple[int, str], Series], logged: list[Metric]
    ) -> None:
        about = one.about
        how = How(choice.x, choice.smoothing, choice.log, choice.log_x, choice.trim, _step())
        told = alerts_data.episodes(one.run.id, one.now)
        tries = about.attempts
        super().__init__(one.run, about.settings, about.config, tries, one.found, known, how, parts.look(), told)
        self.one, self.about, self.choice, self.logged = one, about, choice, logged

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

    def tell_of_step(self) -> None:
        """Which step a message has led to, and the way back to the whole run."""
        if self.how.step is not None:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"Step {self.how.step:,} is marked.", width="content")
                st.button("the whole run", type="tertiary", on_click=state.write, args=("step", ""))

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
        self.show(self.of_panel(panel))

    def draw(
        self, key: str, title: str, unit: str, series: dict[str, Series], *, log: bool, levels: Sequence[Level] = ()
    ) -> None:
        """A chart of these curves, by label."""
        self.show(self.made(key, title, unit, series, log=log, levels=levels))

    def show(self, made: Made) -> None:
        caveats = [f"**{plain(name)}** — {plain(caveat, 600)}" for name, caveat in made.caveats]
        parts.chart(
            made.key,
            made.curves,
            made.style,
            title=f"**{plain(made.title)}**",
            caveat="\n\n".join(caveats),
            attempts=made.attempts,
            bands=made.bands,
            marks=made.marks,
            levels=made.levels,
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
