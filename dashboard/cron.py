"""Does somebody still look? A dead cron tells nobody of anything, so the pages tell of it."""

from __future__ import annotations

import time

import streamlit as st

from alerts.heartbeat import Beat
from dashboard import alerts_data, data
from dashboard.words import ago, several
from db.engine import StoreError

EVERY = 30  # s between two looks at the heartbeat
ENDS = {0: "nothing firing", 1: "something firing", 2: "wrong configuration", 3: "something could not be judged"}


def notice() -> None:
    """Nothing where checks come as they used to; else since when they do not, and what that means."""

    @st.fragment(run_every=EVERY)
    def look() -> None:
        try:
            last = alerts_data.beat(data.store_url())
        except StoreError:
            return  # the page itself says so
        if (said := dead(last, time.time())) is not None:
            with st.container(border=True, key="card-critical-cron"):
                st.markdown(f":red[**NOBODY LOOKS**] &nbsp; {said}")

    look()


def dead(last: Beat | None, now: float) -> str | None:
    """None where all is well, or where checks never came regularly."""
    late = None if last is None else last.late(now)
    if last is None or late is None or last.every is None:
        return None
    return (
        f"`stepwell check` last ran {ago(late)} ago, and used to run every {ago(last.every)}. Until it runs again "
        "nothing new is judged and nobody is told: look at the crontab and at its mail."
    )


def usual(last: Beat | None, now: float) -> str:
    """When the last check was, how it ended and how often they come."""
    if last is None:
        return "No check has ever run on this store: alerts come from `stepwell check` alone."
    took = "" if last.finished is None else f", took {ago(last.finished - last.started)}"
    ended = "has not ended (still at work, or killed)" if last.code is None else f"ended with {last.code}"
    means = f" ({ENDS[last.code]})" if last.code in ENDS else ""
    every = "" if last.every is None else f"; usually one every {ago(last.every)}"
    judged = "" if last.code is None else f", {several(last.runs, 'live run')} judged"
    return f"The last check began {ago(now - last.started)} ago{took}, {ended}{means}{judged}{every}."
