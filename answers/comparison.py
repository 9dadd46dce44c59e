"""Compared with what? Runs or groups of seeds on one axis, what of their difference is more than noise, what differs in
their configs, and which signal parted first."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from analyses import ablation
from analyses import comparison as analysis
from analyses.ablation import Grid
from analyses.comparison import Bands, Better, Difference, Stretch, common, last_rows, on_grid
from analyses.onset import Order, order
from analyses.words import number
from answers import spent
from answers.curves import Curves
from answers.gpus import gpus
from answers.roster import seedless
from db import edits, runs
from db.quantities import quantity
from db.runs import Run

By = Literal["steps", "tokens", "hours"]
GRID = 200
MAIN = ("reward_mean", "score_mean", "val_score")
LONGEST = 300  # characters of a regex, and of a name
_BRACKET = re.compile(r"((?:^|[^\\])(?:\\\\)*)\((?!\?)")  # the first that opens a group without a name


@dataclass(frozen=True)
class Side:
    """A run, or a group of seeds, under one label."""

    label: str
    run_ids: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """One quantity, the first side against another. first, second: means over the last fifth of the common stretch,
    area: means over all of it. seeds: whether runs were counted (or rows of one run each). adjusted: p after Holm."""

    quantity: str
    good: str
    other: str
    first: float
    second: float
    area_first: float
    area_second: float
    difference: Difference
    chance: float | None
    chance_low: float | None
    chance_high: float | None
    seeds: bool
    adjusted: float | None = None

    @property
    def verdict(self) -> str:
        """In words, as far as a test can say."""
        if self.adjusted is None:
            return self.difference.why or "no test"
        if self.adjusted > 0.05:
            return "not distinguishable"
        higher = "higher" if self.difference.value > 0 else "lower"
        return higher if self.seeds else f"{higher} in these two runs"


@dataclass(frozen=True)
class Lines:
    """A quantity of every side on the common stretch: x (k,), a band for each side that has it."""

    quantity: str
    x: np.ndarray
    sides: dict[str, Bands]


@dataclass(frozen=True)
class Comparison:
    """sides: the first is what the others are compared with. unit: of the axis; low, high: the stretch that all have
    (NaN: none). without: runs that lack the axis. parted: which signal of the first two sides parted first."""

    sides: tuple[Side, ...]
    unit: str
    low: float
    high: float
    without: tuple[str, ...]
    pairs: tuple[Pair, ...]
    lines: tuple[Lines, ...]
    parted: Order
    sentence: str

    def as_json(self) -> dict[str, Any]:
        told = {name: value for name, value in asdict(self).items() if name not in ("lines", "parted")}
        for one, pair in zip(told["pairs"], self.pairs, strict=True):
            one["verdict"] = pair.verdict
        parted = [{k: v for k, v in asdict(one).items() if k != "draws"} for one in self.parted.moved]
        return told | {"parted": parted, "did_not_part": self.parted.still}


class _Runs:
    """The curves of the runs, and what each had spent by its steps."""

    def __init__(self, connection: sa.Connection, run_ids: Sequence[int], quantities: Sequence[str], by: By) -> None:
        self.runs = {run.id: run for run in runs.all_runs(connection, run_ids)}
        wanted = [*dict.fromkeys((*quantities, *spent.NEEDED))]
        self.curves = {run_id: Curves(connection, run_id, wanted) for run_id in self.runs}
        known = {run_id: gpus(runs.config_of(connection, run_id)) for run_id in self.runs}
        # GPU-hours of one and hours of another cannot stand on one axis.
        counted = by == "hours" and all(known.values())
        self.spent = {
            run_id: _axis(curves, by, known[run_id] if counted else None) for run_id, curves in self.curves.items()
        }

    def points(self, run_id: int, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(x, values) of a quantity's finite live points; empty where it or the axis is missing."""
        steps, values = spent.live(self.curves[run_id], name)
        axis = self.spent[run_id]
        return (axis.by(steps), values) if axis is not None and len(steps) else (np.zeros(0), np.zeros(0))


