"""Compared with what?"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from charts.curve import Curve
from charts.lines import Style
from charts.theme import run_colour
from dashboard import curves, data, parts, state
from dashboard.controls import Choice, controls
from dashboard.panels import PANELS, WANTED
from dashboard.words import number, plain, sentence, several, trouble
from db.quantities import quantity
from db.runs import Run
from db.series import Series

MOST = 12  # runs in one chart: more colours than that nobody tells apart
FIRST = (
    "reward_mean",
    "response_length_mean",
    "entropy_token_mean",
    "truncation_fraction",
    "grad_norm",
    "clip_fraction_total",
)
LAST = 20  # newest steps that the table's means are taken over


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    runs = data.every_run(url)
    if not runs:
        parts.head("Compared with what?", "", None, now)
        parts.nothing_yet()
        st.stop()
    place = st.container()
    chosen = choose(runs)
    if not chosen:
        with place:
            parts.head("Compared with what?", "Choose the runs to compare.", None, now)
        st.stop()
    known = data.quantities(
        url, now.of([run.id for run in chosen]), tuple(dict.fromkeys((*WANTED, *FIRST, *curves.NEEDED)))
    )
    walls = [run.wall for run in chosen if run.wall is not None]
    with place:
        parts.head("Compared with what?", plain(answer(chosen, known), 500), max(walls, default=None), now)
    chips(chosen)
    choice = controls(max(run.step or 0 for run in chosen), has_attempts=False)
    names = pick_quantities(known)
    drawn = [(lambda name=name: one_chart(name, chosen, known, choice)) for name in names]
    parts.grid(drawn)
    if not names:
        st.markdown(":gray[These runs log none of the usual quantities.]")
    st.markdown("#### Where they stand")
    standing(chosen, known, names)
    st.markdown("#### What differs in their configuration")
    differences(chosen, now)


def choose(runs: Sequence[Run]) -> list[Run]:
    """The runs of the address; without any, the newest few of the newest project."""
    newest = max(runs, key=lambda run: run.wall or 0.0)
    usual = sorted((r for r in runs if r.project == newest.project), key=lambda r: -(r.wall or 0.0))[:4]
    tied = state.some_of("runs", list(runs), sorted(usual, key=lambda r: r.id), lambda run: str(run.id))
    return list(
        st.multiselect(
            "runs",
            list(runs),
            format_func=lambda run: run.label,
            max_selections=MOST,
            placeholder="choose runs",
            label_visibility="collapsed",
            **tied,
        )
    )


def chips(chosen: Sequence[Run]) -> None:
    """The legend of the whole page: each run in its own colour, a link to it."""
    look = parts.look()
    with st.container(horizontal=True, gap="medium"):
        for run in chosen:
            with st.container(horizontal=True, gap=None, width="content", vertical_alignment="center"):
                st.html(f'<span style="color:{run_colour(look, run.id)};font-size:1.1rem">■</span>', width="content")
                parts.run_link(run, plain(run.name, 60))


def answer(chosen: Sequence[Run], known: dict[tuple[int, str], Series]) -> str:
    """Which run has the highest reward over its newest steps, and by how much."""
    means = {run.name: mean for run in chosen if (mean := newest_mean(known.get((run.id, "reward_mean")))) is not None}
    if len(means) < 2:
        return f"{several(len(chosen), 'run')} side by side."
    best, second = sorted(means, key=lambda name: -means[name])[:2]
    return (
        f"{best} has the highest reward over its last {LAST} steps, {number(means[best])};"
        f" next is {second} with {number(means[second])}. Seeds and noise are not accounted for."
    )


def newest_mean(series: Series | None) -> float | None:
    """Mean of the finite values among the newest live steps."""
    if series is None or not len(series):
        return None
    last = series.values[series.steps > series.steps[-1] - LAST]
    last = last[np.isfinite(last)]
    return float(last.mean()) if len(last) else None


def pick_quantities(known: dict[tuple[int, str], Series]) -> list[str]:
    """What to draw, one chart each."""
    logged = list(
        dict.fromkeys(name for panel in PANELS for name in panel.quantities if any(q == name for _, q in known))
    )
    usual = [name for name in FIRST if name in logged]
    tied = state.some_of("q", logged, usual, str)
    return list(
        st.multiselect(
            "quantities",
            logged,
            format_func=title,
            placeholder="choose quantities",
            label_visibility="collapsed",
            **tied,
        )
    )


def title(name: str) -> str:
    meant = quantity(name)
    return sentence(meant.label.split(" (")[0]) if meant else trouble(name)


def one_chart(name: str, chosen: Sequence[Run], known: dict[tuple[int, str], Series], choice: Choice) -> None:
    look, meant, made = parts.look(), quantity(name), list[Curve]()
    caveats = dict[str, str]()
    for run in chosen:
        series = known.get((run.id, name))
        if series is None:
            continue
        axis = curves.axis(choice.x, run.id, known)
        label = run.name if [r.name for r in chosen].count(run.name) == 1 else f"{run.label} ({run.id})"
        made.append(curves.curve(series, axis, label=label, run_id=run.id, colour=run_colour(look, run.id)))
        if series.metric.caveat:
            caveats[series.metric.name] = series.metric.caveat
    style = Style(
        look=look,
        unit=meant.unit if meant else "",
        x_title=curves.X[choice.x],
        time=choice.x == "time",
        log=choice.log or name == "grad_norm",
        smoothing=choice.smoothing,
        height=260,
        keys=False,
    )
    caveat = "\n\n".join(f"**{plain(raw)}** — {plain(text, 600)}" for raw, text in caveats.items())
    parts.chart(f"compare-{name}", made, style, title=f"**{plain(title(name))}**", caveat=caveat)


def standing(chosen: Sequence[Run], known: dict[tuple[int, str], Series], names: Sequence[str]) -> None:
    """Means over the newest steps, run by run."""
    rows = []
    for run in chosen:
        row: dict[str, str] = {"": "■", "run": run.name, "step": "–" if run.step is None else f"{run.step:,}"}
        for name in names:
            meant = quantity(name)
            row[title(name)] = number(newest_mean(known.get((run.id, name))), meant.unit if meant else "")
        rows.append(row)
    look = parts.look()
    swatch = [f"color: {run_colour(look, run.id)}" for run in chosen]
    table = pd.DataFrame(rows).style.apply(lambda _: swatch, subset=[""])
    right = {title(name): st.column_config.TextColumn(alignment="right") for name in ("", *names) if name}
    config = {
        "": st.column_config.TextColumn(width=28),
        "step": st.column_config.TextColumn(alignment="right", width=80),
        **right,
    }
    st.dataframe(table, hide_index=True, height="content", column_config=config)
    st.caption(f"means over the last {LAST} steps of each")


def differences(chosen: Sequence[Run], now: data.Pulse) -> None:
    """One row per key, one column per run; keys that agree are left out unless asked for."""
    url = data.store_url()
    configs = {run.id: data.about(url, run.id, now.versions.get(run.id, 0)).config for run in chosen}
    if not any(configs.values()):
        st.markdown(":gray[The logs of these runs say nothing about their configuration.]")
        return
    silent = [run.name for run in chosen if not configs[run.id]]
    with st.container(horizontal=True, vertical_alignment="center"):
        alike = st.toggle("also what is the same", **state.flag("same"))
        wanted = st.text_input(
            "search", placeholder="search keys and values", label_visibility="collapsed", width=320, **state.text("c")
        )
    rows = []
    for key in sorted({key for config in configs.values() for key in config}):
        values = [
            "–" if key not in configs[run.id] else shown(configs[run.id][key]) for run in chosen if configs[run.id]
        ]
        if (alike or len(set(values)) > 1) and wanted.lower() in f"{key} {' '.join(values)}".lower():
            rows.append([key, *values])
    if rows:
        heads = [f"{run.name}" for run in chosen if configs[run.id]]
        heads = [head if heads.count(head) == 1 else f"{head} #{place}" for place, head in enumerate(heads, 1)]
        st.dataframe(pd.DataFrame(rows, columns=["key", *heads]), hide_index=True)
    else:
        st.markdown(":gray[Nothing differs.]" if not wanted else ":gray[No key is like that.]")
    if silent:
        st.caption(plain(f"no configuration in the logs of {', '.join(silent)}", 300))


def shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


main()
