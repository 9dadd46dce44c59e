"""What else does this run log?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from answers.logged import Logged, groups, logged, matching
from dashboard import data, parts, run_head, run_view, state
from dashboard.words import number, plain, several
from db.metrics import Metric
from db.quantities import quantity

CHARTS = 9  # on one page
PILLS = 40  # groups beside each other; more are reached by searching
MOST_ROWS, TALL = 18, 660  # rows of the table without a scroll bar of its own; px of one with
SHOWN = {"charts": "charts", "table": "table"}


def main() -> None:
    one = run_head.page(__doc__ or "")
    told = data.ask(logged, one.cursor, one.run.id)
    one.say(told.sentence)
    if not told.metrics:
        parts.nothing_yet()
        st.stop()
    chosen, shown = choose(told)
    if shown == "table":
        table(told, chosen)
        return
    view = run_view.view(one, ())
    pinned(view, told)
    browse(view, chosen)


def choose(told: Logged) -> tuple[list[Metric], str]:
    """The metrics that are looked for, and how they are to be shown."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        wanted = st.text_input(
            "search",
            placeholder=f"search {several(len(told.metrics), 'metric')}: a regex",
            label_visibility="collapsed",
            width=320,
            **state.text("m"),
        )
        shown, tied = state.one_of("as", list(SHOWN), "charts")
        st.segmented_control("as", list(SHOWN), label_visibility="collapsed", **tied)
    group = group_of(told.metrics)
    chosen = matching(told.metrics, wanted, group)
    if not chosen:
        st.markdown(":gray[No metric is called that.]")
        st.stop()
    return chosen, shown


def group_of(metrics: Sequence[Metric]) -> str:
    """The group that is open: its parts beside each other, each opening the next level; itself, to close it."""
    group = state.read("group")
    group = group if group and matching(metrics, "", group) else ""
    inner = {} if group == "other" else groups(metrics, group)
    most = sorted(inner, key=lambda name: (-inner[name], name))[:PILLS]
    options = [*([group] if group else []), *sorted(most)]
    here = len(matching(metrics, "", group))
    above = next((end for end in range(len(group) - 1, 0, -1) if group[end] in "/."), 0)

    def label(name: str) -> str:
        return f"{plain(name, 60)} · {here}" if name == group else f"{plain(name[len(group) :], 40)} {inner[name]}"

    tied = state.bind("group", group or None, lambda v: v or group[:above], "")
    if options:
        st.pills("group", options, format_func=label, label_visibility="collapsed", **tied)
    if len(inner) > PILLS:
        st.caption(f"the {PILLS} largest of {len(inner):,} groups; the search finds the others")
    return group


def pinned(view: run_view.View, told: Logged) -> None:
    """Metrics that stay in sight, whatever is searched: one chart for each unit."""
    ids = state.numbers("pin")
    kept = [metric for metric in told.metrics if metric.id in ids]
    if not kept:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("#### Pinned")
        together = st.toggle("those of one unit in one chart", **state.flag("together"))
    if not together:
        show(view, kept, ids)
        return
    units = {metric.unit if metric.scale == 1 else None for metric in kept}
    for unit in sorted(units, key=str):
        view.together([m for m in kept if (m.unit if m.scale == 1 else None) == unit], unit or "")


def browse(view: run_view.View, chosen: Sequence[Metric]) -> None:
    """The metrics that were found, a page at a time: only what is in sight is read and drawn."""
    pages = -(-len(chosen) // CHARTS)
    page = 1
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"#### {several(len(chosen), 'metric')}")
        if pages > 1:
            page = st.pagination(pages, **state.page_number("page", pages))
    show(view, chosen[(page - 1) * CHARTS : page * CHARTS], state.numbers("pin"))


def show(view: run_view.View, metrics: Sequence[Metric], pins: Sequence[int]) -> None:
    """Each metric under its name, with what it means, and a pin."""

    def foot(metric: Metric) -> None:
        meant = quantity(metric.quantity) if metric.quantity else None
        means = f"means {meant.label}" if meant else "no meaning known"
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.caption(plain(means, 100))
            there = metric.id in pins
            key = f"pin-{metric.id}-{there}"
            if st.button("unpin" if there else "pin", icon=":material/keep:", type="tertiary", key=key):
                left = [one for one in pins if one != metric.id] if there else [*pins, metric.id]
                state.write("pin", ",".join(map(str, left)))
                st.rerun()

    view.metrics(metrics, foot)


def table(told: Logged, chosen: Sequence[Metric]) -> None:
    """Names, meanings and newest values."""
    wanted = {metric.id for metric in chosen}
    rows = [
        {
            "name": metric.name,
            "means": meant.label if metric.quantity and (meant := quantity(metric.quantity)) else "–",
            "step": step,
            "newest value": number(value),
            "unit as logged": metric.unit or "",
            "caveat": metric.caveat or "",
        }
        for metric, step, value in zip(told.metrics, told.steps, told.values, strict=True)
        if metric.id in wanted
    ]
    right = {"newest value": st.column_config.TextColumn(alignment="right")}
    height: int | Literal["content"] = "content" if len(rows) <= MOST_ROWS else TALL
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=height, column_config=right)


main()
