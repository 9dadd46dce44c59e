"""What the list of runs shows: its columns, order, groups, and the differences from a baseline, as a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from answers import roster
from answers.filter import CONFIG, fields, quantity_of
from answers.roster import Cell, Entry, Roster, as_number, grouped, spread
from charts.theme import Look, run_colour
from dashboard import data
from dashboard.health import Health, judged
from dashboard.words import ago, number, trouble
from db.quantities import quantity

BUCKET = 50  # runs whose curves are read and kept together: news of one run reads no more than these again
USUAL = ("reward_mean", "entropy_token_mean", "response_length_mean", "truncation_fraction")
FIXED = ("newest", "name", "project", "trainer", "state", "step", "attempts", "trouble")
GROUPS = ("name", "project", "trainer", "tag")
STATES = {"live": 0, "stalled": 1, "finished": 2}
RISKY = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula


def columns_of(entries: Sequence[Entry], names: Sequence[str], now: data.Pulse) -> dict[str, Mapping[int, Cell]]:
    """name -> run id -> value of all these columns; curves are read bucket by bucket."""
    found: dict[str, Mapping[int, Cell]] = {**data.ask(roster.newest, now.all, tuple(sorted(names)))}
    slow = tuple(sorted(name for name in names if (meant := quantity_of(name)) and meant[1] != "last"))
    if slow:
        merged: dict[str, dict[int, Cell]] = {name: {} for name in slow}
        buckets: dict[int, list[int]] = {}
        for one in entries:
            buckets.setdefault(one.run.id // BUCKET, []).append(one.run.id)
        for ids in buckets.values():
            cursor: Hashable = now.of(sorted(ids))
            for name, values in data.ask(roster.statistics, cursor, tuple(sorted(ids)), slow).items():
                merged[name] |= values
        found |= merged
    return found


def health_of(entries: Sequence[Entry], newest: Mapping[int, data.Newest], clock: float) -> dict[int, Health]:
    """run id -> live, stalled or finished, and its age."""
    paces = {run: n.values["time_step"] for run, n in newest.items() if "time_step" in n.values}
    ends = {run: n.end for run, n in newest.items() if n.end is not None}
    return {health.run.id: health for health in judged([one.run for one in entries], [], clock, paces, ends)}


def wanted(tree: Any, shown: Sequence[str], sort: str, group: str) -> list[str]:
    """Every column that has to be read."""
    return sorted({*fields(tree), *shown, sort, group})


def ordered(held: Roster, sort: str, *, down: bool) -> list[Entry]:
    """The runs in this order; those without a value last, of equals by project and name."""
    if sort in ("name", "project", "trainer", "trouble"):
        texts = dict(zip((e.run.id for e in held.entries), held.texts(sort), strict=True))
        have = [e for e in held.entries if texts[e.run.id]]
        have.sort(key=lambda e: [text.casefold() for text in texts[e.run.id]], reverse=down)
        return have + [e for e in held.entries if not texts[e.run.id]]
    if sort == "state":
        return sorted(held.entries, key=lambda e: STATES.get(held.states.get(e.run.id, ""), 9), reverse=down)
    if sort == "newest":  # what lives stands still while it grows: the one that was first seen last, first
        return sorted(held.entries, key=lambda e: _newness(e, held.states.get(e.run.id, "")), reverse=not down)
    values = held.numbers(sort)
    if sort.startswith(CONFIG) and not np.isfinite(values).any():
        cells = held.columns.get(sort, {})
        have = sorted((e for e in held.entries if e.run.id in cells), key=lambda e: str(cells[e.run.id]), reverse=down)
        return have + [e for e in held.entries if e.run.id not in cells]
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(-values[known] if down else values[known], kind="stable")]
    rest = np.flatnonzero(np.isnan(values))
    return [held.entries[place] for place in [*order.tolist(), *rest.tolist()]]


def _newness(one: Entry, state: str) -> tuple[bool, float, int]:
    return state == "live", 0.0 if state == "live" else one.run.wall or 0.0, one.run.id


def title(name: str) -> str:
    """What a column is called: short words, with its statistic."""
    if meant := quantity_of(name):
        known = quantity(meant[0])
        words = known.label.split(" (")[0] if known else trouble(meant[0])
        return words if meant[1] == "last" else f"{words}, {meant[1]}"
    return name.removeprefix(CONFIG)


def unit(name: str) -> str:
    meant = quantity_of(name)
    known = quantity(meant[0]) if meant else None
    return known.unit if known else ""


def cell(value: Cell | None, name: str, base: float = math.nan) -> str:
    """A value as it is read; beside a baseline, with its difference from that."""
    if value is None or isinstance(value, str):
        return value if value is not None else "–"
    if name.startswith(CONFIG):
        return f"{value:g}"
    shown = number(value, unit(name))
    if not math.isfinite(base) or not math.isfinite(value):
        return shown
    difference = value - base
    sign = "+" if difference >= 0 else "−"
    return f"{shown} ({sign}{_as_fine(abs(difference), shown, unit(name))})"


def _as_fine(difference: float, beside: str, of: str) -> str:
    """With as many decimals as the value that it stands beside."""
    digits, percent = beside.removesuffix(" %"), of == "fraction"
    if digits[-1:].isalpha() or "e" in digits:
        return number(difference, of)
    decimals = len(digits.partition(".")[2])
    return f"{100 * difference if percent else difference:,.{decimals}f}{' %' if percent else ''}"


def frame(
    rows: Sequence[Entry], held: Roster, shown: Sequence[str], base: int | None, marks: Mapping[int, str]
) -> pd.DataFrame:
    """One line per run. base: the run that the others are compared with; marks: run id -> what stands beside it."""
    table: dict[str, list[Any]] = {
        "colour": ["■" for _ in rows],
        "run": [f"{marks.get(e.run.id, '')}{e.run.name}" for e in rows],
        "state": [held.states.get(e.run.id, "") for e in rows],
        "step": ["–" if e.run.step is None else f"{e.run.step:,}" for e in rows],
        "age": [ago(held.ages.get(e.run.id)) for e in rows],
    }
    for name in shown:
        values = held.columns.get(name, {})
        zero = math.nan if base is None else as_number(values.get(base))
        table[f"c:{name}"] = [cell(values.get(e.run.id), name, math.nan if e.run.id == base else zero) for e in rows]
    table["trouble"] = [_firing(e) for e in rows]
    table["tags"] = [list(e.tags) for e in rows]
    table["note"] = [e.note for e in rows]
    table["project"] = [e.run.project for e in rows]
    table["trainer"] = [e.run.trainer for e in rows]
    return pd.DataFrame(table)


def _firing(one: Entry) -> str:
    more = f" +{len(one.troubles) - 1}" if len(one.troubles) > 1 else ""
    return f"{trouble(one.troubles[0])}{more}" if one.troubles else "–"


def styled(table: pd.DataFrame, rows: Sequence[Entry], look: Look, at: int | None) -> pd.io.formats.style.Styler:
    """The runs' own colours, red and amber for what is firing, grey for the rest. at: where j and k stand."""
    swatch = [f"color: {run_colour(look, e.run.id)}" for e in rows]
    grave = [f"color: {look.severity(e.severity) if e.severity else look.muted}" for e in rows]
    calm = [f"color: {look.muted}"] * len(rows)
    styler = table.style.apply(lambda _: swatch, subset=["colour"]).apply(lambda _: grave, subset=["trouble"])
    for column in ("project", "trainer", "state", "age"):
        styler = styler.apply(lambda _: calm, subset=[column])
    if at is not None:
        line = [f"background-color: {look.grid}" if place == at else "" for place in range(len(rows))]
        styler = styler.apply(lambda _: line, subset=["colour", "run", "state", "step", "age"])
    return styler