def _axis(curves: Curves, by: By, each: int | None) -> spent.Spent | None:
    if by == "tokens":
        return spent.tokens(curves)
    return spent.hours(curves, each) if by == "hours" else spent.steps(curves)


def sides(connection: sa.Connection, run_ids: Sequence[int], group: str = "") -> tuple[Side, ...]:
    """The runs in groups, in the order of their first run. group: "" (each alone), "name" (without its seed), "tag",
    "config.<key>", or "~<regex>": what its first bracket, or all of it, finds in the name."""
    known = {run.id: run for run in runs.all_runs(connection, run_ids)}
    found: dict[str, list[int]] = {}
    tags = edits.tags_given(connection) if group == "tag" else {}
    for run_id in dict.fromkeys(one for one in run_ids if one in known):
        for label in _labels(connection, known[run_id], group, tags):
            found.setdefault(label, []).append(run_id)
    if not group:
        return tuple(Side(_told(known, ids[0]), tuple(ids)) for ids in found.values())
    return tuple(Side(label, tuple(ids)) for label, ids in found.items())


def _labels(connection: sa.Connection, run: Run, group: str, tags: dict[int, tuple[str, ...]]) -> Iterable[str]:
    if not group:
        return [str(run.id)]
    if group == "name":
        return [seedless(run.name)]
    if group == "tag":
        return tags.get(run.id) or ["without a tag"]
    if group.startswith("config."):
        wanted, key = group.removeprefix("config."), group.rpartition(".")[2]
        value = {**runs.settings_of(connection, run.id), **runs.config_of(connection, run.id)}.get(wanted)
        return [f"{key} {_said(value)}" if value is not None else f"no {key}"]
    return [_matched(group.removeprefix("~"), run.name)]


def _matched(pattern: str, name: str) -> str:
    """What the pattern's first bracket, or all of it, finds. RE2 searches: no pattern can keep the server busy."""
    named = _BRACKET.sub(r"\1(?P<side>", pattern[:LONGEST], count=1)
    named = named if "(?P<side>" in named else f"(?P<side>{named})"
    try:
        found = pc.extract_regex(pa.array([name[:LONGEST]]), named)[0].as_py()
    except pa.ArrowInvalid:
        return "others"
    return (found or {}).get("side") or "others"


def _told(known: dict[int, Run], run_id: int) -> str:
    names = [run.name for run in known.values()]
    run = known[run_id]
    if names.count(run.name) == 1:
        return run.name
    labels = [one.label for one in known.values()]
    return run.label if labels.count(run.label) == 1 else f"{run.label} ({run.id})"


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def comparison(
    connection: sa.Connection,
    run_ids: tuple[int, ...],
    quantities: tuple[str, ...],
    by: By = "steps",
    group: str = "",
) -> Comparison:
    """The first side against every other. Runs that are gone are left out."""
    made = sides(connection, run_ids, group)
    every = [run_id for side in made for run_id in side.run_ids]
    found = _Runs(connection, every, quantities, by)
    units = {axis.unit for axis in found.spent.values() if axis is not None}
    without = tuple(found.runs[run_id].name for run_id, axis in found.spent.items() if axis is None)
    low, high = common([axis.spent for axis in found.spent.values() if axis is not None and len(axis.spent) > 1])
    pairs = _adjusted([pair for name in quantities for pair in _pairs(found, made, name, low, high)])
    lines = tuple(line for name in quantities if (line := _lines(found, made, name, low, high)) is not None)
    unit = units.pop() if len(units) == 1 else by
    bare = Comparison(made, unit, low, high, without, pairs, lines, _parted(found, made, quantities, low, high), "")
    return Comparison(**{**_shallow(bare), "sentence": _sentence(bare)})


def _shallow(one: Comparison) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Comparison.__dataclass_fields__}


def _pairs(found: _Runs, made: Sequence[Side], name: str, low: float, high: float) -> list[Pair]:
    if len(made) < 2 or not math.isfinite(low):
        return []
    first = _stretches(found, made[0], name, low, high)
    told = [(side, _stretches(found, side, name, low, high)) for side in made[1:]]
    return [_pair(found, name, made[0], first, side, other, low, high) for side, other in told if first and other]


