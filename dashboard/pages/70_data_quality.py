"""Is everything read, and understood?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pandas as pd
import streamlit as st

from analyses import judge
from charts.theme import run_colour
from dashboard import data, parts, state
from dashboard.words import listed, number, plain, sentence, several, trouble
from db import documents, evaluations
from db.quantities import quantity
from db.runs import Run
from db.understood import WANTED, Understood

QUESTION = "Is everything read, and understood?"
HERE = parts.HERE / "pages" / "70_data_quality.py"
TELLING = 4  # names that a trainer is told by
ROWS = 50  # of the table on one page


@dataclass(frozen=True, slots=True)
class Quality:
    """What was read and understood of a run. needed: quantity -> the troubles that nobody can see without it."""

    told: Understood
    needed: dict[str, list[str]]

    @property
    def run(self) -> Run:
        return self.told.run

    @property
    def aside(self) -> int:
        """Lines that could not be read."""
        return sum(source.unread for source in self.told.sources)

    @property
    def known(self) -> int:
        """Names that have a meaning."""
        return len(self.told.names) - len(self.told.unknown)

    @property
    def missing(self) -> list[str]:
        """Quantities that are not logged: those that a detector needs, then others that people look for."""
        return [*sorted(self.needed), *sorted({lack.quantity for lack in self.told.missing} - self.needed.keys())]


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    runs = data.every_run(url)
    if not runs:
        parts.head(QUESTION, "", None, now)
        parts.nothing_yet()
        st.stop()
    named = state.read("run")
    chosen = [run for run in runs if named in (str(run.id), run.label, run.name)][:1]
    everyone = [quality(data.understood(url, run.id, now.versions.get(run.id, 0))) for run in chosen or runs]
    parts.head(QUESTION, plain(answer(everyone), 400), data.newest_wall(one.run for one in everyone), now)
    if named and not chosen:
        parts.no_such_run(named)
    elif len(everyone) == 1:
        show(everyone[0], now, alone=len(runs) == 1)
    else:
        table(sorted(everyone, key=worst_first))
        beside_the_logs(now)


def beside_the_logs(now: data.Pulse) -> None:
    """The documents, those first of which something could not be read."""
    papers = data.ask(documents.known, now.noted)
    if not papers:
        return
    scores = data.ask(evaluations.counts, now.noted)
    aside = sum(one.unread for one in papers)
    left = f"{several(aside, 'entry', 'entries')} set aside" if aside else "nothing set aside"
    st.markdown(f"#### {several(len(papers), 'document')} beside the logs: {left}")
    rows = [
        {"document": one.path, "kind": one.kind.replace("_", " "), "format": one.format,
         "scores": scores.get(one.id, 0), "set aside": one.unread, "first of them": one.why}
        for one in sorted(papers, key=lambda one: (-one.unread, one.path))[: 10 * ROWS]
    ]  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=min(36 * (len(rows) + 1) + 2, 400))


def quality(told: Understood) -> Quality:
    """Which detectors are blind for what the run does not log; of a run that logs nothing yet, none is said to be."""
    needed: dict[str, list[str]] = {}
    for blind, names in judge.missing(told.found).items() if told.names else ():
        for name in names:
            needed.setdefault(_asked_for_as(name), []).append(trouble(blind))
    return Quality(told, needed)


def _asked_for_as(name: str) -> str:
    """The quantity under which db.understood asks for this one."""
    return next((asked for asked, (_, answers) in WANTED.items() if name in answers), name)


def answer(everyone: Sequence[Quality]) -> str:
    """How much of these runs was read and set aside, and what is missing."""
    files, aside = sum(len(one.told.sources) for one in everyone), sum(one.aside for one in everyone)
    whose = everyone[0].run.label if len(everyone) == 1 else several(len(everyone), "run")
    return (
        f"{several(files, 'file')} of {whose} {'is' if files == 1 else 'are'} read; "
        f"{several(aside, 'line') if aside else 'no line'} {'was' if aside < 2 else 'were'} set aside; "
        f"{lacking(everyone)}."
    )


def lacking(everyone: Sequence[Quality]) -> str:
    """How many quantities that a detector needs are not logged."""
    names = {name for one in everyone for name in one.needed}
    if not names:
        return "nothing that the detectors need is missing"
    where = "not logged" if len(everyone) == 1 else "missing in one run or another"
    return (
        f"{several(len(names), 'quantity', 'quantities')} that the detectors need "
        f"{'is' if len(names) == 1 else 'are'} {where}"
    )


def worst_first(one: Quality) -> tuple[int, int, int, str]:
    return -one.aside, -len(one.needed), -len(one.told.unknown), one.run.label


def table(everyone: Sequence[Quality]) -> None:
    """Every run in counts, those with the most set aside first; a click chooses one."""
    pages = -(-len(everyone) // ROWS)
    page = 1 if pages == 1 else st.pagination(pages, **state.page_number("page", pages))
    part = everyone[(page - 1) * ROWS : page * ROWS]
    rows = pd.DataFrame([row(one) for one in part])
    swatch = [f"color: {run_colour(parts.look(), one.run.id)}" for one in part]
    clicked = st.dataframe(
        rows.style.apply(lambda _: swatch, subset=["colour"]),
        hide_index=True,
        column_config=columns(),
        on_select="rerun",
        selection_mode="single-cell",
        width="content",
        key=f"quality-{st.session_state.get('opened', 0)}",
        height=36 * (len(part) + 1) + 2,
        row_height=36,
    )
    st.caption("click a row to see what was recognised, and what was not")
    if clicked.selection.cells:
        st.session_state["opened"] = st.session_state.get("opened", 0) + 1  # else coming back would open it again
        st.switch_page(HERE, query_params={"run": str(part[clicked.selection.cells[0][0]].run.id)})


def row(one: Quality) -> dict[str, object]:
    """One line of the table."""
    return {
        "colour": "■",
        "run": one.run.name,
        "set aside": one.aside,
        "missing": len(one.missing),
        "unknown": len(one.told.unknown),
        "found": len(one.told.found.keys() - {""}),
        "files": len(one.told.sources),
        "rows": sum(source.rows for source in one.told.sources),
        "project": one.run.project,
        "trainer": one.run.trainer or "–",
    }


def columns() -> dict[str, Any]:
    count = st.column_config.NumberColumn
    return {
        "colour": st.column_config.TextColumn("", width=28),
        "run": st.column_config.TextColumn("run", width=210),
        "set aside": count("set aside", width=85, help="lines that could not be read"),
        "missing": count("missing", width=75, help="quantities that a detector or a reader looks for in vain"),
        "unknown": count("unknown", width=80, help="names that are kept and listed, but have no meaning yet"),
        "found": count("found", width=70, help="quantities that the logged names mean"),
        "files": count("files", width=60),
        "rows": count("rows", width=80, format="localized", help="records with training metrics"),
        "project": st.column_config.TextColumn("project", width=110),
        "trainer": st.column_config.TextColumn("trainer", width=120),
    }


# -- one run


def show(one: Quality, now: data.Pulse, *, alone: bool) -> None:
    """What was recognised of a run, then what is missing, unreadable, found and unknown."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"#### {plain(one.run.label)}")
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            if not alone:
                back = ":material/arrow_back:"
                st.button("all runs", icon=back, type="tertiary", on_click=state.write, args=("run", ""))
            parts.run_link(one.run, "curves", icon=":material/arrow_forward:")
    recognised(one)
    set_aside(one, data.about(data.store_url(), one.run.id, now.versions.get(one.run.id, 0)).unread)
    missing(one)
    found(one.told)
    unknown(one.told)


