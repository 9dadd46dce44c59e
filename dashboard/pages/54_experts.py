"""Which experts matter to a task, and what do tasks share?"""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import streamlit as st

from analyses.experts import PUBLISHED
from answers.experts import Experts, Kind, Task, chosen_experts
from charts import heat
from dashboard import data, parts, state
from dashboard.words import number, plain

SHARES = ("0.05", "0.1", "0.2", "0.3", "0.4", "0.5", "0.8")
HELP = {
    "dead experts": "less than a tenth of an equal share of the tokens",
    "fullest layer": "largest share over the mean share, less 1; 0 is even",
    "evenness": "entropy of the shares over its maximum, mean of the layers",
}
MOST = 6  # heat maps on the page


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    kind: Kind = "gate" if state.read("kind") == "gate" else "token"
    usual = f"{PUBLISHED[kind]:g}"
    given = state.read("p", usual)
    p = float(given) if given in SHARES else PUBLISHED[kind]
    told = data.ask(chosen_experts, now.noted, kind, p)
    parts.head(str(__doc__), plain(told.sentence, 400), data.newest_wall(data.every_run(url)), now)
    if not told.tasks and kind == "token" and not data.ask(chosen_experts, now.noted, "gate").tasks:
        nothing()
        st.stop()
    controls(usual)
    if not told.tasks:
        st.markdown(f":gray[No file holds {kind} scores.]")
        st.stop()
    shown = told.tasks[:MOST]
    top = max(float(task.scores.max()) for task in shown)
    parts.grid([(lambda task=task: heat_map(task, top)) for task in shown], across=2)
    summary(told)
    overlap(told)


def nothing() -> None:
    st.markdown("No expert scores have been collected. ESFT writes them per task; point Stepwell at its results:")
    st.code("stepwell collect results/expert_scores results/expert_configs", language="bash")


def controls(usual: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        _, tied = state.one_of("kind", get_args(Kind), "token")
        st.segmented_control(
            "scores", get_args(Kind), format_func="{} scores".format, label_visibility="collapsed", **tied
        )
        _, tied = state.one_of("p", SHARES, usual)
        st.selectbox("share", SHARES, format_func="p = {}".format, label_visibility="collapsed", width=120, **tied)
        st.caption("outlined: the smallest set of each layer that reaches p; one colour scale for all maps")


def heat_map(task: Task, top: float) -> None:
    layers, width = [str(layer) for layer in task.layers], task.scores.shape[1]
    table = heat.rows(task.scores, task.chosen, layers, [str(expert) for expert in range(width)])
    said = (
        f"{task.kind} scores of {len(layers)} layers with {width} experts for {task.name}; "
        f"{int(task.chosen.sum())} experts are chosen"
    )
    spec = heat.spec(
        down="layer",
        across="expert",
        value=f"{task.kind} score",
        chosen="chosen",
        alt_text=said,
        look=parts.look(),
        top=top,
        every=8 if width > 24 else 1,
        height=max(120, 13 * len(layers)),
    )
    st.markdown(f"**{plain(task.name)}** · {100 * task.share:.1f} % of the experts", help=plain(task.caveat, 400))
    st.vega_lite_chart(table, spec, theme=None, key=f"experts-{task.name}-{task.kind}")


def summary(told: Experts) -> None:
    st.markdown("#### Each task")
    rows = [
        {
            "task": task.name,
            "chosen": f"{100 * task.share:.1f} %",
            "tuned": "–" if task.tuned is None else f"{100 * task.tuned.mean():.1f} %",
            "config agrees": "no config" if task.agrees is None else f"{task.agrees} of {len(task.layers)} layers",
            "dead experts": "–" if task.dead is None else number(task.dead, "fraction"),
            "fullest layer": "–" if task.load is None else number(max(one.max_violation for one in task.load)),
            "evenness": "–" if task.load is None else number(float(np.mean([one.evenness for one in task.load]))),
            "scores": task.caveat + (", counted from routing files" if task.counted else ""),
        }
        for task in told.tasks
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height="content",
        column_config={
            name: st.column_config.Column(help=HELP.get(name), alignment="right")
            for name in ("chosen", "tuned", "config agrees", *HELP)
        },
    )


def overlap(told: Experts) -> None:
    if not told.jaccard:
        return
    st.markdown(
        "#### What tasks share", help="Jaccard index of the chosen sets: experts of both over experts of either"
    )
    names = [task.name for task in told.tasks]
    shared = told.jaccard | {(other, one): value for (one, other), value in told.jaccard.items()}
    rows = [
        {"task": one} | {other: 1.0 if one == other else shared.get((one, other), float("nan")) for other in names}
        for one in names
    ]
    digits = {name: st.column_config.NumberColumn(format="%.2f") for name in names}
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", column_config=digits)


main()
