"""The few controls of a page with curves, each with its place in the address."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import streamlit as st

from charts.smooth import Kind, Smoothing
from dashboard import state
from dashboard.curves import METRIC

SHOWN_X = {"step": "steps", "tokens": "tokens", "hours": "hours", "time": "clock"}
MORE_X = {"gpu": "GPU-hours", "epoch": "epochs", METRIC: "metric…"}
KINDS = {"ema": "EMA", "mean": "mean", "gauss": "Gaussian", "none": "raw"}
TRIM = (
    "Points more than three interquartile ranges beyond the quartiles of their curve (Tukey's far outs) become "
    "diamonds on the frame; how many is said under the chart."
)
SPANS = ("2", "5", "10", "20", "50", "100", "200")


@dataclass(frozen=True, slots=True)
class Choice:
    """How curves are to be drawn. x: a key of dashboard.curves.X, or METRIC and a name; history: superseded attempts
    too; trim: points far outside go to the frame."""

    x: str
    smoothing: Smoothing
    log: bool
    history: bool
    log_x: bool = False
    trim: bool = False


def over(span: str) -> str:
    return f"over {span} steps"


def usual_span(steps: int) -> str:
    """The smoothing that fits a run of so many steps: about a fiftieth of it."""
    return min(SPANS, key=lambda span: abs(math.log(int(span) * 50 / max(steps, 1))))


def controls(steps: int, *, has_attempts: bool = True, metrics: Sequence[str] | None = None) -> Choice:
    """One row of controls. steps: of the longest run that is shown.

    metrics: names that x may be, on a page about one run; None leaves out what only one run can answer.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="controls"):
        x = _x_axis(metrics)
        kind, tied = state.one_of("smooth", list(KINDS), "ema")
        st.segmented_control(
            "smoothing", list(KINDS), format_func=KINDS.__getitem__, label_visibility="collapsed", **tied
        )
        span, tied = state.one_of("span", SPANS, usual_span(steps))
        st.selectbox(
            "over", SPANS, format_func=over, label_visibility="collapsed", width=150, disabled=kind == "none", **tied
        )
        log = st.toggle("log axis", **state.flag("log"))
        with st.popover("more", icon=":material/tune:"):
            log_x = x != "time" and st.toggle("log x", **state.flag("logx"))
            trim = st.toggle("trim outliers", help=TRIM, **state.flag("trim"))
            history = has_attempts and st.toggle("superseded attempts", **state.flag("history"))
    return Choice(x, Smoothing(cast(Kind, kind), int(span)), log, history, log_x, trim)


def _x_axis(metrics: Sequence[str] | None) -> str:
    """What stands on x, and where that is to be a metric, which one."""
    shown = SHOWN_X if metrics is None else SHOWN_X | MORE_X
    given = state.read("x", "step")
    kind = METRIC if given.startswith(METRIC) and metrics is not None else given
    kind = kind if kind in shown else "step"
    tied = state.bind("x", kind, lambda v: v or "step", "step")
    st.segmented_control("x axis", list(shown), format_func=shown.__getitem__, label_visibility="collapsed", **tied)
    if kind != METRIC or metrics is None:
        return kind
    name = given.removeprefix(METRIC)
    st.session_state["w_x_metric"] = name if name in metrics else None

    def chosen() -> None:
        state.write("x", METRIC + (st.session_state["w_x_metric"] or ""), "step")

    st.selectbox(
        "metric on x",
        metrics,
        index=None,
        placeholder="which metric?",
        label_visibility="collapsed",
        width=260,
        key="w_x_metric",
        on_change=chosen,
    )
    return METRIC + name if name in metrics else "step"