def config(shown: Sequence[str], tags: Sequence[str], *, edit: bool = False) -> dict[str, Any]:
    """Widths and alignments."""
    c = st.column_config
    return {
        "colour": c.TextColumn("", width=28, disabled=True),
        "run": c.TextColumn("run", width=230, disabled=True),
        "state": c.TextColumn("state", width=75, disabled=True),
        "step": c.TextColumn("step", width=75, alignment="right", disabled=True),
        "age": c.TextColumn("age", width=65, alignment="right", help="of the newest record", disabled=True),
        "trouble": c.TextColumn("firing", width=160, disabled=True, help="what is firing, or was when the run ended"),
        "tags": c.MultiselectColumn("tags", width=150, options=list(tags), accept_new_options=True, color="gray"),
        "note": c.TextColumn("note", width=240 if edit else 200),
        "project": c.TextColumn("project", width=110, disabled=True),
        "trainer": c.TextColumn("trainer", width=80, disabled=True),
        **{
            f"c:{name}": c.TextColumn(title(name), width=130, alignment="right", help=_help(name), disabled=True)
            for name in shown
        },
    }


def _help(name: str) -> str:
    meant = quantity_of(name)
    known = quantity(meant[0]) if meant else None
    if known is None or meant is None:
        return name
    of = {"last": "newest value", "best": "best value", "mean": f"mean of the last {roster.LAST} steps"}[meant[1]]
    return f"{known.label}: {of}"


def groups(held: Roster, by: str, shown: Sequence[str], sort: str, *, down: bool) -> tuple[pd.DataFrame, list[str]]:
    """One line per group: how many, how many of them live, and of each column mean ± sd (n); with the groups' names."""
    found = grouped(held, by)
    key = sort if sort in shown else ""
    means = {label: spread(Roster(of, columns=held.columns).numbers(key)).mean for label, of in found.items()}
    labels = list(found)
    if key:
        known = [label for label in labels if not math.isnan(means[label])]
        rest = [label for label in labels if math.isnan(means[label])]
        labels = sorted(known, key=lambda label: means[label], reverse=down) + rest
    lines = []
    for label in labels:
        of = Roster(found[label], held.states, held.ages, held.columns)
        line: dict[str, Any] = {"group": label, "runs": len(of)}
        line["live"] = sum(held.states.get(e.run.id) == "live" for e in of.entries)
        line |= {f"c:{name}": _spread(of, name) for name in shown}
        lines.append(line)
    return pd.DataFrame(lines), labels


def _spread(of: Roster, name: str) -> str:
    found = spread(of.numbers(name))
    if not found.n:
        return "–"
    sd = "" if math.isnan(found.sd) else f" ± {number(found.sd, unit(name))}"
    return f"{number(found.mean, unit(name))}{sd} ({found.n})"


def as_csv(held: Roster, shown: Sequence[str]) -> bytes:
    """All runs that pass, with full precision. A text that a spreadsheet would run gets a quote in front."""
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow(["id", "project", "run", "trainer", "state", "step", "firing", "tags", "note", *shown])
    for e in held.entries:
        values = [held.columns.get(name, {}).get(e.run.id, "") for name in shown]
        fixed = [e.run.project, e.run.name, e.run.trainer, held.states.get(e.run.id, ""), e.run.step]
        line = [e.run.id, *fixed, " ".join(e.troubles), ", ".join(e.tags), e.note, *values]
        write.writerow([f"'{one}" if isinstance(one, str) and one.startswith(RISKY) else one for one in line])
    return out.getvalue().encode("utf-8-sig")  # with the mark by which Excel knows UTF-8
