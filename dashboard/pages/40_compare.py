"""Compared with what?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from answers.alike import good, like
from answers.comparison import Comparison, comparison, differing, grid
from charts.curve import Curve
from charts.lines import Style
from charts.theme import run_colours
from dashboard import comparing, curves, data, parts, report_button, state
from dashboard.controls import Choice, controls
from dashboard.panels import PANELS, WANTED
from dashboard.words import number, plain, sentence, trouble
from db.quantities import quantity
from db.runs import Run
from db.series import Series

MOST = 64  # runs in one chart
NAMED = 12  # more colours than that nobody tells apart: the names of the rest stand in the table alone
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
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        chosen = first_to_compare_with(chosen)
        group = comparing.grouping(chosen)
    known = data.quantities(
        url, now.of([run.id for run in chosen]), tuple(dict.fromkeys((*WANTED, *FIRST, *curves.NEEDED)))
    )
    if not group:
        chips(chosen)
    choice = controls(max(run.step or 0 for run in chosen), has_attempts=False)
    names = pick_quantities(known)
    told = compared(chosen, names, choice, group, now)
    with place:
        parts.head("Compared with what?", plain(told.sentence, 600), data.newest_wall(chosen), now)
    if group:
        if choice.x not in ("step", *comparing.AXES):
            st.caption("Groups are drawn over steps, tokens or hours; here over steps.")
        comparing.bands(told, comparing.band(), log=choice.log)
    else:
        parts.grid([partial(one_chart, name, chosen, known, choice) for name in names])
    if not names:
        st.markdown(":gray[These runs log none of the usual quantities.]")
    comparing.noise(told)
    comparing.parted(told)
    factor(chosen, names, choice, group, now)
    st.markdown("#### Where they stand")
    standing(chosen, known, names)
    st.markdown("#### What differs in their configuration")
    differences(chosen, now)
    others(chosen[0], now)


def compared(chosen: Sequence[Run], names: Sequence[str], choice: Choice, group: str, now: data.Pulse) -> Comparison:
    """What `answers` says of these runs, over the x that is drawn where it is steps, tokens or hours."""
    ids = tuple(run.id for run in chosen)
    by = comparing.AXES.get(choice.x, "steps")
    return data.ask(comparison, (now.of(ids), now.noted), ids, tuple(names), by, group)


def first_to_compare_with(chosen: list[Run]) -> list[Run]:
    """The chosen runs, the one that the others are compared with first."""
    if len(chosen) < 2:
        return chosen
    ids = [str(run.id) for run in chosen]
    named = {str(run.id): run.name if [r.name for r in chosen].count(run.name) == 1 else run.label for run in chosen}
    base, tied = state.one_of("base", ids, ids[0])
    st.selectbox(
        "against", ids, format_func=lambda of: f"against {named[of]}", label_visibility="collapsed", width=320, **tied
    )
    return sorted(chosen, key=lambda run: str(run.id) != base)


def factor(chosen: Sequence[Run], names: Sequence[str], choice: Choice, group: str, now: data.Pulse) -> None:
    """Where the sides are levels of one setting: what it does to each outcome."""
    ids = tuple(run.id for run in chosen)
    cursor = (now.of(ids), now.noted)
    only = list(data.ask(differing, cursor, ids)) if not group and len(chosen) > 1 else []
    by = group if group.startswith("config.") else f"config.{only[0]}" if len(only) == 1 else ""
    if by:
        comparing.factor(data.ask(grid, cursor, ids, tuple(names), comparing.AXES.get(choice.x, "steps"), by))


def others(run: Run, now: data.Pulse) -> None:
    """The rest of the store beside the first run: asked for, as it reads every run."""
    st.markdown("#### Beside the rest of the store")
    wanted = st.toggle("runs like the first, and what the good runs have in common", **state.flag("rest"))
    if not wanted:
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**Runs like {plain(run.name, 60)}**")
        comparing.alike(data.ask(like, now.all, run.id))
    with right:
        st.markdown(f"**What the good runs of {plain(run.project, 60)} have in common**")
        comparing.good(data.ask(good, now.all, run.project, "reward_mean"))


def choose(runs: Sequence[Run]) -> list[Run]:
    """The runs of the address; without any, the newest few of the newest project."""
    newest = max(runs, key=lambda run: run.wall or 0.0)
    usual = sorted((r for r in runs if r.project == newest.project), key=lambda r: -(r.wall or 0.0))[:4]
    tied = state.some_of("runs", list(runs), sorted(usual, key=lambda r: r.id), lambda run: str(run.id))
    chosen = st.multiselect(
        "runs",
        list(runs),
        format_func=lambda run: run.label,
        placeholder="choose runs",
        label_visibility="collapsed",
        **tied,
    )
    if len(chosen) > MOST:
        st.caption(f"The first {MOST} of {len(chosen)} runs are compared.")
    return list(chosen[:MOST])


def chips(chosen: Sequence[Run]) -> None:
    """The legend of the whole page: each run in its own colour, a link to it."""
    ink = colours(chosen)
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        for run in chosen[:NAMED]:
            with st.container(horizontal=True, gap=None, width="content", vertical_alignment="center"):
                st.html(f'<span style="color:{ink[run.id]};font-size:1.1rem">■</span>', width="content")
                parts.run_link(run, plain(run.name, 60))
        if len(chosen) > NAMED:
            st.caption(f"and {len(chosen) - NAMED} more, in the table below")
        report_button.offer([run.id for run in chosen], "comparison")


def colours(chosen: Sequence[Run]) -> dict[int, str]:
    """run id -> its colour, no two alike in one chart as long as there are enough."""
    return run_colours(parts.look(), [run.id for run in chosen])


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
    look, ink, meant, made = parts.look(), colours(chosen), quantity(name), list[Curve]()
    caveats = dict[str, str]()
    for run in chosen:
        series = known.get((run.id, name))
        if series is None:
            continue
        axis = curves.axis(choice.x, run.id, known)
        label = run.name if [r.name for r in chosen].count(run.name) == 1 else f"{run.label} ({run.id})"
        made.append(curves.curve(series, axis, label=label, run_id=run.id, colour=ink[run.id]))
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
    ink = colours(chosen)
    swatch = [f"color: {ink[run.id]}" for run in chosen]
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
    """One row per key, one column per run; keys that agree are left out unless asked for. What Stepwell understood
    comes first, under its own names: so runs of different trainers can be compared."""
    url = data.store_url()
    told = {run.id: data.about(url, run.id, now.versions.get(run.id, 0)) for run in chosen}
    configs = {run_id: {**one.settings, **one.config} for run_id, one in told.items()}
    understood = {key for one in told.values() for key in one.settings}
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
    for key in sorted({key for config in configs.values() for key in config}, key=lambda k: (k not in understood, k)):
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
