"""What the pages about scores share: a chart of them, numbers with their errors, how a limit is said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from answers.evaluations import Scored, limit_words
from charts import scores
from charts.scores import Axes, Line
from charts.theme import run_colour
from dashboard import parts
from dashboard.words import number

NOT_STATED = "not stated"


def colour(name: str, run_id: int | None) -> str:
    """A run's own colour; a published system's follows from its name."""
    if run_id is not None:
        return run_colour(parts.look(), run_id)
    inks = parts.look().runs
    return inks[int(hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(), 16) % len(inks)]


def distinct(lines: Sequence[Line]) -> list[Line]:
    """Lines of one chart whose colours are all different, as long as there are enough."""
    inks, used, made = list(parts.look().runs), set[str](), []
    for line in lines:
        free = [ink for ink in inks if ink not in used]
        ink = line.colour if line.colour not in used or not free else free[0]
        used.add(ink)
        made.append(replace(line, colour=ink))
    return made


def chart(key: str, lines: Sequence[Line], axes: Axes, alt_text: str) -> None:
    """Points with whiskers of one standard error, joined per system."""
    shown = distinct(lines)
    drawn = scores.rows(shown, share=axes.y == "%")
    st.vega_lite_chart(drawn, scores.spec(shown, axes, alt_text), theme=None, key=f"scores-{key}")


def no_comma(name: str) -> str:
    """In the address, where commas divide names."""
    return name.replace(",", ";")


def limit(tokens: int | None) -> str:
    return NOT_STATED if tokens is None else limit_words(tokens)


def figure(one: Scored) -> str:
    """The value as it is printed, in its unit."""
    value = one.printed or ("–" if one.said.value is None else number(one.said.value))
    if one.said.value is None:
        return "not stated"
    if one.said.unit == "fraction":
        return f"{100 * one.said.value:.1f} %"
    return f"{value} %" if one.said.unit == "percent" else value


def plus_minus(value: float, error: float | None, digits: int = 1) -> str:
    return f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def metric(one: Scored) -> str:
    """pass@16 rather than pass@k, where k is known."""
    said = one.said
    return said.metric.replace("@k", f"@{said.k}") if said.k is not None else said.metric
