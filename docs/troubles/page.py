"""Every trouble as the charts show it, below each other: what draw.py takes the pictures of.

streamlit run docs/troubles/page.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import streamlit as st

from analyses.contract import Context, Finding, Rows
from analyses.judge import detectors, episodes, judge
from analyses.planted import TROUBLES, draw
from charts.curve import Curve, Mark
from charts.lines import Style, names, rows, spec
from charts.smooth import Smoothing
from charts.theme import LIGHT
from db.quantities import quantity

SHOWN = {
    "reward_hacking": ("reward_mean", "val_score"),
    "non_finite": ("grad_norm",),
    "restart": ("reward_mean",),
    "restart_loop": ("reward_mean",),
    "stalled": ("reward_mean",),
    "truncation_surge": ("truncation_fraction",),
}
LOGARITHMIC = {"entropy_collapse", "kl_blowup", "mismatch", "gradient_spike", "gradient_blowup", "length_collapse"}
SEEDS = {"restart": 3, "restart_loop": 5}


def planted(trouble: str) -> tuple[Rows, Finding]:
    """The first planted run in which the trouble was found."""
    for seed in range(SEEDS.get(trouble, 1), 60):
        run = draw(trouble, np.random.default_rng([seed, *trouble.encode()]))
        said = [f for f in episodes(judge({}, run.rows, Context())[1]) if f.trouble == trouble and f.severity != "info"]
        said = said or [f for f in episodes(judge({}, run.rows, Context())[1]) if f.trouble == trouble == "restart"]
        if said:
            return run.rows, said[0]
    raise LookupError(trouble)


def curve(name: str, place: int, run: Rows, hours: bool) -> Curve:
    label = quantity(name)
    there = np.flatnonzero(run.logged[name])
    x = (run.walls - run.walls[0]) / 3600 if hours else run.steps.astype(np.float64)
    overtaken = run.attempts < run.attempts.max()
    again = run.steps >= np.where(overtaken, run.steps[np.argmax(run.attempts == run.attempts.max())], np.inf)
    text = label.label if label else name
    parts = (x, run.columns[name], run.steps, run.attempts, ~(overtaken & again))
    return Curve(text, name, LIGHT.runs[place], *(part[there] for part in parts))


def show(trouble: str) -> None:
    run, found = planted(trouble)
    first = next((name for group in detectors()[trouble].NEEDS for name in group if name in run.columns), "reward_mean")
    wanted, hours = SHOWN.get(trouble, (first,)), trouble == "stalled"
    drawn = [curve(name, place, run, hours) for place, name in enumerate(wanted)]
    at = float(np.interp(found.onset_step, drawn[0].steps, drawn[0].x)) if hours else float(found.onset_step)
    over = np.nan if found.resolved_step is None else float(found.resolved_step)
    stop = float(np.interp(over, drawn[0].steps, drawn[0].x)) if hours else over
    mark = Mark(at, found.trouble.replace("_", " "), LIGHT.severity(found.severity), stop)
    known = quantity(wanted[0])
    style = Style(
        unit=known.unit if known else "",
        x_title="hours" if hours else "step",
        log=trouble in LOGARITHMIC,
        smoothing=Smoothing("none"),
        height=210,
    )
    table = rows(drawn, style, marks=[mark])
    st.vega_lite_chart(table.rows, spec(names(drawn), style, table.extras), theme=None, key=trouble)


st.set_page_config(layout="centered")
for each in TROUBLES:
    show(each)
