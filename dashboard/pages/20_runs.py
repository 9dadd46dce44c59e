"""Which runs are there, and how did they end?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import streamlit as st

from answers import roster
from answers.filter import CONFIG, FilterError, Node, parse, passing
from answers.roster import Entry, Roster
from dashboard import data, editing, keys, parts, person, runs_table, state
from dashboard.runs_table import FIXED, GROUPS, USUAL
from dashboard.words import plain, several
from db.edits import Shelf

ROWS = 50  # on one page
PINS = 10
COLUMNS = 16
RENEWED = 60.0  # s that the names to choose from are kept
SHELVES = {"": "in sight", "archived": "archived", "deleted": "deleted"}
EXAMPLE = "filter: trainer:verl tag:paper reward_mean>0.5 -state:live config.lr<1e-5 name~seed[12]"


@dataclass(frozen=True, slots=True)
class View:
    """The choices, as they stand in the address."""

    tree: Node
    shown: tuple[str, ...]
    sort: str
    down: bool
    group: str
    shelf: str
    edit: bool


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    if not data.every_run(url) and not now.versions:
        parts.head("Which runs are there, and how did they end?", "", None, now)
        parts.nothing_yet()
        st.stop()
    place = st.container()
    view = controls(now)
    entries = data.ask(roster.entries, now.all, view.shelf)
    held = read(entries, view, now)
    with place:
        parts.head(
            "Which runs are there, and how did they end?",
            plain(roster.sentence(held), 400),
            data.newest_wall(one.run for one in entries),
            now,
        )
    if not held.entries:
        st.markdown(":gray[No run is like that.]" if entries else ":gray[There is no run here.]")
    elif view.group:
        by_group(held, view)
    else:
        table(held, entries, view, now)
    editing.offer_undo()


def controls(now: data.Pulse) -> View:
    """The filter with what is wrong with it, then columns, order, groups and shelf."""
    text = st.text_input("filter", placeholder=EXAMPLE, label_visibility="collapsed", **state.text("f"))
    tree = understood(text)
    often = (len(now.versions), int(time.time() / RENEWED))  # names seldom change, and reading all of them takes long
    known = data.ask(roster.quantities_logged, often)
    config = [f"{CONFIG}{key}" for key in data.ask(roster.config_keys, often) if "," not in key]
    statistics = [f"{name}.{what}" for what in ("best", "mean") for name in known]
    options = [*known, *statistics, *config]
    chosen = state.some_of("cols", options, [name for name in USUAL if name in known], str)
    shown = st.session_state[chosen["key"]][:COLUMNS]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="controls"):
        choosing = st.toggle("columns", key="choosing")
        sorts = [*FIXED, *shown]
        sort, tied = state.one_of("sort", sorts, "newest")
        st.selectbox("sort by", sorts, format_func=sorted_by, label_visibility="collapsed", width=190, **tied)
        down = st.toggle("descending", **state.flag("down"))
        groups = ["", *GROUPS, *config]
        group, tied = state.one_of("group", groups, "")
        st.selectbox("group by", groups, format_func=grouped_by, label_visibility="collapsed", width=210, **tied)
        shelf, tied = state.one_of("shelf", list(SHELVES), "")
        st.segmented_control(
            "shelf", list(SHELVES), format_func=SHELVES.__getitem__, label_visibility="collapsed", **tied
        )
        edit = person.may_edit() and not group and st.toggle("edit tags and notes", **state.flag("edit"))
    if choosing:
        st.multiselect(
            "columns",
            options,
            format_func=runs_table.title,
            max_selections=COLUMNS,
            select_all=False,
            placeholder="choose columns: quantities, their best and mean, keys of the config",
            label_visibility="collapsed",
            **chosen,
        )
    return View(tree, tuple(shown), sort, down, group, shelf, bool(edit))


def understood(text: str) -> Node:
    """The filter; one that makes no sense is explained with its place, and nothing is left out."""
    try:
        return parse(text)
    except FilterError as error:
        st.code(error.shown(), language=None)
        return parse("")


def sorted_by(name: str) -> str:
    return {"newest": "newest first", "trouble": "by what is firing"}.get(name, f"by {runs_table.title(name)}")


def grouped_by(name: str) -> str:
    if not name:
        return "no groups"
    return "by name without seed" if name == "name" else f"by {runs_table.title(name)}"


def read(entries: Sequence[Entry], view: View, now: data.Pulse) -> Roster:
    """The runs that pass the filter, in order, with all that is shown of them."""
    names = runs_table.wanted(view.tree, view.shown, view.sort, view.group)
    columns = runs_table.columns_of(entries, names, now)
    health = runs_table.health_of(entries, data.newest(data.store_url(), now.all), time.time())
    states = {run_id: str(one.status) for run_id, one in health.items()}
    ages = {run_id: one.age for run_id, one in health.items() if one.age is not None}
    held = Roster(entries, states, ages, columns)
    kept = passing(view.tree, held)
    held = Roster([one for one, passes in zip(entries, kept, strict=True) if passes], states, ages, columns)
    held.entries = runs_table.ordered(held, view.sort, down=view.down)
    return held


def table(held: Roster, entries: Sequence[Entry], view: View, now: data.Pulse) -> None:
    """The page of the list that is asked for, pinned runs above it."""
    pinned, base = state.numbers("pin")[:PINS], next(iter(state.numbers("base")), None)
    first = [
        one for run_id in dict.fromkeys([*([base] if base else []), *pinned]) for one in entries if one.run.id == run_id
    ]
    rest = [one for one in held.entries if one not in first]
    pages = max(1, -(-len(rest) // ROWS))
    page = min(max(int(state.read("page", "1")) if state.read("page", "1").isdecimal() else 1, 1), pages)
    rows, name = steady(first + rest[(page - 1) * ROWS : page * ROWS], view.edit)
    at, opened = keys.walk([one.run.id for one in rows])
    if opened is not None:
        st.switch_page(parts.RUN, query_params={"run": str(opened)})
    marks = dict.fromkeys(pinned, "▴ ") | ({base: "◆ "} if base else {})
    shown = runs_table.frame(rows, held, view.shown, base, marks)
    tags = sorted({tag for one in entries for tag in one.tags})
    if view.edit:
        edit_in_place(rows, shown, view, tags)
    else:
        look_and_choose(name, rows, shown, view, tags, at)
    with st.container(horizontal=True, vertical_alignment="center"):
        if pages > 1:
            st.pagination(pages, **state.page_number("page", pages))
        st.caption(several(len(held), "run"))
        st.download_button(
            "CSV",
            lambda: runs_table.as_csv(held, view.shown),
            "runs.csv",
            "text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )


def steady(rows: list[Entry], edit: bool) -> tuple[list[Entry], str]:
    """The lines in their order, and the table's name. While something is ticked or written in, they stay as they stood,
    so that a tick belongs to the run that was ticked, whatever news comes; where one of them is gone, so are the ticks.
    """
    name = _list_name()
    ticked = st.session_state.get(name, {}).get("selection", {})
    before: list[int] = st.session_state.get("lines", {}).get(name, [])
    if edit or ticked.get("rows") or ticked.get("cells"):
        known = {one.run.id: one for one in rows}
        if not edit and not known.keys() >= set(before):
            anew()
            name = _list_name()
        else:
            rows = [known.pop(run_id) for run_id in before if run_id in known] + list(known.values())
    st.session_state["lines"] = {name: [one.run.id for one in rows]}
    return rows, name


def _list_name() -> str:
    asked = tuple(sorted((key, value) for key, value in st.query_params.items() if key != "pause"))
    return f"list-{hash(asked)}-{st.session_state.get('opened', 0)}"


def anew() -> None:
    """A table in which nothing is ticked."""
    st.session_state["opened"] = st.session_state.get("opened", 0) + 1


def look_and_choose(
    name: str, rows: list[Entry], shown: pd.DataFrame, view: View, tags: Sequence[str], at: int | None
) -> None:
    """The table to look at: a click opens a run, ticks choose some."""
    bar = st.container(key="acts", horizontal=True, vertical_alignment="center", gap="small")
    clicked = st.dataframe(
        runs_table.styled(shown, rows, parts.look(), at),
        hide_index=True,
        column_config=runs_table.config(view.shown, tags),
        on_select="rerun",
        selection_mode=["multi-row", "single-cell"],
        key=name,
        height=36 * (len(rows) + 1) + 2,
        row_height=36,
    )
    chosen = [rows[line] for line in clicked.selection.rows if line < len(rows)]
    with bar:
        if chosen:
            acts(chosen, view.shelf)
        else:
            what = "compare, pin, tag, archive or delete" if person.may_edit() else "compare or pin"
            st.markdown(f":gray[Tick runs to {what} them; click one to open it.]")
    if clicked.selection.cells and not chosen:
        anew()  # else coming back would open it again
        keys.remember([one.run.id for one in rows])
        st.switch_page(parts.RUN, query_params={"run": str(rows[clicked.selection.cells[0][0]].run.id)})


def acts(chosen: list[Entry], shelf: str) -> None:
    """What can be done with the ticked runs."""
    ids = [one.run.id for one in chosen]
    st.markdown(f"**{plain(chosen[0].run.name, 60) if len(ids) == 1 else several(len(ids), 'run')}**")
    st.page_link(
        parts.COMPARE,
        label="compare",
        icon=":material/stacked_line_chart:",
        query_params={"runs": ",".join(map(str, ids[:12]))},
    )
    pins = state.numbers("pin")
    held = set(ids) <= set(pins)
    then = [one for one in pins if one not in ids] if held else list(dict.fromkeys([*pins, *ids]))
    st.button("unpin" if held else "pin", on_click=state.write, args=("pin", ",".join(map(str, then))))
    if len(ids) == 1:
        is_base = state.numbers("base") == ids
        st.button(
            "no baseline" if is_base else "baseline",
            on_click=state.write,
            args=("base", "" if is_base else str(ids[0])),
            help="The other runs say how far they are from it.",
        )
    if person.may_edit():
        editors_acts(ids, shelf)


def editors_acts(ids: list[int], shelf: str) -> None:
    with st.popover("tag", icon=":material/sell:"), st.form("tag", border=False, clear_on_submit=True):
        name = st.text_input("tag these runs", max_chars=64)
        if st.form_submit_button("tag") and name.strip():
            try:
                editing.tag(ids, name)
            except ValueError as error:
                st.markdown(f":red[{plain(str(error))}]")
            else:
                st.rerun()
    if shelf:
        st.button("restore", icon=":material/unarchive:", on_click=away, args=(ids, ""))
    else:
        st.button("archive", icon=":material/archive:", on_click=away, args=(ids, "archived"))
    if shelf != "deleted":
        st.button("delete", icon=":material/delete:", on_click=away, args=(ids, "deleted"))


def away(ids: list[int], shelf: Shelf | Literal[""]) -> None:
    """Onto a shelf, or back into sight; nothing stays ticked."""
    if shelf:
        editing.shelve(ids, shelf)
    else:
        editing.restore(ids)
    anew()


def edit_in_place(rows: list[Entry], shown: pd.DataFrame, view: View, tags: Sequence[str]) -> None:
    """The same table with tags and notes to write in; what is written is stored at once."""
    key = f"edit-{hash(tuple((one.run.id, one.tags, one.note) for one in rows))}"

    def changed() -> None:
        for line, cells in st.session_state[key]["edited_rows"].items():
            one = rows[int(line)]
            if "tags" in cells and (told := editing.set_tags(one.run.id, one.tags, cells["tags"] or [])):
                st.toast(plain(told, 300))
            if "note" in cells:
                editing.note(one.run.id, cells["note"] or "")

    st.data_editor(
        shown,
        hide_index=True,
        column_config=runs_table.config(view.shown, tags, edit=True),
        column_order=["run", "tags", "note", *(c for c in shown.columns if c not in ("colour", "run", "tags", "note"))],
        disabled=[c for c in shown.columns if c not in ("tags", "note")],
        key=key,
        on_change=changed,
        height=36 * (len(rows) + 1) + 2,
        row_height=36,
    )


def by_group(held: Roster, view: View) -> None:
    """Mean ± sd (n) of each group; a click shows its runs."""
    lines, labels = runs_table.groups(held, view.group, view.shown, view.sort, down=view.down)
    if not labels:
        st.markdown(":gray[None of these runs has it.]")
        return
    config = runs_table.config(view.shown, []) | {
        "group": st.column_config.TextColumn(grouped_by(view.group).removeprefix("by "), width=320),
        "runs": st.column_config.NumberColumn("runs", width=60),
        "live": st.column_config.NumberColumn("live", width=60),
    }
    clicked = st.dataframe(
        lines,
        hide_index=True,
        column_config={
            **config,
            **{
                f"c:{n}": st.column_config.TextColumn(runs_table.title(n), width=190, alignment="right")
                for n in view.shown
            },
        },
        on_select="rerun",
        selection_mode="single-cell",
        key=f"groups-{hash(tuple(labels))}-{st.session_state.get('opened', 0)}",
        height=36 * (min(len(labels), 25) + 1) + 2,
        row_height=36,
    )
    st.caption(
        f"{several(len(labels), 'group')}, mean ± standard deviation (runs that have a value) · click one to see it"
    )
    if clicked.selection.cells:
        anew()
        state.write("f", narrowed(state.read("f"), view.group, labels[clicked.selection.cells[0][0]], held))
        state.write("group", "")
        st.rerun()


def narrowed(text: str, by: str, label: str, held: Roster) -> str:
    """The filter that leaves only this group."""
    quoted = f'"{label}"' if '"' not in label else label
    if by == "name":
        project, _, name = label.partition("/")
        names = sorted({one.run.name for one in roster.grouped(held, by)[label]})
        same = " or ".join(f'name="{one}"' for one in names[:20])
        return f'{text} project="{project}" ({same})'.strip() if names else f"{text} {name}"
    return f"{text} {by}={quoted}".strip()


main()
