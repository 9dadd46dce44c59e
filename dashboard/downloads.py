"""Charts as files: each chart of a page says here how it is written, and the head of the page offers them.

A file is made when it is asked for, not before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from charts import export

ROOM, CHARTS = "head-tools", "charts-of-the-page"


@dataclass(frozen=True)
class Drawn:
    """A chart of the page. spec: with its data; table: every point as CSV."""

    title: str
    spec: Callable[[], dict[str, Any]]
    table: Callable[[], str]


def begin() -> None:
    """Before a page: no chart yet, and no head to offer them in."""
    st.session_state[CHARTS] = {}
    st.session_state[ROOM] = None


def make_room() -> None:
    """Where in the head the offer is to stand, once all charts are known."""
    st.session_state[ROOM] = st.container(width="content")


def add(key: str, drawn: Drawn) -> None:
    """A chart that was drawn. key: of the page, stable."""
    st.session_state.setdefault(CHARTS, {})[key] = drawn


def offer() -> None:
    """After the page: any of its charts as a file."""
    room, charts = st.session_state.get(ROOM), st.session_state.get(CHARTS)
    if room is None or not charts:
        return
    with room, st.popover("save", icon=":material/download:", type="tertiary"):
        named: dict[str, Drawn] = {}
        for drawn in charts.values():
            named[drawn.title if drawn.title not in named else f"{drawn.title} ({len(named) + 1})"] = drawn
        title = st.selectbox("chart", list(named), key="w_save_chart")
        if title in named:
            _files(named[title])


def _files(drawn: Drawn) -> None:
    name = re.sub(r"[^\w.-]+", "-", drawn.title).strip("-")[:80] or "chart"
    kinds: dict[str, tuple[Callable[[], str | bytes], str, str]] = {
        "PNG": (lambda: export.png(drawn.spec()), "png", "image/png"),
        "SVG": (lambda: export.svg(drawn.spec()), "svg", "image/svg+xml"),
        "CSV, every point": (drawn.table, "csv", "text/csv"),
        "Vega-Lite": (lambda: json.dumps(drawn.spec(), ensure_ascii=False, indent=1), "vl.json", "application/json"),
    }
    with st.container(horizontal=True):
        for label, (make, suffix, mime) in kinds.items():
            file = f"{name}.{suffix}"
            st.download_button(label, make, file, mime, key=f"save-{suffix}", on_click="ignore", type="tertiary")
