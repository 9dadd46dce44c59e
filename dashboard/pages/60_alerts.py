"""What is firing, and who has it in hand?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from alerts.about import about
from alerts.hands import words as silence_words
from analyses.contract import RANK
from charts import timeline
from charts.theme import Look, run_colour
from charts.timeline import Span
from dashboard import alert_card, alerts_data, cron, curves, data, hand, parts, state
from dashboard.alerts_data import Board
from dashboard.words import ago, clock, listed, plain, sentence, several, trouble
from db.alerts import OPEN, Alert
from db.quantities import quantity
from db.runs import Run
from db.series import Series

QUESTION = "What is firing, and who has it in hand?"
CARDS, ROWS = 10, 50  # on one page
BARS = 200  # newest episodes in the timeline


def main() -> None:
    url, wall = data.store_url(), time.time()
    now = data.pulse(url)
    runs = {run.id: run for run in data.every_run(url)}
    if not runs:
        parts.head(QUESTION, "", None, now)
        parts.nothing_yet()
        st.stop()
    board = alerts_data.board(now)
    known = [one for one in board.alerts if one.run_id in runs]
    parts.head(QUESTION, plain(answer(board, known, runs, wall), 500), data.newest_wall(runs.values()), now)
    cron.notice()
    one = next((each for each in known if state.read("alert") == str(each.id)), None)
    if one is not None:
        alone(one, runs[one.run_id], board, now, wall)
        st.stop()
    chosen = choose(known, runs)
    mine = [each for each in known if chosen is None or each.run_id == chosen.id]
    show_open([each for each in mine if each.state in OPEN], runs, board, wall)
    show_history(mine, runs, board, now)
    show_messages(chosen, runs, board, now, wall)
    show_silences(board, wall)
    st.markdown("#### Checks")
    st.markdown(cron.usual(alerts_data.beat(url), wall))


def answer(board: Board, known: Sequence[Alert], runs: Mapping[int, Run], now: float) -> str:
    """How many are open, what, and how many of them nobody has in hand."""
    open_ = [one for one in known if one.state in OPEN]
    if not open_:
        last = max((one.resolved_at or 0.0 for one in known), default=0.0)
        ended = f" The last one was over {ago(now - last)} ago." if last else ""
        return f"No alert is open.{ended}" + waiting(board)
    grave = sorted(open_, key=lambda one: -RANK[one.severity])
    what = listed(list(dict.fromkeys(trouble(one.rule) for one in grave)), 3)
    where = several(len({one.run_id for one in open_}), "run")
    said = f"{several(len(open_), 'alert')} {'is' if len(open_) == 1 else 'are'} open in {where}: {what}."
    free = [one for one in open_ if not one.acked_at]
    if not free:
        return f"{said} Somebody has {'it' if len(open_) == 1 else 'all of them'} in hand.{waiting(board)}"
    oldest = ago(now - min(one.opened_at for one in free))
    many = "it" if len(open_) == 1 else "any of them" if len(free) == len(open_) else f"{len(free):,} of them"
    return f"{said} Nobody has {many} in hand, the oldest for {oldest}.{waiting(board)}"


def waiting(board: Board) -> str:
    if not board.waiting:
        return ""
    told = [f"{several(count, 'message')} for {name}" for name, count in board.waiting.items()]
    return f" Not delivered yet: {listed(told)}."


def choose(known: Sequence[Alert], runs: Mapping[int, Run]) -> Run | None:
    """The run that is asked about; None for all."""
    with_alerts = list(dict.fromkeys(one.run_id for one in known))
    names = {"": "all runs"} | {str(run_id): runs[run_id].label for run_id in with_alerts}
    named = state.read("run")
    asked = next((run for run in runs.values() if named and named in (str(run.id), run.label, run.name)), None)
    if asked is not None:
        names.setdefault(str(asked.id), asked.label)
        state.write("run", str(asked.id))
    value, tied = state.one_of("run", list(names), "")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.selectbox("run", list(names), format_func=names.__getitem__, label_visibility="collapsed", width=320, **tied)
    return runs[int(value)] if value else None


def show_open(found: list[Alert], runs: Mapping[int, Run], board: Board, now: float) -> None:
    if not found:
        st.markdown(":gray[Nothing is open here.]")
        return
    found = sorted(found, key=urgent_first)
    pages = -(-len(found) // CARDS)
    page = min(max(int(text) if (text := state.read("page", "1")).isdecimal() and len(text) < 6 else 1, 1), pages)
    for one in found[(page - 1) * CARDS : page * CARDS]:
        alert_card.card(one, runs[one.run_id], board, now)
    if pages > 1:
        st.pagination(pages, **state.page_number("page", pages))


def urgent_first(one: Alert) -> tuple[bool, bool, int, float]:
    """What is open and nobody has in hand before what somebody has; the gravest and the oldest first."""
    return one.state not in OPEN, one.acked_at is not None, -RANK[one.severity], one.opened_at


def show_history(known: list[Alert], runs: Mapping[int, Run], board: Board, now: data.Pulse) -> None:
    """The timeline of one run, and under it every episode."""
    st.markdown("#### History")
    if not known:
        st.markdown(":gray[No alert has ever been raised here.]")
        return
    first = min(known, key=urgent_first) if any(one.state in OPEN for one in known) else known[0]
    draw([one for one in known if one.run_id == first.run_id], runs[first.run_id], now, key="timeline")
    pages = -(-len(known) // ROWS)
    page = 1 if pages == 1 else st.pagination(pages, **state.page_number("past", pages))
    part = known[(page - 1) * ROWS : page * ROWS]
    rows = pd.DataFrame([row(one, runs[one.run_id], board) for one in part])
    clicked = st.dataframe(
        rows,
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="single-cell",
        key=f"episodes-{st.session_state.get('looked', 0)}",
    )
    st.caption("click a row for its whole history · times are UTC")
    if clicked.selection.cells:
        st.session_state["looked"] = st.session_state.get("looked", 0) + 1  # else coming back would open it again
        state.write("alert", str(part[clicked.selection.cells[0][0]].id))
        st.rerun()


def row(one: Alert, run: Run, board: Board) -> dict[str, object]:
    told = board.told.get(one.id, {})
    over = f"{one.onset_step if one.resolved_step is None else one.resolved_step:,}"
    return {
        "alert": one.id,
        "what": trouble(one.rule),
        "steps": f"{one.onset_step:,} – {'now' if one.state in OPEN else over}",
        "state": one.state,
        "severity": one.severity,
        "run": run.label,
        "opened": clock(one.opened_at),
        "over": clock(one.resolved_at),
        "first told": ", ".join(f"{name} {clock(at)}" for name, at in told.items()) or "–",
        "in hand": one.acked_by or "–",
    }


def draw(known: Sequence[Alert], run: Run, now: data.Pulse, *, key: str) -> None:
    """The curve that the newest alerts are about, with every episode under it."""
    known = known[:BARS]
    series, title, unit = curve(known, run, now)
    told, look = alerts_data.steps_told([one.id for one in known], now), parts.look()
    spans = [span(one, told.get(one.id, []), look) for one in sorted(known, key=lambda one: one.onset_step)]
    made = None
    if series is not None:
        along = curves.Axis("step")
        made = curves.curve(series, along, label=run.name, run_id=run.id, colour=run_colour(look, run.id))
    st.markdown(f"**{plain(run.label)}** :gray[▼ somebody was told]")
    lanes = len({one.lane for one in spans})
    rows, spec = timeline.rows(made, spans), timeline.spec(lanes, look, unit, title)
    said = f"{title} of {run.label} by step; under it, rule by rule, when alerts began, were told and were over"
    st.vega_lite_chart(rows, spec, theme=None, key=f"{key}-{run.id}-{lanes}", alt=said)


def curve(known: Sequence[Alert], run: Run, now: data.Pulse) -> tuple[Series | None, str, str]:
    """(curve, title, unit): of what the newest open alert looks at, as far as it is logged; else the reward."""
    abouts = [about(one.rule, one.finding.get("evidence") or {}) for one in sorted(known, key=urgent_first)]
    wanted = tuple(dict.fromkeys([*(name for one in abouts for name in one.quantities), "reward_mean"]))
    logged = data.quantities(data.store_url(), now.of([run.id]), wanted)
    for one in abouts:
        for name in one.metrics:
            ids = [
                m.id
                for m, _, _ in data.metrics_of(data.store_url(), run.id, now.versions.get(run.id, 0))
                if m.name == name
            ]
            for series in data.metrics(data.store_url(), now.of([run.id]), tuple(ids)).values():
                return series, name, series.metric.unit or ""
        for name in one.quantities:
            if (run.id, name) in logged:
                return logged[run.id, name], *_spoken(name)
    return logged.get((run.id, "reward_mean")), *_spoken("reward_mean")


def _spoken(name: str) -> tuple[str, str]:
    meant = quantity(name)
    return (meant.label, meant.unit) if meant else (name, "")


def span(one: Alert, told: Sequence[float], look: Look) -> Span:
    open_ = one.state in OPEN
    what = f"{trouble(one.rule)}, {one.severity}, {one.state}"
    when = f"since step {one.onset_step:,}, seen at {one.detected_step:,}"
    when += "" if one.resolved_step is None else f", over at {one.resolved_step:,}"
    when += f"; opened {clock(one.opened_at)}" + (f", in the hands of {one.acked_by}" if one.acked_at else "")
    colour = look.fine if one.state in ("inactive", "pending") else look.severity(one.severity)
    stop = None if open_ else float(one.resolved_step if one.resolved_step is not None else one.detected_step)
    return Span(trouble(one.rule), float(one.onset_step), stop, tuple(told), colour, what, when)


def show_messages(chosen: Run | None, runs: Mapping[int, Run], board: Board, now: data.Pulse, wall: float) -> None:
    """Every message, and what became of it."""
    st.markdown("#### Messages")
    page = int(text) if (text := state.read("sent", "1")).isdecimal() and 0 < len(text) < 6 else 1
    found = alerts_data.post(chosen.id if chosen else None, ROWS, (max(page, 1) - 1) * ROWS, now)
    if not found.count:
        st.markdown(":gray[Nothing has been told yet. Channels stand in `stepwell.toml`: `stepwell init` writes one.]")
        return
    rows = [
        {
            "decided": clock(one.at),
            "about": trouble(str(one.body.get("rule", ""))),
            "what": f"{one.kind} {one.n}" if one.kind == "repeat" else one.kind,
            "channel": one.channel,
            "became": alert_card.became(one, found.tries, board.lines, wall),
            "run": runs[one.run_id].label if one.run_id in runs else str(one.body.get("run", "")),
        }
        for one in found.messages
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")
    if found.count > ROWS:
        st.pagination(-(-found.count // ROWS), **state.page_number("sent", -(-found.count // ROWS)))
    with st.expander("every try"):
        tries = [
            {
                "when": clock(one.at),
                "channel": one.channel,
                "messages": one.messages,
                "result": one.result,
                "took": f"{one.took:.1f} s",
                "why": one.detail,
            }
            for one in alerts_data.tries(now)
        ]
        st.dataframe(pd.DataFrame(tries), hide_index=True)
    for name, line in board.lines.items():
        if line.failures:
            again = f"it is tried again after {clock(line.next_at)}"
            st.caption(plain(f"{name} has failed {several(line.failures, 'time')} in a row; {again}", 300))


def show_silences(board: Board, now: float) -> None:
    st.markdown("#### Silences")
    found = board.in_force(now)
    if not found:
        st.markdown(":gray[None is in force.]")
    for one in found:
        why = f": {one.why}" if one.why else ""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                plain(f"{one.id}. {sentence(silence_words(one, now))}, by {one.who}{why}", 400), width="content"
            )
            hand.end(one)
    hand.new_silence()


def alone(one: Alert, run: Run, board: Board, now: data.Pulse, wall: float) -> None:
    """One alert: the card, its curve, all that happened to it and what was told of it."""
    st.page_link(parts.ALERTS, label="All alerts", icon=":material/arrow_back:")
    alert_card.card(one, run, board, wall, whole=True)
    told = alerts_data.story(one.id, now)
    draw([one], run, now, key="one")
    st.markdown("#### What happened")
    st.dataframe(alert_card.history(told), hide_index=True, height="content")
    st.markdown("#### What was told")
    rows = [
        {
            "decided": clock(m.at),
            "channel": m.channel,
            "what": m.kind,
            "became": alert_card.became(m, told.tries, board.lines, wall),
        }
        for m in told.messages
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")
    else:
        st.markdown(
            ":gray[Nobody was told: no channel hears of it, it is silenced, or it was over before anybody looked.]"
        )


main()
