"""The dashboard's door: finds the pages, shows the chosen one, and never shows a stack trace for an answer.

A page is a file `pages/NN_<name>.py`; its docstring is the question that it answers.
"""

from __future__ import annotations

import ast
import re
import traceback
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import data, downloads, gate, inpage, keys, parts, state
from db.engine import StoreError
from db.settings import BadSettings

PAGES = Path(__file__).parent / "pages"
SECTIONS = {"": "1246", "One run": "3", "Results": "5", "Store": "789"}
"""Menu -> first digits of its pages; the pages of "" stand in the bar itself."""


def pages() -> list[Path]:
    """The pages in order of their numbers."""
    return sorted(path for path in PAGES.glob("*.py") if re.match(r"\d\d_[a-z_]+\.py$", path.name))


def name(page: Path) -> str:
    """What the address calls it: overview for 10_overview.py."""
    return page.stem[3:]


def question(page: Path) -> str:
    """What the page answers: the first line of its docstring."""
    return (ast.get_docstring(ast.parse(page.read_text(encoding="utf-8"))) or name(page)).splitlines()[0]


def main() -> None:
    st.set_page_config(page_title="Stepwell", page_icon=str(parts.ICON), layout="wide")
    st.html(parts.CSS)
    st.logo(parts.LOGO, size="medium", link=None)
    found = pages()
    made = {
        section: [
            st.Page(
                page, title=name(page).replace("_", " ").capitalize(), url_path=name(page), default=page == found[0]
            )
            for page in found
            if page.name[0] in digits
        ]
        for section, digits in SECTIONS.items()
    }
    chosen = st.navigation({section: pages for section, pages in made.items() if pages}, position="top")
    body, foot = st.container(), st.container(key="foot", horizontal=True, vertical_alignment="center")
    with foot:
        keys.listen()
        inpage.crosshair()
        gate.sign()
    with body:
        show(chosen)


def show(chosen: Any) -> None:
    """The page, or calm words where it cannot be had."""
    try:
        if not gate.let_in():
            return
        if (other := run_beside(chosen.url_path)) is not None:
            st.query_params["run"] = str(other)
        downloads.begin()
        chosen.run()
        downloads.offer()
        keys.forget()
    except StoreError as error:
        st.subheader("The store cannot be read", anchor=False)
        st.markdown("Nothing is lost: the page comes back as soon as the store does.")
        st.code(str(error), language=None)
    except BadSettings as error:
        st.subheader("The settings cannot be read", anchor=False)
        st.code(str(error), language=None)
    except Exception:
        st.subheader("This page has stumbled", anchor=False)
        st.markdown("The data is untouched. Another page, or this one with other choices, should work.")
        with st.expander("Details, for a bug report"):
            st.code(traceback.format_exc(), language=None)


def run_beside(page: str) -> int | None:
    """On a page about one run, the run that j or k leads to."""
    if page not in {name(path) for path in pages() if path.name[0] in SECTIONS["One run"]}:
        return None
    runs = data.every_run(data.store_url())
    named = state.read("run")
    here = next((run.id for run in runs if named in (str(run.id), run.label, run.name)), None)
    return keys.neighbour(here, [run.id for run in runs])
