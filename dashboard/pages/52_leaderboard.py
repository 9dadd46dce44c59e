"""Who is best at what, and under which limit?"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from answers.evaluations import Scored
from answers.leaderboard import Leaderboard, Place, leaderboard
from dashboard import data, parts, scored, state
from dashboard.words import number, plain, several

COLUMNS = 5  # shown unless others are chosen
LINK = re.compile(r"https?://[^\s<>\"']+")
WHOSE = {"all": "all", "yours": "yours ★", "published": "published"}


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    told = data.ask(leaderboard, now.all)
    wall = data.newest_wall(data.every_run(url))
    parts.head(str(__doc__), plain(told.sentence, 500), wall, now)
    if not told.columns:
        st.markdown("No score has been collected. Collect result files, published figures or runs that validate:")
        st.code("stepwell collect ~/runs ~/eval_results sample_runs/published", language="bash")
        st.stop()
    chosen, whose = controls(told)
    shown = [p for p in told.places if p.scores.keys() & set(chosen) and _whose(p, whose)]
    if not chosen or not shown:
        st.markdown(":gray[No system has a score there.]")
        st.stop()
    board(shown, chosen)
    sources(shown, chosen)


def controls(told: Leaderboard) -> tuple[list[str], str]:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="controls"):
        whose, tied = state.one_of("whose", list(WHOSE), "all")
        st.segmented_control("whose", list(WHOSE), format_func=WHOSE.__getitem__, label_visibility="collapsed", **tied)
    chosen = st.multiselect(
        "benchmarks", told.columns, label_visibility="collapsed", placeholder="benchmarks",
        **state.some_of("on", told.columns, usual(told), scored.no_comma),
    )  # fmt: skip
    return chosen, whose


def usual(told: Leaderboard) -> list[str]:
    """The columns with most published systems, and the user's own with most systems beside them."""
    ruled = {column for place in told.places if not place.yours for column in place.scores}
    own = [column for column in told.columns if column not in ruled]
    return [*[column for column in told.columns if column in ruled][:COLUMNS], *own[:1]]


def _whose(place: Place, whose: str) -> bool:
    return whose == "all" or place.yours == (whose == "yours")


def board(shown: list[Place], chosen: list[str]) -> None:
    """A column of numbers per benchmark, so that a click sorts it, and beside it the limit of each."""
    first = chosen[0]
    order = sorted(shown, key=lambda place: -(value(place.scores[first]) or -1e9) if first in place.scores else 1e9)
    rows, limits = [], {column: f"limit · {column}" for column in chosen}
    for place in order:
        row: dict[str, object] = {"": "★" if place.yours else "", "system": place.system}
        for column in chosen:
            one = place.scores.get(column)
            row[column] = None if one is None else value(one)
            row[limits[column]] = "" if one is None else limit_of(one)
        rows.append(row)
    columns: dict[str, Any] = {column: number_column(column, shown) for column in chosen}
    columns |= {limits[c]: st.column_config.TextColumn("limit", help=f"of {c}", width=95) for c in chosen}
    columns[""] = st.column_config.TextColumn("", width=28, help="yours")
    columns["system"] = st.column_config.TextColumn("system", width=230, pinned=True)
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", column_config=columns, placeholder="–")
    more = sum(place.more for place in shown)
    st.caption(
        "★ yours, the others as published · limit: tokens an answer had in the evaluation · of several scores of a "
        f"system the one at the longest limit, then the newest ({several(more, 'other')} on the page Evaluations)"
    )


def value(one: Scored) -> float | None:
    return one.said.value if one.percent is None else round(one.percent, 10)


def limit_of(one: Scored) -> str:
    """The limit, and the error where it is known."""
    error = one.error_percent if one.percent is not None else one.error
    beside = "" if error is None else f", ± {number(error)}"
    return scored.limit(one.said.eval_context) + beside


def number_column(column: str, shown: list[Place]) -> Any:
    """Percent, or the scale's own unit; with as many digits as the figures have."""
    found = [one for place in shown if (one := place.scores.get(column)) is not None]
    share = any(one.percent is not None for one in found)
    digits = 0 if found and all(float(value(one) or 0).is_integer() for one in found) and not share else 1
    if column.endswith("judge score"):
        digits = 2
    unit = "percent" if share else found[0].said.unit if found else ""
    return st.column_config.NumberColumn(f"{column}, %" if share else column, format=f"%.{digits}f", help=unit)


def sources(shown: list[Place], chosen: list[str]) -> None:
    """Where each figure is from; only http and https become links, and only as links."""
    rows = []
    for place in shown:
        for column in chosen:
            one = place.scores.get(column)
            if one is not None:
                link = LINK.search(one.said.origin)
                text = one.said.origin.replace(link[0], "").strip(" ,;") if link else one.said.origin
                row = {"system": place.system, "benchmark": column, "score": scored.figure(one)}
                row |= {"source": text or one.said.path, "link": link[0].rstrip(".,;)") if link else ""}
                rows.append(row | {"note": one.said.note})
    with st.expander(f"Where the figures are from ({len(rows):,})"):
        columns = {"link": st.column_config.LinkColumn("link", display_text=r"https?://([^/]+)")}
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns)


main()
