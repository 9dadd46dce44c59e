"""What is this run doing, and since when?"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import streamlit as st

from analyses import judge
from dashboard import odd_steps, parts, run_head, run_view, state
from dashboard.panels import PANELS, WANTED
from dashboard.words import listed, number, plain, several, trouble
from db.metrics import Metric

TABS = {"curves": "Curves", "config": "Config", "attempts": "Attempts", "sources": "Sources", "odd": "Odd steps"}


def main() -> None:
    one = run_head.verdicts("What is this run doing?")
    tab, tied = state.one_of("tab", list(TABS), "curves")
    st.segmented_control("part", list(TABS), format_func=TABS.__getitem__, label_visibility="collapsed", **tied)
    show = {"config": show_config, "attempts": show_attempts, "sources": show_sources, "odd": show_odd}
    show.get(tab, show_curves)(one)


def show_curves(one: run_head.One) -> None:
    view = run_view.view(one, WANTED)
    if not any(view.has(panel) for panel in PANELS):
        st.markdown(":gray[None of the usual quantities is logged by this run; everything it does log is below.]")
    drawn = [panel for panel in PANELS if view.has(panel)]
    missing = [panel.title.lower() for panel in PANELS if not view.has(panel)]
    parts.grid([(lambda panel=panel: view.panel(panel)) for panel in drawn])
    tell_what_is_missing(missing if drawn else [], view.logged)
    validation(view, [metric for metric in view.logged if metric.evaluation])
    every = parts.HERE / "pages" / "36_metrics.py"
    label = f"All {several(len(view.logged), 'metric')}"
    st.page_link(every, label=label, icon=":material/search:", query_params={"run": str(one.run.id)})


def tell_what_is_missing(panels: list[str], logged: list[Metric]) -> None:
    """What this run does not log, and what cannot be watched for that reason."""
    blind = judge.missing({metric.quantity for metric in logged if metric.quantity})
    said = [f"Not logged by this run: {', '.join(panels)}."] if panels else []
    if blind:
        names = [f"{trouble(name)} (needs {' and '.join(quantities)})" for name, quantities in sorted(blind.items())]
        said.append(f"So nobody watches for {listed(names, 12)}.")
    if said:
        st.caption(plain(" ".join(said), 1500))


def validation(view: run_view.View, metrics: list[Metric]) -> None:
    """Scores of the benchmarks; what else an evaluation logs is in the list of all metrics."""
    scores = [m for m in metrics if m.quantity is not None and m.quantity.startswith("val_")] or metrics
    if not scores:
        return
    st.markdown("#### Validation")
    view.metrics(scores[:6])
    if len(scores) > 6:
        st.caption(f"{several(len(scores) - 6, 'more evaluation metric')} among all metrics")


def show_config(one: run_head.One) -> None:
    about = one.about
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


def show_odd(one: run_head.One) -> None:
    odd_steps.show(one.run, one.now)


def as_table(settings: dict[str, Any]) -> pd.DataFrame:
    shown = [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in settings.values()]
    return pd.DataFrame({"key": list(settings), "value": shown})


def show_attempts(one: run_head.One) -> None:
    about = one.about
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


def show_sources(one: run_head.One) -> None:
    about = one.about
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
