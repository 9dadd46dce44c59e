"""Every choice is in the address: a view can be sent to somebody, kept as a bookmark, gone back to.

The address is the truth. Before a widget is made it takes its value from there, and what the user does to it is
written there; a value that makes no sense counts as not given, and a default leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")


def read(name: str, default: str = "") -> str:
    """The choice as it stands in the address."""
    return str(st.query_params.get(name, default))


def write(name: str, value: str, default: str = "") -> None:
    """Put the choice into the address; the default takes it out."""
    if value == default:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def numbers(name: str) -> list[int]:
    """A list of ids, "3,8,12"; anything else in it is left out."""
    return [int(part) for part in read(name).split(",") if part.isascii() and part.isdigit() and len(part) < 18]


def bind(name: str, value: object, encode: Callable[[Any], str], default: str) -> dict[str, Any]:
    """The arguments that tie any widget to the address: it shows `value` and writes `encode(choice)`."""
    key = f"w_{name}"
    if key not in st.session_state or st.session_state[key] != value:  # to set it again would only make Streamlit warn
        st.session_state[key] = value

    def changed() -> None:
        write(name, encode(st.session_state[key]), default)

    return {"key": key, "on_change": changed}


def one_of(name: str, options: Sequence[str], default: str) -> tuple[str, dict[str, Any]]:
    """The chosen option and the arguments that tie a selectbox or segmented control to it."""
    value = read(name, default)
    value = value if value in options else default
    return value, bind(name, value, lambda v: v or default, default)


def flag(name: str, default: bool = False) -> dict[str, Any]:
    """The arguments that tie a toggle to the address."""
    given = {"1": True, "0": False}.get(read(name), default)
    return bind(name, given, lambda v: "1" if v else "0", "1" if default else "0")


def text(name: str) -> dict[str, Any]:
    """The arguments that tie a text input to the address."""
    return bind(name, read(name)[:200], lambda v: (v or "")[:200], "")


def page_number(name: str, pages: int) -> dict[str, Any]:
    """The arguments that tie a pagination to the address."""
    given = read(name)
    value = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 1
    return bind(name, min(max(value, 1), max(pages, 1)), str, "1")


def some_of(name: str, options: Sequence[T], default: Sequence[T], encode: Callable[[T], str]) -> dict[str, Any]:
    """The arguments that tie a multiselect to the address, as a comma-separated list of `encode(option)`."""
    by_code = {encode(option): option for option in options}
    given = st.query_params.get(name)
    chosen = list(default) if given is None else [by_code[c] for c in given.split(",") if c in by_code]
    if given and not chosen:
        chosen = list(default)
    usual = ",".join(encode(option) for option in default)
    return bind(name, chosen, lambda v: ",".join(encode(option) for option in v), usual)
