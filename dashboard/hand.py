"""To take an alert in hand: the buttons of a card, and the small forms that they open."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from alerts import hands
from dashboard import data, person
from dashboard.words import plain, several
from db.alerts import Alert, Silence
from db.runs import Run

LASTING = {"1 hour": 3600.0, "6 hours": 21_600.0, "1 day": 86_400.0, "1 week": 604_800.0}
STEP = "until a step"


def buttons(found: Sequence[Alert], run: Run, key: str, *, comments: bool = False) -> None:
    """What can be done about open alerts of one run, for those who may. key: tells several on a page apart."""
    if not found or not person.may_edit():
        return
    one = found[0] if len(found) == 1 else None
    free = [alert for alert in found if not alert.acked_at]
    if free and _button("ack", key, "back_hand", "I have it in hand"):
        acknowledging(free)
    if _button("silence", key, "notifications_off", "Tell nothing of it for a while"):
        silencing(run.label, "*" if one is None else one.rule)
    if comments and one is not None and _button("comment", key, "comment", "A word for the others"):
        commenting(one)


def _button(act: str, key: str, icon: str, means: str) -> bool:
    return st.button(act, key=f"{act}-{key}", icon=f":material/{icon}:", help=means, type="tertiary")


def _done(act: Callable[[], object]) -> None:
    """Do it and show the page anew; what may not be done is said where it was asked."""
    try:
        act()
    except (person.MayNotEdit, LookupError, ValueError) as error:
        st.error(plain(str(error.args[0] if error.args else error), 400))
        return
    data.pulse.clear()  # whoever did it sees it at once
    st.rerun()


@st.dialog("Acknowledge")
def acknowledging(found: Sequence[Alert]) -> None:
    names = ", ".join(dict.fromkeys(alert.rule.replace("_", " ") for alert in found))
    st.markdown(f"{several(len(found), 'alert')}: {plain(names, 300)}. No more repeats, and nobody is called for it.")
    with st.form("ack", border=False):
        note = st.text_input("a word for the others", placeholder="optional")
        if st.form_submit_button("I have it in hand", type="primary"):
            ids = [alert.id for alert in found]
            _done(
                lambda: hands.acknowledge(
                    person.engine(), ids, who=person.who(), now=time.time(), note=note.strip()[:2000]
                )
            )


@st.dialog("Comment")
def commenting(one: Alert) -> None:
    with st.form("comment", border=False):
        note = st.text_area("for the others, in the history of this alert")
        if st.form_submit_button("Add", type="primary") and note.strip():
            said = note.strip()[:2000]
            _done(lambda: hands.comment(person.engine(), one.id, who=person.who(), now=time.time(), note=said))


@st.dialog("Silence")
def silencing(run: str = "*", rule: str = "*", tag: str = "*") -> None:
    st.markdown("Nothing is told of alerts that match all three patterns (`*` is everything). They are recorded.")
    lasting = st.radio("how long", [*LASTING, STEP], horizontal=True, index=1)
    with st.form("silence", border=False):
        step = st.number_input("step of the run", min_value=1, value=1000) if lasting == STEP else None
        run = st.text_input("run", value=_literal(run))
        left, right = st.columns(2)
        rule = left.text_input("rule", value=_literal(rule))
        tag = right.text_input("tag", value=tag)
        why = st.text_input("why", placeholder="optional")
        if st.form_submit_button("Silence", type="primary"):
            now = time.time()
            until = None if step is not None else now + LASTING[str(lasting)]
            made = Silence(
                0, run.strip() or "*", rule.strip() or "*", tag.strip() or "*", until, step, now, "", why.strip()
            )
            _done(lambda: _silence(made))


def _silence(made: Silence) -> None:
    engine = person.engine()
    hands.silence(engine, replace(made, who=person.who()))


def _literal(name: str) -> str:
    """A name as the pattern that matches it alone: a bracket in a run's name is a bracket."""
    return name if name == "*" else "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def end(silence: Silence) -> None:
    """A button that ends a silence now."""
    if person.may_edit() and st.button("end now", key=f"end-{silence.id}", type="tertiary"):
        _done(lambda: hands.end_silence(person.engine(), silence.id, who=person.who(), now=time.time()))


def new_silence() -> None:
    """A button for a silence of whatever patterns."""
    if person.may_edit() and st.button("new silence", key="silence-new", icon=":material/notifications_off:"):
        silencing()
