"""Is anything wrong?"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from charts.sparkline import image
from charts.theme import run_colour
from dashboard import alerts_data, cron, data, hand, keys, parts, state
from dashboard.health import Health, answer, judged
from dashboard.words import ago, number, plain, several, trouble
from db.alerts import Alert

ROWS = 30  # of the table on one page: drawing them is most of what a first look costs
CARDS = 4
CARD = (
    ("entropy_token_mean", "entropy", ""),
    ("reward_mean", "reward", ""),
    ("truncation_fraction", "truncated", "fraction"),
)
SHOW = {"all": "all", "needs": "needs you", "live": "live", "stalled": "stalled", "finished": "finished"}


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    runs = data.every_run(url)
    if not runs:
        parts.head("Is anything wrong?", "", None, now)
        parts.nothing_yet()
        st.stop()
    newest = data.newest(url, now.all)
    open_ones = data.found(url, None, now.all, firing=True)
    steps = {run: n.values["time_step"] for run, n in newest.items() if "time_step" in n.values}
    ends = {run: n.end for run, n in newest.items() if n.end is not None}
    everyone = judged(runs, open_ones, time.time(), steps, ends)
    parts.head("Is anything wrong?", plain(answer(everyone), 400), data.newest_wall(runs), now)
    cron.notice()
    cards(everyone, url, now)
    table(everyone, newest, url, now)


def cards(everyone: list[Health], url: str, now: data.Pulse) -> None:
    """The runs that need somebody; where nothing runs any more, the last ones that ended in trouble."""
    needy = [h for h in everyone if h.needs_you]
    if not needy and not any(h.status != "finished" for h in everyone):
        needy = [h for h in everyone if h.worst is not None and h.worst.severity != "info"]
    shown = needy[: CARDS if needy and needy[0].needs_you else CARDS // 2]
    sparks = data.sparks(url, now.of([h.run.id for h in shown]))
    open_ones = alerts_data.board(now).open if shown else []
    for health in shown:
        card(health, sparks, [one for one in open_ones if one.run_id == health.run.id])
    if len(needy) > len(shown):
        st.caption(f"and {several(len(needy) - len(shown), 'more run')} in the table")


def card(health: Health, sparks: dict[tuple[int, str], list[float]], open_ones: list[Alert]) -> None:
    """open_ones: its alerts; none where no check has looked at it while it ran."""
    run, worst = health.run, health.worst
    if worst is None:
        return
    with st.container(border=True, key=f"card-{worst.severity}-{run.id}"):
        step = "" if run.step is None else f" · step {run.step:,}"
        over = " · finished" if health.status == "finished" else f" · {ago(health.age)} ago"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{parts.severity(worst)} &nbsp; **{plain(run.name)}** :gray[{plain(run.project)}{step}{over}]")
            parts.run_link(run, "open", icon=":material/arrow_forward:")
            hand.buttons(open_ones, run, f"run-{run.id}")
        st.markdown(plain(worst.message, 600))
        others = sorted({trouble(f.trouble) for f in health.open if f is not worst})
        held = sorted({one.acked_by for one in open_ones if one.acked_at and one.acked_by})
        also = [f"also open: {', '.join(others)}"] if others else []
        also += [f"in the hands of {', '.join(held)}"] if held else []
        if also:
            st.caption(plain(" · ".join(also), 300))
        parts.small_curves(curves(health, sparks))


def curves(health: Health, sparks: dict[tuple[int, str], list[float]]) -> list[tuple[str, str, str]]:
    """What a card shows of its run: label, newest value, drawing."""
    colour = run_colour(parts.look(), health.run.id)
    made = []
    for quantity, label, unit in CARD:
        values = sparks.get((health.run.id, quantity))
        if values:
            made.append((label, number(values[-1], unit), image(np.array(values), colour)))
    return made


def table(everyone: list[Health], newest: dict[int, data.Newest], url: str, now: data.Pulse) -> None:
    """Every run, cheap however many there are: only the page that is shown is read."""
    with st.container(horizontal=True, vertical_alignment="center"):
        show, tied = state.one_of("show", list(SHOW), "all")
        st.segmented_control("show", list(SHOW), format_func=SHOW.__getitem__, label_visibility="collapsed", **tied)
        wanted = st.text_input(
            "search",
            placeholder="search project, run or trainer",
            label_visibility="collapsed",
            width=280,
            **state.text("q"),
        )
    chosen = [h for h in everyone if _shown(h, show) and _matches(h, wanted)]
    if not chosen:
        st.markdown(":gray[No run is like that.]")
        return
    pages = -(-len(chosen) // ROWS)
    page = min(max(int(state.read("page", "1")) if state.read("page", "1").isdecimal() else 1, 1), pages)
    part = chosen[(page - 1) * ROWS : page * ROWS]
    sparks = data.sparks(url, now.of([h.run.id for h in part]))
    rows = pd.DataFrame([row(h, newest.get(h.run.id), sparks) for h in part])
    ids = [h.run.id for h in part]
    before = st.session_state.get("lines of the overview", ids)  # a click is meant for what stood there
    st.session_state["lines of the overview"] = ids
    at, opened = keys.walk(ids)
    clicked = st.dataframe(
        styled(rows, part, at),
        hide_index=True,
        column_config=columns(),
        on_select="rerun",
        selection_mode="single-cell",
        key=f"runs-{st.session_state.get('opened', 0)}",
        height=36 * (len(part) + 1) + 2,
        row_height=36,
    )
    if pages > 1:
        st.pagination(pages, **state.page_number("page", pages))
    st.caption(f"{several(len(chosen), 'run')} of {len(everyone):,} · click a row to open it")
    if clicked.selection.cells and clicked.selection.cells[0][0] < len(before):
        st.session_state["opened"] = st.session_state.get("opened", 0) + 1  # else coming back would open it again
        opened = before[clicked.selection.cells[0][0]]
        keys.remember(ids)
    if opened is not None:
        st.switch_page(parts.RUN, query_params={"run": str(opened)})


def _shown(health: Health, show: str) -> bool:
    return show == "all" or (health.needs_you if show == "needs" else health.status == show)


def _matches(health: Health, wanted: str) -> bool:
    text = f"{health.run.label} {health.run.trainer}".lower()
    return all(word in text for word in wanted.lower().split())


def row(health: Health, newest: data.Newest | None, sparks: dict[tuple[int, str], list[float]]) -> dict[str, object]:
    """One line of the table."""
    run, worst, values = health.run, health.worst, newest.values if newest else {}
    entropy = "entropy_token_mean" if "entropy_token_mean" in values else "entropy_estimate"
    end = newest.end if newest else None
    return {
        "colour": "■",
        "run": run.name,
        "verdict": "–" if worst is None else f"{trouble(worst.trouble)} since {worst.onset_step:,}",
        "status": health.status,
        "step": "–" if run.step is None else f"{run.step:,}" + (f" / {end:,.0f}" if end else ""),
        "age": ago(health.age),
        "reward": number(values.get("reward_mean")),
        "reward curve": sparks.get((run.id, "reward_mean"), []),
        "entropy": number(values.get(entropy)),
        "entropy curve": sparks.get((run.id, entropy), []),
        "length": number(values.get("response_length_mean")),
        "truncated": number(values.get("truncation_fraction"), "fraction"),
        "project": run.project,
        "trainer": run.trainer,
    }


def styled(rows: pd.DataFrame, part: list[Health], at: int | None) -> pd.io.formats.style.Styler:
    """Colours that mean something: the run's own, and that of its verdict. at: where j and k stand."""
    look = parts.look()
    swatch = [f"color: {run_colour(look, h.run.id)}" for h in part]
    verdict = [
        f"color: {look.severity(h.worst.severity) if h.worst and h.status != 'finished' else look.muted}" for h in part
    ]
    calm = [f"color: {look.muted}"] * len(part)
    styler = rows.style.apply(lambda _: swatch, subset=["colour"]).apply(lambda _: verdict, subset=["verdict"])
    for column in ("project", "trainer", "status", "age"):
        styler = styler.apply(lambda _: calm, subset=[column])
    if at is not None:
        line = [f"background-color: {look.grid}" if place == at else "" for place in range(len(part))]
        styler = styler.apply(lambda _: line, subset=["colour", "run", "verdict", "status", "step", "age"])
    return styler


def columns() -> dict[str, Any]:
    return {
        "colour": st.column_config.TextColumn("", width=28),
        "run": st.column_config.TextColumn("run", width=210),
        "project": st.column_config.TextColumn("project", width=110),
        "trainer": st.column_config.TextColumn("trainer", width=80),
        "status": st.column_config.TextColumn("status", width=75),
        "step": st.column_config.TextColumn("step", width=90, alignment="right"),
        "age": st.column_config.TextColumn("age", width=65, help="of the newest record", alignment="right"),
        "reward": st.column_config.TextColumn("reward", width=70, alignment="right"),
        "reward curve": st.column_config.LineChartColumn("", width=110, color="gray"),
        "entropy": st.column_config.TextColumn("entropy", width=70, help="nats per token", alignment="right"),
        "entropy curve": st.column_config.LineChartColumn(" ", width=110, color="gray"),
        "length": st.column_config.TextColumn("length", width=70, help="mean response, tokens", alignment="right"),
        "truncated": st.column_config.TextColumn(
            "trunc.", width=70, help="responses cut off at the limit", alignment="right"
        ),
        "verdict": st.column_config.TextColumn("verdict", width=190),
    }


main()
