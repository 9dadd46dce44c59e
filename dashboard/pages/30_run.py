"""What is this run doing, and since when?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from analyses import judge
from charts.curve import Level
from charts.lines import Style
from charts.theme import run_colour
from dashboard import curves, data, odd_steps, parts, run_head, state
from dashboard.controls import Choice, controls
from dashboard.panels import PANELS, WANTED, Panel
from dashboard.words import listed, number, plain, sentence, several, trouble
from db.findings import Finding
from db.metrics import Metric
from db.quantities import quantity
from db.runs import Run
from db.series import Series

TABS = {"curves": "Curves", "config": "Config", "attempts": "Attempts", "sources": "Sources", "odd": "Odd steps"}
CHARTS = 9  # of the list of all metrics on one page


def main() -> None:
    url = data.store_url()
    run, runs, now = run_head.chosen("What is this run doing?")
    version = now.versions.get(run.id, 0)
    about = data.about(url, run.id, version)
    found = data.found(url, (run.id,), now.all)
    run_head.show(run, about, found, now, runs)
    run_head.links(run, runs)
    tab, tied = state.one_of("tab", list(TABS), "curves")
    st.segmented_control("part", list(TABS), format_func=TABS.__getitem__, label_visibility="collapsed", **tied)
    {"curves": show_curves, "config": show_config, "attempts": show_attempts, "sources": show_sources, "odd": show_odd}[
        tab
    ](run, about, found, now)


def show_curves(run: Run, about: data.About, found: list[Finding], now: data.Pulse) -> None:
    url, cursor = data.store_url(), now.of([run.id])
    choice = controls(run.step or 0, has_attempts=len(about.attempts) > 1)
    known = data.quantities(url, cursor, WANTED + curves.NEEDED, history=choice.history)
    if not known:
        st.markdown(":gray[None of the usual quantities is logged by this run; everything it does log is below.]")
    view = View(run, about, found, choice, known)
    view.tell_of_x()
    drawn = [panel for panel in PANELS if view.has(panel)]
    missing = [panel.title.lower() for panel in PANELS if not view.has(panel)]
    parts.grid([(lambda panel=panel: view.panel(panel)) for panel in drawn])
    logged = data.metrics_of(url, run.id, now.versions.get(run.id, 0))
    tell_what_is_missing(missing if drawn else [], [metric for metric, _, _ in logged])
    validation(view, [metric for metric, _, _ in logged if metric.evaluation], cursor)
    everything(view, logged, cursor)


def tell_what_is_missing(panels: list[str], logged: list[Metric]) -> None:
    """What this run does not log, and what cannot be watched for that reason."""
    blind = judge.missing({metric.quantity for metric in logged if metric.quantity})
    said = [f"Not logged by this run: {', '.join(panels)}."] if panels else []
    if blind:
        names = [f"{trouble(name)} (needs {' and '.join(quantities)})" for name, quantities in sorted(blind.items())]
        said.append(f"So nobody watches for {listed(names, 12)}.")
    if said:
        st.caption(plain(" ".join(said), 1500))


class View:
    """One run as it is to be drawn now: the choices and the curves that several charts share."""

    def __init__(
        self,
        run: Run,
        about: data.About,
        found: list[Finding],
        choice: Choice,
        known: dict[tuple[int, str], Series],
    ) -> None:
        self.run, self.about, self.found, self.choice, self.known = run, about, found, choice, known
        self.look = parts.look()
        self.colour = run_colour(self.look, run.id)
        self.axis = curves.axis(choice.x, run.id, known)
        self.bands = curves.stages(known.get((run.id, "context_limit")), self.axis)

    def tell_of_x(self) -> None:
        """Say it when the log does not hold what was asked for as x."""
        if self.choice.x == "tokens" and self.axis.total is None:
            st.caption("This run logs no token counts: there is nothing to draw the curves over.")
        if self.choice.x in ("hours", "time") and not curves.timed(self.run.id, self.known):
            instead = " Hours are added up from the time of each step." if self.axis.total is not None else ""
            st.caption(f"This log carries no times: all that is known is when the file was last written.{instead}")

    def has(self, panel: Panel) -> bool:
        return any((self.run.id, name) in self.known for name in panel.quantities)

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
            x_title=curves.X[self.choice.x],
            time=self.choice.x == "time",
            log=log,
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


def validation(view: View, metrics: list[Metric], cursor: tuple[tuple[int, int], ...]) -> None:
    """Scores of the benchmarks; what else an evaluation logs is in the list of all metrics."""
    scores = [m for m in metrics if m.quantity is not None and m.quantity.startswith("val_")] or metrics
    if not scores:
        return
    st.markdown("#### Validation")
    series = data.metrics(data.store_url(), cursor, tuple(m.id for m in scores[:6]), history=view.choice.history)
    parts.grid([(lambda m=m: one_metric(view, m, series)) for m in scores[:6]])
    if len(scores) > 6:
        st.caption(f"{several(len(scores) - 6, 'more evaluation metric')} in the list below")


def everything(view: View, logged: list[tuple[Metric, int, float]], cursor: tuple[tuple[int, int], ...]) -> None:
    """Every metric that the run ever logged: drawn when a group is opened or something is searched."""
    st.markdown("#### All metrics")
    groups: dict[str, int] = {}
    for metric, _, _ in logged:
        groups[group(metric.name)] = groups.get(group(metric.name), 0) + 1
    wanted = st.text_input(
        "search",
        placeholder=f"search {len(logged)} metrics, a regex",
        label_visibility="collapsed",
        width=320,
        **state.text("m"),
    )
    opened, tied = state.one_of("group", list(groups), "")
    st.pills(
        "group", list(groups), format_func=lambda g: f"{plain(g, 40)} {groups[g]}", label_visibility="collapsed", **tied
    )
    if not wanted and not opened:
        return
    chosen = [m for m, _, _ in logged if (not opened or group(m.name) == opened) and matches(wanted, m.name)]
    if not chosen:
        st.markdown(":gray[No metric is called that.]")
        return
    pages = -(-len(chosen) // CHARTS)
    page = 1 if pages == 1 else st.pagination(pages, **state.page_number("page", pages))
    part = chosen[(page - 1) * CHARTS : page * CHARTS]
    series = data.metrics(data.store_url(), cursor, tuple(m.id for m in part), history=view.choice.history)
    parts.grid([(lambda m=m: one_metric(view, m, series)) for m in part])


def one_metric(view: View, metric: Metric, series: dict[tuple[int, int], Series]) -> None:
    curve = series.get((view.run.id, metric.id))
    if curve is not None:
        unit = metric.unit if metric.unit and metric.scale == 1 else ""
        view.draw(f"m{metric.id}", metric.name, unit, {metric.name: curve}, log=view.choice.log)


def group(name: str) -> str:
    """The part before the first slash."""
    return name.split("/", 1)[0] if "/" in name else "other"


def matches(wanted: str, name: str) -> bool:
    """A regex, or where it is none, plain text."""
    try:
        return re.search(wanted, name, re.IGNORECASE) is not None
    except re.error:
        return wanted.lower() in name.lower()


def show_config(run: Run, about: data.About, found: list[Finding], now: data.Pulse) -> None:
    if not about.config and not about.settings:
        st.markdown(":gray[The logs of this run say nothing about its configuration.]")
        return
    st.markdown("**What Stepwell understood**")
    st.dataframe(as_table(about.settings), hide_index=True, height="content")
    st.markdown("**As the trainer wrote it**")
    wanted = st.text_input(
        "search", placeholder="search keys and values", label_visibility="collapsed", width=320, **state.text("c")
    )
    kept = {k: v for k, v in about.config.items() if wanted.lower() in f"{k} {v}".lower()}
    st.dataframe(as_table(kept), hide_index=True)


def show_odd(run: Run, about: data.About, found: list[Finding], now: data.Pulse) -> None:
    odd_steps.show(run, now)


def as_table(settings: dict[str, Any]) -> pd.DataFrame:
    shown = [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in settings.values()]
    return pd.DataFrame({"key": list(settings), "value": shown})


def show_attempts(run: Run, about: data.About, found: list[Finding], now: data.Pulse) -> None:
    st.markdown(
        "An attempt is a stretch of one file whose steps only go forward. A restart opens the next one, "
        "and from where it resumed the older one is superseded."
    )
    files = {source.id: source.path for source in about.sources}
    rows = [
        {
            "attempt": a.number,
            "steps": f"{a.first_step:,} – {a.last_step:,}",
            "records": a.records,
            "superseded from step": "–" if a.ends_at is None else f"{a.ends_at:,}",
            "file": files.get(a.source_id, ""),
        }
        for a in about.attempts
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")


def show_sources(run: Run, about: data.About, found: list[Finding], now: data.Pulse) -> None:
    rows = [
        {
            "file": s.path,
            "format": s.format,
            "read": f"{number(s.offset)}B of {number(s.size)}B",
            "records": s.records,
            "points": s.points,
            "steps": "–" if s.first_step is None else f"{s.first_step:,} – {s.last_step:,}",
            "unread": s.unread,
        }
        for s in about.sources
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")
    for source in about.sources:
        if source.unread:
            st.markdown(f"**Set aside** in {plain(source.path, 300)}")
            lines = about.unread.get(source.id, [])
            st.dataframe(pd.DataFrame(lines, columns=["line", "why"]), hide_index=True)
            if source.unread > len(lines):
                st.caption(f"{source.unread:,} in all; the first {len(lines):,} are kept")


main()