def _stretches(found: _Runs, side: Side, name: str, low: float, high: float) -> dict[int, Stretch]:
    every = {run_id: analysis.stretch(*found.points(run_id, name), low, high) for run_id in side.run_ids}
    return {run_id: one for run_id, one in every.items() if one.n}


def _pair(
    found: _Runs,
    name: str,
    base: Side,
    first: dict[int, Stretch],
    side: Side,
    other: dict[int, Stretch],
    low: float,
    high: float,
) -> Pair:
    ends = [[one.end for one in each.values()] for each in (first, other)]
    areas = [float(np.mean([one.area for one in each.values()])) for each in (first, other)]
    better: Better | None = None
    if len(base.run_ids) == len(side.run_ids) == 1:
        rows = [last_rows(*found.points(each.run_ids[0], name), low, high) for each in (base, side)]
        difference = analysis.within(*rows)
    else:
        better = analysis.between(*ends)
        difference = better.difference
    meant = quantity(name)
    means = [float(np.mean(each)) for each in ends]
    return Pair(
        quantity=name,
        good=meant.good if meant else "neither",
        other=side.label,
        first=means[0],
        second=means[1],
        area_first=areas[0],
        area_second=areas[1],
        difference=difference,
        chance=better.chance if better else None,
        chance_low=better.chance_low if better else None,
        chance_high=better.chance_high if better else None,
        seeds=better is not None,
    )