def recognised(one: Quality) -> None:
    """The files with their formats, the trainer, and what told it."""
    trainer = f"The names are those of **{plain(one.run.trainer)}**" if one.run.trainer else "The trainer is not known"
    why = f", told by {', '.join(plain(name) for name in one.told.told_by[:TELLING])}" if one.told.told_by else ""
    st.markdown(f"{trainer}{why}: {one.known:,} of the {several(len(one.told.names), 'logged name')} have a meaning.")
    rows = [
        {
            "file": source.path,
            "format": source.format,
            "read": f"{number(source.offset)}B of {number(source.size)}B",
            "rows": source.rows,
            "steps": "–" if source.first_step is None else f"{source.first_step:,} – {source.last_step:,}",
            "set aside": source.unread,
        }
        for source in one.told.sources
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")


def set_aside(one: Quality, unread: dict[int, list[tuple[int, str]]]) -> None:
    """The lines that could not be read, and why."""
    if not one.aside:
        return
    st.markdown("#### Set aside")
    rows = [
        {"file": PurePath(source.path).name, "line": line, "why": why}
        for source in one.told.sources
        for line, why in unread.get(source.id, [])
    ]
    widths = {"file": st.column_config.Column(width=150), "line": st.column_config.Column(width=60)}
    widths |= {"why": st.column_config.Column(width=640)}
    table = pd.DataFrame(rows, columns=["file", "line", "why"])
    st.dataframe(table, hide_index=True, width="content", column_config=widths)
    if one.aside > len(rows):
        st.caption(f"{one.aside:,} in all; the first {len(rows):,} are kept")


def missing(one: Quality) -> None:
    """What is not logged: how to log it, and what nobody can see without it."""
    if not one.missing:
        return
    usual = {lack.quantity: (lack.label, lack.how) for lack in one.told.missing}
    lines = []
    for name in one.missing:
        label, how = usual.get(name, (_label(name), None))
        setting = plain(how.rstrip("."), 400) if how else ":gray[no setting is known that would log it]"
        blind = f"; without it nobody sees {plain(listed(one.needed[name], 9))}" if name in one.needed else ""
        lines.append(f"- **{plain(sentence(label))}** — {setting}:gray[{blind}.]")
    st.markdown("#### Not logged\n" + "\n".join(lines))
    if one.told.log:
        st.caption(f"The log that loses least: {plain(one.told.log, 400)}")


def _label(name: str) -> str:
    known = quantity(name)
    return known.label.split(" (")[0] if known else name


def found(told: Understood) -> None:
    """Each name that has a meaning: the quantity, its unit, and what to mind."""
    rows = [
        {"logged as": metric.name, "quantity": _label(name) if name else "–", "unit": _unit(name, metric.unit)}
        | {"caveat": metric.caveat or ""}
        for name, held in sorted(told.found.items())
        for metric in held
    ]
    if rows:
        st.markdown("#### Understood")
        st.dataframe(pd.DataFrame(rows), hide_index=True, height="content" if len(rows) < 12 else 430)


def _unit(name: str, logged: str | None) -> str:
    known = quantity(name)
    return logged or (known.unit if known else "")


def unknown(told: Understood) -> None:
    """Names that are kept and drawn, but mean nothing to Stepwell yet."""
    if told.unknown:
        st.markdown(f"#### Without a meaning\n{several(len(told.unknown), 'name')}, kept and drawn as logged.")
        st.dataframe(pd.DataFrame({"logged as": told.unknown}), hide_index=True, height="auto")


main()
