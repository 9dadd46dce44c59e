"""What every page is made of: its head with the age of the data, the empty states, a chart with its small print."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from charts import export, lines, theme
from charts.curve import Band, Curve, Level, Mark, Window
from dashboard import data, downloads, inpage, state
from dashboard.words import ago, plain
from db.engine import StoreError
from db.findings import Finding
from db.runs import Run

BEAT = 5  # s between two looks at the store
HERE = Path(__file__).parent
CSS, LOGO, ICON = (HERE / "theme" / name for name in ("stepwell.css", "stepwell.svg", "icon.svg"))
OVERVIEW, RUN, COMPARE, ALERTS = (
    HERE / "pages" / f"{name}.py" for name in ("10_overview", "30_run", "40_compare", "60_alerts")
)
SHADE = {"critical": "red", "warning": "orange"}


def look() -> theme.Look:
    """Light or dark, as the reader has it."""
    return theme.look(st.context.theme.type)


def head(question: str, answer: str, wall: float | None, seen: data.Pulse, about: Sequence[int] | None = None) -> None:
    """The page's question, its answer in words, the age of the data. wall: of the newest record, s since the epoch.

    about: the runs whose news the page waits for; None for all.
    """
    left, right = st.columns([3, 2], vertical_alignment="top")
    with left:
        st.subheader(question, anchor=False)
        if answer:
            with st.container(key="answer"):
                st.markdown(answer)
    with (
        right,
        st.container(
            horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small", key="beat"
        ),
    ):
        shown = st.container(width="content")
        paused = st.toggle("pause", **state.flag("pause"))
        inpage.copy_link()
        downloads.make_room()
        with shown:
            _beat(wall, seen, about, paused)


def _beat(wall: float | None, seen: data.Pulse, about: Sequence[int] | None, paused: bool) -> None:
    """Looks every few seconds whether the store has moved on; only then is the page run again.

    What did not change keeps its view: a chart whose data stands still is not drawn again.
    """

    @st.fragment(run_every=None if paused else BEAT)
    def beat() -> None:
        try:
            moved = not paused and data.pulse(data.store_url()).moves(about) != seen.moves(about)
        except StoreError:
            st.caption("● the store is away")
            return
        if moved:
            st.rerun()
        sign = "❙❙ paused" if paused else "●"
        st.caption(f"{sign} data {ago(time.time() - wall)} old" if wall is not None else f"{sign} no data yet")

    beat()


def nothing_yet() -> None:
    """An empty store: the one command to run next."""
    st.markdown("Nothing has been collected yet. Point Stepwell at the folder where your trainer writes its logs:")
    st.code("stepwell collect ~/runs", language="bash")
    st.caption("This page fills by itself as soon as there is data. It reads logs only; your trainer needs no change.")


def no_such_run(name: str) -> None:
    """An address that names a run which this store does not hold."""
    st.markdown(f"This store holds no run “{plain(name, 80)}”. It may have been collected into another store.")
    st.page_link(OVERVIEW, label="See all runs", icon=":material/arrow_back:")


def run_link(run: Run, label: str = "open", icon: str | None = None) -> None:
    """A link to the run's page."""
    st.page_link(RUN, label=label, icon=icon, query_params={"run": str(run.id)})


def small_curves(curves: Sequence[tuple[str, str, str]]) -> None:
    """Named sparklines: (label, newest value, image) of each. It is HTML: nothing from a log may come in here."""
    each = (
        f'<div><span>{label}</span><img src="{drawn}" alt=""><b>{newest}</b></div>' for label, newest, drawn in curves
    )
    st.html(f'<div class="curves">{"".join(each)}</div>')


def severity(finding: Finding) -> str:
    """The severity as a coloured word."""
    shade = SHADE.get(finding.severity, "gray")
    return f":{shade}[**{finding.severity.upper()}**]"


def chart(
    key: str,
    curves: Sequence[Curve],
    style: lines.Style,
    *,
    title: str,
    caveat: str = "",
    attempts: str = "",
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    levels: Sequence[Level] = (),
) -> None:
    """A titled chart with its small print. The specification and the data travel apart: see charts.curve."""
    name = f"chart-{key}-{style.smoothing.kind}-{style.log}-{style.log_x}-{style.x_title}-{style.focus or ''}"
    said = title.replace("\\", "").strip("* ")

    # Known to Streamlit, a zoom outlives new data; in a fragment of its own, it costs this one chart alone.
    @st.fragment
    def draw() -> None:
        seen = _window(st.session_state.get(name), style.time) or style.focus
        drawn = lines.rows(curves, style, window=seen, bands=bands, marks=marks, levels=levels)
        spec: dict[str, Any] = lines.spec(lines.names(curves), style, drawn.extras)
        st.vega_lite_chart(
            drawn.rows,
            spec,
            theme=None,
            key=name,
            on_select="rerun",
            selection_mode="zoom",
            alt=lines.spoken(said, curves, style),
        )
        st.caption(plain(lines.note(drawn, attempts), 300))

    with_title = replace(style, title=said)
    whole = partial(export.full, curves, with_title, bands=bands, marks=marks, levels=levels)
    downloads.add(name, downloads.Drawn(said, whole, partial(export.table, curves)))
    with st.container(key=f"panel-{key}"):
        st.markdown(title, help=caveat or None)
        draw()


def _window(chosen: Any, time: bool) -> Window | None:
    """The stretch of x that a chart is zoomed to; None where it shows all."""
    zoom = chosen.get("selection", {}).get("zoom", {}) if chosen else {}
    edges = next((v for k, v in zoom.items() if k == "x"), None)
    if not isinstance(edges, list) or len(edges) != 2 or not all(isinstance(edge, int | float) for edge in edges):
        return None
    low, high = (edge / 1000.0 if time else float(edge) for edge in edges)  # Vega counts milliseconds
    return min(low, high), max(low, high)


def grid(makers: Sequence[Any], across: int = 3) -> None:
    """Charts beside each other, on a phone below each other."""
    for start in range(0, len(makers), across):
        for column, make in zip(st.columns(across, gap="medium"), makers[start : start + across], strict=False):
            with column:
                make()
