"""The report of what a page shows, made when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from dashboard import data
from db.engine import reading


def offer(run_ids: Sequence[int], name: str) -> None:
    """A button that hands out the report of these runs as one file."""

    def make() -> str:
        from dashboard import report

        with reading(data.engine(data.store_url())) as connection:
            return report.of_runs(connection, run_ids).html

    short = re.sub(r"[^\w.-]+", "-", name).strip("-")[:80] or "report"
    st.download_button(
        "report",
        make,
        f"{short}.html",
        "text/html",
        key="w_report",
        on_click="ignore",
        type="tertiary",
        icon=":material/description:",
        help="One HTML file with these charts, verdicts and settings, which opens without a network",
    )
