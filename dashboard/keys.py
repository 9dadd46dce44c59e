"""The keyboard: what was pressed, and where j and k stand. Help, search and refresh are done in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent / "theme"
PRESSED, CURSOR, LIST = "pressed", "cursor", "list of runs"
MOVES = {"j": 1, "k": -1}

_HTML, _CSS, _JS = ((HERE / f"keys.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
_listen = st.components.v2.component("stepwell_keys", html=_HTML, css=_CSS, js=_JS)


def listen() -> None:
    """Mount the listener with its hint; once per page."""

    def heard() -> None:
        st.session_state[PRESSED] = getattr(st.session_state.get("keys"), "pressed", None)

    _listen(key="keys", on_pressed_change=heard)


def remember(run_ids: Sequence[int]) -> None:
    """The order in which a list showed its runs: j and k on a run's pages follow it."""
    st.session_state[LIST] = list(run_ids)


def walk(run_ids: Sequence[int]) -> tuple[int | None, int | None]:
    """(line that j and k stand on, run to open) of a list; None where they stand nowhere, nothing is to be opened."""
    at, pressed = st.session_state.get(CURSOR), st.session_state.pop(PRESSED, None)
    place = run_ids.index(at) if at in run_ids else None
    if pressed in MOVES and run_ids:
        first = 0 if pressed == "j" else len(run_ids) - 1
        place = first if place is None else min(max(place + MOVES[pressed], 0), len(run_ids) - 1)
        st.session_state[CURSOR] = run_ids[place]
    opened = run_ids[place] if pressed == "Enter" and place is not None else None
    if opened is not None:
        remember(run_ids)
    return place, opened


def neighbour(run_id: int | None, every: Sequence[int]) -> int | None:
    """The run that j or k leads to from this one, in the order of the list that it was opened from; None to stay."""
    step = MOVES.get(st.session_state.pop(PRESSED, None) or "", 0)
    listed = st.session_state.get(LIST, [])
    order = [one for one in listed if one in every] if run_id in listed else list(every)
    if not step or run_id not in order:
        return None
    place = order.index(run_id) + step
    return order[place] if 0 <= place < len(order) else None


def forget() -> None:
    """What no page took up is over."""
    st.session_state.pop(PRESSED, None)
