"""One alert as people read it: what, which run, since when, how sure, who was told, who has it in hand."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from alerts import sureness
from dashboard import hand, parts, state
from dashboard.alerts_data import Board, Story
from dashboard.words import ago, clock, plain, sentence, trouble
from db.alerts import OPEN, Alert
from db.outbox import Delivery, Line, Message
from db.runs import Run

SHADE = {"critical": "red", "warning": "orange"}
STATES = {"firing": "", "pending": "pending", "no-data": "no data", "error": "cannot be evaluated"}


def card(one: Alert, run: Run, board: Board, now: float, *, whole: bool = False) -> None:
    """An alert with its buttons. whole: it is looked at alone, and its run is to be opened from here."""
    with st.container(border=True, key=f"card-{one.severity if one.state in OPEN else 'info'}-alert-{one.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(head(one, run))
            step = {"run": str(run.id), "step": str(one.detected_step)}
            st.page_link(parts.RUN, label="open", icon=":material/arrow_forward:", query_params=step)
            if not whole:
                key, to = f"history-{one.id}", ("alert", str(one.id))
                st.button("history", key, type="tertiary", icon=":material/history:", on_click=state.write, args=to)
            if one.state in OPEN:
                hand.buttons([one], run, f"alert-{one.id}", comments=True)
        st.markdown(plain(str(one.finding.get("message", "")), 600))
        st.caption(" · ".join(plain(part, 300) for part in facts(one, run, board, now)))
        if whole and (advice := one.finding.get("advice")):
            st.markdown(f"**Try:** {plain(str(advice), 800)}")
        if whole and (clears := one.finding.get("clears")):
            st.markdown(f"**Clears when:** {plain(str(clears), 800)}")


def head(one: Alert, run: Run) -> str:
    """Severity, what, which run, since which step, in Markdown."""
    shade = SHADE.get(one.severity, "gray") if one.state in OPEN else "gray"
    state = STATES.get(one.state, one.state)
    grave = f":{shade}[**{one.severity.upper()}**]" + (f" :gray[{state}]" if state else "")
    what = f"**{plain(sentence(trouble(one.rule)))}**"
    return f"{grave} &nbsp; {what} &nbsp; {plain(run.label)} &nbsp; :gray[since step {one.onset_step:,}]"


def facts(one: Alert, run: Run, board: Board, now: float) -> list[str]:
    """Age, how sure, who was told when, who has it in hand, what was said to it."""
    if one.state in OPEN:
        said = [f"open for {ago(now - one.opened_at)}"]
    else:
        said = [f"open for {ago((one.resolved_at or now) - one.opened_at)}, over since {clock(one.resolved_at)}"]
    said.append(sureness.sure(one, run.step or one.detected_step))
    told = board.told.get(one.id, {})
    said.append("told " + ", ".join(f"{name} {clock(at)}" for name, at in told.items()) if told else "nobody was told")
    if one.acked_at:
        said.append(f"in the hands of {one.acked_by} since {clock(one.acked_at)}")
    elif one.state in OPEN:
        said.append("nobody has it in hand")
    if one.state in OPEN and (silence := board.silenced(one, run, now)) is not None:
        said.append(f"silenced by {silence.who} (silence {silence.id})")
    notes = [flip for flip in board.people.get(one.id, ()) if flip.note]
    return said + [f"{flip.who}: “{flip.note}”" for flip in notes[-2:]]


def history(story: Story) -> pd.DataFrame:
    """Everything that happened to an alert, oldest first."""
    rows = [
        {"when": clock(flip.at), "what": flip.kind, "step": _step(flip.step), "who": flip.who, "note": flip.note}
        for flip in story.flips
    ]
    for act in story.acts:
        what = f"guard {act.guard}" + (" (dry run)" if act.dry_run else "")
        note = f"{act.what}: {act.result or 'nobody knows how it ended'}"
        rows.append({"when": clock(act.begun_at), "what": what, "step": "–", "who": "guard", "note": note})
    return pd.DataFrame(rows, columns=["when", "what", "step", "who", "note"])


def _step(step: int | None) -> str:
    return "–" if step is None else f"{step:,}"


def became(one: Message, tries: Mapping[tuple[str, str], list[Delivery]], lines: Mapping[str, Line], now: float) -> str:
    """What became of a message: delivered, refused and why, or why it still waits and until when."""
    mine = tries.get((one.channel, one.batch), []) if one.batch else []
    failed = [each for each in mine if each.result == "failed"]
    after = f" after {len(failed) + 1} tries" if failed else ""
    if one.state == "delivered":
        return f"delivered {clock(one.done_at)}{after}"
    if one.state == "refused":
        return f"refused for good {clock(one.done_at)}: {mine[-1].detail if mine else ''}"
    line = lines.get(one.channel)
    why = f": {failed[-1].detail}" if failed else ""
    again = f", next try {clock(line.next_at)}" if line and line.next_at > now else ", next try with the next check"
    return f"waits{f', {len(failed)} tries' if failed else ''}{why}{again}"
