"""What an editor does to runs on a page, and the way back from it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
import streamlit as st

from dashboard import data, person
from dashboard.words import plain, several
from db import edits
from db.edits import BadTag, Shelf
from db.engine import writing

UNDO = "undo"
OFFERED = 60.0  # s that the way back is offered


@contextmanager
def _editing() -> Iterator[sa.Connection]:
    """One transaction of an editor. Raises MayNotEdit."""
    with writing(person.engine()) as connection:
        yield connection
    data.pulse.clear()  # whoever did it sees it at once


def tag(run_ids: Sequence[int], name: str) -> None:
    with _editing() as connection:
        edits.tag(connection, run_ids, name, who=person.who(), at=time.time())


def set_tags(run_id: int, before: Sequence[str], after: Sequence[str]) -> str:
    """Bring the tags that people gave a run to these. Returns what could not be done, in words; "" where all was."""
    told = ""
    with _editing() as connection:
        for name in after:
            if name not in before:
                try:
                    edits.tag(connection, [run_id], name, who=person.who(), at=time.time())
                except BadTag as error:
                    told = f"{error}."
        for name in before:
            if name not in after and not edits.untag(connection, [run_id], name, who=person.who(), at=time.time()):
                told = f"The tag {name} stands in the run's config: it cannot be taken away."
    return told


def note(run_id: int, text: str) -> None:
    with _editing() as connection:
        edits.note(connection, run_id, text, who=person.who(), at=time.time())


def shelve(run_ids: Sequence[int], how: Shelf) -> None:
    """Put runs out of sight and offer the way back."""
    with _editing() as connection:
        before = edits.shelved_of(connection)
        moved = edits.shelve(connection, run_ids, how, who=person.who(), at=time.time())
    st.session_state[UNDO] = (how, {run_id: before.get(run_id) for run_id in moved}, time.monotonic())


def restore(run_ids: Sequence[int]) -> None:
    with _editing() as connection:
        before = edits.shelved_of(connection)
        moved = edits.restore(connection, run_ids, who=person.who(), at=time.time())
    st.session_state[UNDO] = ("restored", {run_id: before.get(run_id) for run_id in moved}, time.monotonic())


def _undo() -> None:
    _, before, _ = st.session_state.pop(UNDO)
    with _editing() as connection:
        for run_id, how in before.items():
            if how is None:
                edits.restore(connection, [run_id], who=person.who(), at=time.time())
            else:
                edits.shelve(connection, [run_id], how, who=person.who(), at=time.time())


def offer_undo() -> None:
    """A small bar at the foot of the page, for a minute after runs were put out of sight."""
    held = st.session_state.get(UNDO)
    if held is None or time.monotonic() - held[2] > OFFERED or not held[1]:
        st.session_state.pop(UNDO, None)
        return
    done, before, _ = held
    with st.container(key="toast", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{several(len(before), 'run')} {plain(done)}.")
        st.button("Undo", type="tertiary", on_click=_undo)
        st.button(
            "Dismiss", icon=":material/close:", type="tertiary", on_click=lambda: st.session_state.pop(UNDO, None)
        )
