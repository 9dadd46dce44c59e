"""Which steps of this run look unlike the rest? For the eye, after the fact: odd is not bad, and alerts nobody."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from analyses.odd import LEAST_ROWS
from dashboard import data
from dashboard.words import several
from db.runs import Run


def show(run: Run, now: data.Pulse) -> None:
    """The tab of the run page."""
    with st.spinner("Looking at every metric of every step …"):
        found = data.odd(data.store_url(), run.id, now.versions.get(run.id, 0))
    if not found:
        st.markdown(f"No step stands out (a run of fewer than {LEAST_ROWS} rows is too short to say).")
        return
    steps = ", ".join(str(one.step) for one in found[:3])
    st.markdown(f"{several(len(found), 'step looks', 'steps look')} unlike the rest, first of all {steps}.")
    rows = [
        {
            "step": one.step,
            "score": one.score,
            "because of (robust deviations off its own course)": ", ".join(f"{k} {v:+.1f}" for k, v in one.why.items()),
        }
        for one in found
    ]
    score = st.column_config.NumberColumn("unlike (0–1)", format="%.2f", help="Isolation forest, Liu et al. 2008")
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"score": score})
    st.caption("It has seen the whole run, so it says nothing about what could have been known at the time.")
