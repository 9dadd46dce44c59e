"""The few controls of a page with curves, each with its place in the address."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import streamlit as st

from charts.smooth import Kind, Smoothing
from dashboard import state

SHOWN_X = {"step": "steps", "tokens": "tokens", "hours": "hours", "time": "clock"}
KINDS = {"ema": "EMA", "mean": "mean", "gauss": "Gaussian", "none": "raw"}
SPANS = ("2", "5", "10", "20", "50", "100", "200")


@dataclass(frozen=True, slots=True)
class Choice:
    """How curves are to be drawn. x: a key of dashboard.curves.X; history: superseded attempts too."""

    x: str
    smoothing: Smoothing
    log: bool
    history: bool


def over(span: str) -> str:
    return f"over {span} steps"


def usual_span(steps: int) -> str:
    """The smoothing that fits a run of so many steps: about a fiftieth of it."""
    return min(SPANS, key=lambda span: abs(math.log(int(span) * 50 / max(steps, 1))))


def controls(steps: int, *, has_attempts: bool = True) -> Choice:
    """One row of controls. steps: of the longest run that is shown."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="controls"):
        x, tied = state.one_of("x", list(SHOWN_X), "step")
        st.segmented_control(
            "x axis", list(SHOWN_X), format_func=SHOWN_X.__getitem__, label_visibility="collapsed", **tied
        )
        kind, tied = state.one_of("smooth", list(KINDS), "ema")
        st.segmented_control(
            "smoothing", list(KINDS), format_func=KINDS.__getitem__, label_visibility="collapsed", **tied
        )
        span, tied = state.one_of("span", SPANS, usual_span(steps))
        st.selectbox(
            "over", SPANS, format_func=over, label_visibility="collapsed", width=150, disabled=kind == "none", **tied
        )
        log = st.toggle("log axis", **state.flag("log"))
        history = has_attempts and st.toggle("superseded attempts", **state.flag("history"))
    return Choice(x, Smoothing(cast(Kind, kind), int(span)), log, history)
