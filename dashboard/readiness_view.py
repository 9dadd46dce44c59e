"""Is a run ready for a longer context: the verdict, what each condition says, and what was said before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from analyses.blocks import Ints
from analyses.readiness import SPOKEN, Condition, Past, Verdict
from answers.readiness import Ready
from charts.curve import Band, Curve
from charts.lines import Style
from charts.smooth import Smoothing
from dashboard import parts
from dashboard.words import number, plain

ROOM = 0.12  # share of the axis that a name takes
HELP = (
    "Extending needs all of: at least 5 % of the responses cut off, surely more of them with time, responses that "
    "surely grow, and a score that has stopped rising, in 4 of the last 5 rows. A share that surely falls says stay. "
    "Readiness is the share of 1,000 block-bootstrap draws of the last 50 steps in which all of it holds. Every point "
    "rests on the rows before it alone. The rule is a heuristic from published runs, not a law."
)


def show(
    key: str, ready: Ready, colour: str, *, pasts: Sequence[tuple[Past, int]] = (), title: str = "Ready for more room?"
) -> None:
    """The verdict with its numbers, and beside it the readiness over the steps. pasts: (what was said, what to add to
    its steps) of each run of a chain; that of `ready` alone where none is given."""
    st.markdown(f"#### {title}", help=HELP)
    st.markdown(plain(ready.sentence, 700))
    told = pasts or [(ready.past, 0)]
    if not ready.now.conditions and not any(np.isfinite(past.readiness).any() for past, _ in told):
        return
    left, right = st.columns([6, 5], gap="large")
    with left:
        conditions(ready.now.conditions)
    with right:
        timeline(key, told, colour)


def conditions(told: Sequence[Condition]) -> None:
    if not told:
        return
    rows = [
        {
            "what must hold": one.name,
            "holds": {True: "yes", False: "no", None: "not known"}[one.holds],
            "in draws": "–" if not np.isfinite(one.share) else f"{100 * one.share:.0f} %",
            "value (95 %)": _value(one),
        }
        for one in told
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")


def _value(one: Condition) -> str:
    if not np.isfinite(one.value):
        return "–"
    if one.unit.startswith("fraction"):
        rest = one.unit.removeprefix("fraction").strip()
        edges = (0.0, 1.0) if one.unit == "fraction" else (-np.inf, np.inf)  # a line may end outside, a share cannot
        low, value, high = (
            number(float(f"{100 * float(np.clip(part, *edges)):.2g}")) for part in (one.low, one.value, one.high)
        )
        return f"{value} % ({low} to {high}) {rest}".strip()
    return f"{number(one.value)} ({number(one.low)} to {number(one.high)}) {one.unit}"


def timeline(key: str, pasts: Sequence[tuple[Past, int]], colour: str) -> None:
    """Readiness at every step, with the stretches of one verdict behind it."""
    steps, values, part = [], [], []
    said: list[tuple[int, int, Verdict]] = []
    for number_, (past, offset) in enumerate(pasts):
        known = np.isfinite(past.readiness)
        steps.append(past.steps[known] + offset)
        values.append(past.readiness[known])
        part.append(np.full(int(known.sum()), number_ + 1))
        spans = [span for span in past.spans() if span[2] in ("extend", "shorten")]
        said += [(first + offset, last + offset, verdict) for first, last, verdict in spans]
    at = np.concatenate(steps)
    bands = [_band(one, at) for one in said]
    if not len(at):
        st.markdown(":gray[No step yet at which readiness could be told.]")
        return
    along, shares, tries = at.astype(np.float64), np.concatenate(values), np.concatenate(part)
    curve = Curve("readiness", key, colour, along, shares, at, tries, np.ones(len(at), bool))
    style = Style(look=parts.look(), unit="fraction", smoothing=Smoothing("none"), height=190, keys=False)
    help_ = "Share of the draws in which all conditions hold. The bands are the steps at which the rule said extend."
    parts.chart(f"ready-{key}", [curve], style, title="**What the rule said at each step**", caveat=help_, bands=bands)
    if said:
        st.caption(f"{SPOKEN[said[0][2]]}: first said at step {said[0][0]:,}.")


def _band(one: tuple[int, int, Verdict], steps: Ints) -> Band:
    """A stretch of one verdict; only where it has room for its name is it named."""
    first, last, verdict = one
    wide = len(steps) and last - first >= ROOM * float(np.ptp(steps))
    return Band(float(first), float(last), SPOKEN[verdict] if wide else "")