def _adjusted(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """With Holm's p over the whole table."""
    together = analysis.holm([pair.difference.p for pair in pairs])
    shallow = [{name: getattr(pair, name) for name in Pair.__dataclass_fields__} for pair in pairs]
    return tuple(Pair(**{**one, "adjusted": p}) for one, p in zip(shallow, together, strict=True))


def _lines(found: _Runs, made: Sequence[Side], name: str, low: float, high: float) -> Lines | None:
    """Bands of groups; a side of one run is a line."""
    if not math.isfinite(low):
        return None
    x = np.linspace(low, high, GRID)
    told = {}
    for side in made:
        each = [on_grid(*found.points(run_id, name), x) for run_id in side.run_ids]
        each = [curve for curve in each if np.isfinite(curve).any()]
        if each:
            told[side.label] = analysis.bands(np.array(each))
    return Lines(name, x, told) if told else None


def _parted(found: _Runs, made: Sequence[Side], quantities: Sequence[str], low: float, high: float) -> Order:
    """Which signal of two runs parted first: the bend of their difference, flat until then."""
    if len(made) != 2 or not math.isfinite(low):
        return Order((), ())
    signals = {}
    for name in quantities:
        sets = [[found.points(run_id, name) for run_id in side.run_ids] for side in made]
        sets = [[points for points in each if len(points[0]) > 1] for each in sets]
        if all(sets):
            count = min(len(points[0]) for each in sets for points in each)
            x = np.linspace(low, high, max(min(count, GRID), 2))
            means = [np.mean([on_grid(*points, x) for points in each], axis=0) for each in sets]
            signals[name] = (x, np.log(means[1] / means[0]) if _ratio(means) else means[1] - means[0])
    return order(signals, sloped=False)


def _ratio(means: Sequence[np.ndarray]) -> bool:
    """Entropies, lengths, norms: where neither comes near 0 in its own range, what counts is by how many times."""
    both = np.concatenate(means)
    return bool((both > 0).all() and both.max() > 1.5 * both.min() > 0 and both.min() > 0.02 * both.max())


def _sentence(one: Comparison) -> str:
    if len(one.sides) < 2:
        return f"{_several(len(one.sides), 'run')} alone: choose another to compare with."
    if not math.isfinite(one.low):
        return f"These runs have no stretch of {one.unit} in common: nothing can be compared at equal {one.unit}."
    main = next((pair for name in MAIN for pair in one.pairs if pair.quantity == name), None)
    main = main or next(iter(one.pairs), None)
    if main is None:
        return f"These {len(one.sides)} log nothing in common that could be compared over the same {one.unit}."
    where = f"over the last fifth of the {one.unit} that all have (up to {_spoken(one.high)})"
    best = max(
        (pair for pair in one.pairs if pair.quantity == main.quantity), key=lambda pair: abs(pair.difference.value)
    )
    off, interval = _off(best)
    told = f"{_title(best.quantity)} of {best.other} is {off} {one.sides[0].label}{interval} {where}; {_sure(best)}."
    first = [moved for moved in one.parted.moved if moved.rank == 1]
    if first:
        names = [_title(moved.name) for moved in first]
        near = f"at {_spoken(first[0].low)} to {_spoken(max(moved.high for moved in first))} {one.unit}"
        told += f" {' and '.join([names[0], *(name.lower() for name in names[1:])])} parted first, {near}."
    return told


def _off(pair: Pair) -> tuple[str, str]:
    value, low, high = pair.difference.value, pair.difference.low, pair.difference.high
    between = f" ({number(low)} to {number(high)})".replace("-", "−") if math.isfinite(low) else ""
    return f"{number(abs(value))} {'above' if value >= 0 else 'below'} that of", between


def _sure(pair: Pair) -> str:
    if pair.adjusted is None:
        return f"whether that is more than noise cannot be tested: {pair.difference.why}"
    p = f"p {number(pair.adjusted)} after Holm" if pair.adjusted >= 0.001 else "p under 0.001 after Holm"
    if pair.seeds:
        return f"{'more than the noise between seeds' if pair.adjusted <= 0.05 else 'not distinguishable'}, {p}"
    word = "more than the noise within the runs" if pair.adjusted <= 0.05 else "not distinguishable"
    return f"{word}, {p}; one seed each, so nothing is said of another seed"


def _title(name: str) -> str:
    meant = quantity(name)
    label = meant.label.split(" (")[0] if meant else name
    return label[:1].upper() + label[1:]


def _spoken(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else number(value)


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def differing(connection: sa.Connection, run_ids: Sequence[int]) -> dict[str, list[str | None]]:
    """Key -> its value in each run (None: not in it), for the keys that differ: what Stepwell understood first, so that
    trainers can be compared, then as each trainer writes it. Runs without a config do not make a key differ."""
    found: dict[str, list[str | None]] = {}
    for read in (runs.settings_of, runs.config_of):
        configs = [read(connection, run_id) for run_id in run_ids]
        told = [config for config in configs if config]
        for key in sorted({key for config in told for key in config}):
            if len({_said(config.get(key)) for config in told}) > 1:
                found.setdefault(key, [_said(config[key]) if key in config else None for config in configs])
    return found


def grid(
    connection: sa.Connection, run_ids: tuple[int, ...], quantities: tuple[str, ...], by: By, group: str
) -> Grid | None:
    """The sides as levels of one factor, the quantities that have a good direction as outcomes (dynamics 9.3). None
    with fewer than two levels or without a common stretch."""
    made = sides(connection, run_ids, group)
    found = _Runs(connection, [run_id for side in made for run_id in side.run_ids], quantities, by)
    low, high = common([axis.spent for axis in found.spent.values() if axis is not None and len(axis.spent) > 1])
    if len(made) < 2 or not math.isfinite(low):
        return None
    scores: dict[tuple[str, str], list[float]] = {}
    errors: dict[tuple[str, str], tuple[float, float]] = {}
    good: dict[str, Literal["up", "down"]] = {}
    for name in quantities:
        meant = quantity(name)
        if meant is None or meant.good == "neither":
            continue
        good[name] = meant.good
        for side in made:
            each = _stretches(found, side, name, low, high)
            scores[side.label, name] = [one.end for one in each.values()]
            if len(each) == 1:
                rows = last_rows(*found.points(next(iter(each)), name), low, high)
                left = next(iter(each.values())).independent
                if left >= 3:
                    errors[side.label, name] = (float(rows.std(ddof=1)) / math.sqrt(left), left - 1)
    return ablation.grid(scores, good=good, errors=errors)
