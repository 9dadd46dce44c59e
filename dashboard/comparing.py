"""The parts of the page that compares: groups, bands, what is more than noise, one factor, runs alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from analyses.ablation import Grid
from analyses.comparison import Bands
from answers.alike import Good, Like
from answers.comparison import By, Comparison, Lines, Pair, Side, differing
from charts import export, levels, ribbon
from charts.lines import Style
from charts.theme import Look, run_colour
from dashboard import data, downloads, parts, state
from dashboard.words import listed, number, plain, sentence, several, trouble
from db.quantities import quantity
from db.runs import Run

GROUPS = {
    "": "each run alone",
    "name": "by name without seed",
    "tag": "by tag",
    "config": "by a config key",
    "~": "by a pattern",
}
BANDS = {"sd": "mean ± sd", "range": "min–max", "iqm": "IQM, 95 %"}
AXES: dict[str, By] = {"tokens": "tokens", "hours": "hours", "gpu": "hours"}
NOISE = (
    "Each is compared with the first over the last fifth of the stretch that all have. With one run on each side, rows "
    "are compared: what is told is noise within these two runs, nothing about another seed; rows hang together, so "
    "there is a test only where they amount to 30 independent ones. With several runs on a side, each run counts once: "
    "interquartile means, a stratified bootstrap, and a permutation test where the seeds are enough for one. p is "
    "after Holm over the whole table."
)
FACTOR = (
    "A level beats another if it is surely better in one outcome (5 % wrong over the whole grid) and surely worse in "
    "none. Bars are one standard error; of a single run, that of its rows. Filled: no level beats it."
)


def title(name: str) -> str:
    meant = quantity(name)
    return sentence(meant.label.split(" (")[0]) if meant else trouble(name)


def grouping(chosen: Sequence[Run]) -> str:
    """How the runs are grouped, as answers.comparison takes it; the widgets stand in the row that is open."""
    kind, tied = state.one_of("group", list(GROUPS), "")
    st.selectbox(
        "groups", list(GROUPS), format_func=GROUPS.__getitem__, label_visibility="collapsed", width=220, **tied
    )
    if kind == "config":
        ids = tuple(run.id for run in chosen)
        keys = list(data.ask(differing, data.pulse(data.store_url()).of(ids), ids))
        if not keys:
            st.markdown(":gray[Their configs do not differ.]")
            return ""
        key, tied = state.one_of("key", keys, keys[0])
        st.selectbox("key", keys, label_visibility="collapsed", width=320, **tied)
        return f"config.{key}"
    if kind == "~":
        hint = r"a regex on the name: (stage\d)"
        st.text_input("pattern", placeholder=hint, label_visibility="collapsed", width=260, **state.text("pattern"))
        given = state.read("pattern")
        return f"~{given}" if given else ""
    return kind


def band() -> str:
    """What stands around the mean of a group."""
    kind, tied = state.one_of("band", list(BANDS), "sd")
    st.segmented_control("band", list(BANDS), format_func=BANDS.__getitem__, label_visibility="collapsed", **tied)
    return kind


def colours(look: Look, sides: Sequence[Side]) -> dict[str, str]:
    """A side has the colour of its first run; where two would have the same, the next that is free."""
    found: dict[str, str] = {}
    for side in sides:
        mine = run_colour(look, side.run_ids[0])
        free = [colour for colour in look.runs if colour not in found.values()]
        found[side.label] = mine if mine not in found.values() else (free or [mine])[0]
    return found


def bands(told: Comparison, kind: str, *, log: bool) -> None:
    """One chart for each quantity: a line and a band for each group."""
    look = parts.look()
    ink = colours(look, told.sides)
    with st.container(horizontal=True, gap="medium"):
        for side in told.sides:
            with st.container(horizontal=True, gap="xsmall", width="content", vertical_alignment="center"):
                st.html(f'<span style="color:{ink[side.label]};font-size:1.1rem">■</span>', width="content")
                st.markdown(f"{plain(side.label, 60)} :gray[({len(side.run_ids)})]", width="content")
    parts.grid([partial(one_band, line, told, kind, ink, log=log) for line in told.lines])
    small = [side.label for side in told.sides if len(side.run_ids) < 3]
    if kind == "iqm" and small:
        st.caption(plain(f"no interval under three runs: {listed(small)}", 300))


def one_band(line: Lines, told: Comparison, kind: str, ink: Mapping[str, str], *, log: bool) -> None:
    look, meant = parts.look(), quantity(line.quantity)
    unit = meant.unit if meant else ""
    steep = log or line.quantity == "grad_norm"
    made = [_ribbon(name, line, each, kind, ink[name], log=steep) for name, each in line.sides.items()]
    style = Style(
        look=look, unit=unit, x_title=told.unit, log=log or line.quantity == "grad_norm", height=260, keys=False
    )
    show(
        f"band-{line.quantity}-{kind}",
        title(line.quantity),
        ribbon.rows([], made),
        ribbon.spec(list(ink.items()), style, alt_text=f"{title(line.quantity)} by group"),
    )


def _ribbon(name: str, line: Lines, each: Bands, kind: str, colour: str, *, log: bool) -> ribbon.Ribbon:
    middle, low, high = {
        "sd": (each.mean, each.mean - each.sd, each.mean + each.sd),
        "range": (each.mean, each.lowest, each.highest),
        "iqm": (each.iqm, each.iqm_low, each.iqm_high),
    }[kind]
    if each.n < 2:
        return ribbon.Ribbon(name, colour, line.x, middle)
    meant = quantity(line.quantity)
    if meant is not None and meant.unit == "fraction":
        low, high = np.maximum(low, 0.0), np.minimum(high, 1.0)
    if log:  # mean less sd may be below 0, where a log axis has no place
        middle, low = np.where(middle > 0, middle, np.nan), np.maximum(low, middle / 10)
    return ribbon.Ribbon(name, colour, line.x, middle, low, high)


def show(key: str, said: str, table: pd.DataFrame, spec: dict[str, object]) -> None:
    """One chart under its title, also as a file."""
    downloads.add(
        key, downloads.Drawn(said, lambda: export.with_data(spec, table), lambda: table.map(safe).to_csv(index=False))
    )
    with st.container(key=f"panel-{key}"):
        st.markdown(f"**{plain(said)}**")
        st.vega_lite_chart(table, spec, theme=None, key=f"chart-{key}")


def safe(cell: object) -> object:
    return export.harmless(cell) if isinstance(cell, str) else cell


def noise(told: Comparison) -> None:
    """What of the differences is more than noise: with intervals, and no p-value that cannot be stood by."""
    st.markdown("#### What of it is more than noise?", help=NOISE)
    if len(told.sides) < 2:
        st.markdown(":gray[Choose a second run or group.]")
        return
    if not told.pairs:
        st.markdown(f":gray[They share no stretch of {told.unit} on which the same is logged.]")
        return
    seeds = any(pair.seeds for pair in told.pairs)
    rows = [_row(pair, told, seeds) for pair in told.pairs]
    right = {
        name: st.column_config.TextColumn(alignment="right")
        for name in ("mean", "of the first", "difference", "95 %", "P(higher)", "p (Holm)")
    }
    table = pd.DataFrame(rows)
    silent = [name for name in ("95 %", "P(higher)", "p (Holm)") if name in table and (table[name] == "–").all()]
    table = table.drop(columns=silent)
    st.dataframe(table, hide_index=True, height="content", column_config=right)
    where = f"{_place(told.low)} to {_place(told.high)} {told.unit}"
    left = f" · without this axis: {listed(told.without)}" if told.without else ""
    st.caption(plain(f"against {told.sides[0].label} · means of the last fifth of {where}{left}", 400))


def _place(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else number(value)


def _row(pair: Pair, told: Comparison, seeds: bool) -> dict[str, str]:
    meant = quantity(pair.quantity)
    unit = meant.unit if meant else ""
    one = pair.difference
    between = f"{number(one.low, unit)} to {number(one.high, unit)}" if math.isfinite(one.low) else "–"
    row = {
        "quantity": title(pair.quantity),
        "run or group": pair.other,
        "mean": number(pair.second, unit),
        "of the first": number(pair.first, unit),
        "difference": f"{'+' if one.value > 0 else ''}{number(one.value, unit)}",
        "95 %": between,
    }
    if seeds:
        sure = (
            ""
            if pair.chance_low is None or pair.chance_high is None
            else f" ({pair.chance_low:.2f}–{pair.chance_high:.2f})"
        )
        row["P(higher)"] = "–" if pair.chance is None else f"{pair.chance:.2f}{sure}"
    row["p (Holm)"] = "–" if pair.adjusted is None else f"{pair.adjusted:.3f}" if pair.adjusted >= 0.001 else "< 0.001"
    return row | {"what can be said": pair.verdict}


def parted(told: Comparison) -> None:
    """Which signal of two runs left the other first."""
    if len(told.sides) != 2 or not (told.parted.moved or told.parted.still):
        return
    st.markdown(
        "#### Which signal parted first?",
        help="The difference of the two is a level that leaves for another; the interval is from redrawn residuals. "
        "Signals of one rank cannot be told apart. That one parted first is no proof that it took the rest along.",
    )
    rows = [
        {
            "order": f"{one.rank}{' =' if sum(other.rank == one.rank for other in told.parted.moved) > 1 else ''}",
            "signal": title(one.name),
            "goes": "up" if one.up else "down",
            f"at ({told.unit})": _place(one.step),
            "95 %": f"{_place(one.low)}–{_place(one.high)}",
        }
        for one in told.parted.moved
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")
    still = ", ".join(title(name).lower() for name in told.parted.still)
    st.caption(
        plain(
            f"{told.sides[1].label} against {told.sides[0].label}"
            + (f" · not apart beyond noise: {still}" if still else ""),
            400,
        )
    )


def factor(grid: Grid | None) -> None:
    """One factor, several outcomes: no single winner unless one beats all."""
    if grid is None or not grid.cells:
        return
    st.markdown(
        "#### What does the factor do?",
        help=FACTOR,
    )
    lone = any(cell.n < 2 for cell in grid.cells.values())
    noise = " Levels of one run are judged by the noise within it, not by another seed." if lone else ""
    st.markdown(plain(_verdict(grid) + noise, 400))
    look = parts.look()
    charts = []
    for name in grid.outcomes:
        cells = [(level, grid.cells.get((level, name)), level in grid.pareto) for level in grid.levels]
        table = levels.rows([(level, cell.mean, cell.error, kept) for level, cell, kept in cells if cell is not None])
        meant = quantity(name)
        spec = levels.spec(look, unit=meant.unit if meant else "", alt_text=f"{title(name)} by level")
        better = {"up": "higher is better", "down": "lower is better"}.get(meant.good if meant else "", "")
        charts.append(partial(show, f"level-{name}", f"{title(name)} ({better})", table, spec))
    parts.grid(charts)


def _verdict(grid: Grid) -> str:
    if grid.verdict == "best":
        return f"{grid.level} beats all others: better in at least one outcome, worse in none."
    if grid.verdict == "trade-off":
        (one, first), (other, second) = grid.clash
        both = f"{title(one).lower()} is best served by {first}, {title(other).lower()} by {second}"
        return f"A trade-off: {both}. There is no best level."
    return "The levels cannot be told apart by these runs: no best one is named."


def alike(told: Like) -> None:
    """Runs that went like this one."""
    st.markdown(plain(told.sentence, 400))
    if told.runs:
        rows = [
            {
                "run": run.label,
                "distance": f"{one.distance:.2f}",
                "features in common": one.shared,
                "closest in": ", ".join(one.closest),
                "furthest in": ", ".join(one.furthest) or "–",
            }
            for run, one in told.runs
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")


def good(told: Good) -> None:
    """What the runs that did well have in common, and no claim of cause."""
    st.markdown(plain(told.sentence, 500))
    if told.common.keys:
        rows = [
            {
                "setting": one.key,
                "importance": f"{one.importance:.2f}",
                "better third": one.better,
                "others": one.others,
                "never differs without": ", ".join(one.same) or "–",
            }
            for one in told.common.keys
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")
        share = f"all settings together explain {max(told.common.explained, 0):.0%} of unseen runs"
        said = f"{several(told.common.n, 'run')} · {share}"
        st.caption(plain(f"{said} · importance: what is lost of that when a setting is shuffled", 300))
