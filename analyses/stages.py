"""Stages of a run by its context limit, and runs that continue each other laid on one axis.

A stage is a stretch of rows under one limit. A person's word goes over the config's, that over what the log says per
step, that over the level at which the longest responses saturate, which is told as inferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyses import blocks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Origin = Literal["declared", "config", "logged", "inferred", "unknown"]
ORIGINS: tuple[Origin, ...] = ("unknown", "inferred", "logged", "config", "declared")

TOUCHES = 3  # rows that must end at exactly one length before it is taken for a limit


@dataclass(frozen=True, slots=True)
class Declared:
    """A stage as a person said it. limit: tokens, None for a stage of another kind."""

    first_step: int
    limit: float | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rows of a run say about its limit. steps (n,) ascending; logged, longest, cut (n,): the limit per step,
    the longest response, the truncated share; NaN where not logged."""

    steps: Ints
    logged: Floats
    longest: Floats
    cut: Floats


@dataclass(frozen=True, slots=True)
class Stage:
    """first, last: its rows' steps. limit: tokens, None where unknown. touched of rows: how often the longest response
    was exactly as long as the limit, which is how sure an inferred one is."""

    first: int
    last: int
    limit: float | None
    origin: Origin
    rows: int
    touched: int
    name: str = ""


def stages(evidence: Evidence, setting: float | None, declared: Sequence[Declared] = ()) -> list[Stage]:
    """The stages of one run, in order; [] without rows. setting: the limit that its config says."""
    n = len(evidence.steps)
    limit, origin = inferred(evidence.longest, evidence.cut), np.zeros(n, np.int64)
    origin[np.isfinite(limit)] = ORIGINS.index("inferred")
    named = np.zeros(n, np.int64)
    logged = _held(evidence.logged)
    _over(limit, origin, logged, "logged")
    # A config can say one limit only: of a run whose log tells that it moved, the log knows better.
    if setting is not None and len(np.unique(logged[np.isfinite(logged)])) < 2:
        _over(limit, origin, np.where(_before(limit, setting), np.nan, setting), "config")
    for number, one in enumerate(sorted(declared, key=lambda one: one.first_step), 1):
        mine = evidence.steps >= one.first_step
        named[mine] = number
        origin[mine] = ORIGINS.index("declared")
        if one.limit is not None:
            limit[mine] = one.limit
    return _cut(evidence, limit, origin, named, sorted(declared, key=lambda one: one.first_step))


def _before(level: Floats, setting: float) -> NDArray[np.bool_]:
    """Rows from before the limit of the config: of a run that was restarted with a longer one its config is the newest.
    Its responses tell: they ran into a shorter limit first, and into the config's later."""
    known = np.flatnonzero(np.isfinite(level))
    if not len(known) or level[known[-1]] != setting:
        return np.zeros(len(level), bool)
    return np.isfinite(level) & (level < setting)


def _over(limit: Floats, origin: Ints, better: Floats, who: Origin) -> None:
    known = np.isfinite(better)
    limit[known] = better[known]
    origin[known] = ORIGINS.index(who)


def _held(values: Floats) -> Floats:
    """The last finite value before or at each row; the first one before that."""
    at = np.flatnonzero(np.isfinite(values))
    if not len(at):
        return np.full(len(values), np.nan)
    place = np.searchsorted(at, np.arange(len(values)), side="right") - 1
    return np.asarray(values[at[np.maximum(place, 0)]], np.float64)


def _cut(evidence: Evidence, limit: Floats, origin: Ints, named: Ints, declared: Sequence[Declared]) -> list[Stage]:
    if not len(limit):
        return []
    same = np.nan_to_num(limit, nan=-1.0)
    starts = np.flatnonzero((np.diff(same, prepend=same[0] - 1) != 0) | (np.diff(named, prepend=named[0]) != 0))
    found = []
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(limit)], strict=True):
        value = float(limit[start]) if np.isfinite(limit[start]) else None
        touched = int((np.abs(evidence.longest[start:stop] - limit[start]) < 0.5).sum())
        name = declared[named[start] - 1].name if named[start] else ""
        span = (int(evidence.steps[start]), int(evidence.steps[stop - 1]))
        found.append(Stage(*span, value, ORIGINS[origin[start]], stop - start, touched, name))
    return found


def inferred(longest: Floats, cut: Floats) -> Floats:
    """The limit (n,) that the longest responses run into, NaN where none shows.

    A length at which the longest response ends in three rows or more, while responses are cut off (where that is
    logged): natural maxima do not repeat like that. A row beyond the level ends its stage.
    """
    level = np.round(longest)
    hits = np.isfinite(level) & ~(cut == 0)
    values, counts = np.unique(level[hits], return_counts=True)
    often = np.isin(level, values[counts >= TOUCHES]) & hits
    found = np.full(len(longest), np.nan)
    now, since = np.nan, 0
    for i in range(len(level)):
        if often[i] and level[i] != now and (np.isnan(now) or _lasts(level, often, i)):
            if np.isnan(now) and level[since:i].size and np.nanmax(level[since : i + 1]) <= level[i]:
                found[since:i] = level[i]  # rows before the first touch belong to it unless something says otherwise
            now, since = level[i], i
        elif level[i] > now + 0.5:
            now, since = np.nan, i
        found[i] = now
    return found


def _lasts(level: Floats, often: NDArray[np.bool_], i: int) -> bool:
    """Is this level touched three times before the old one is again?"""
    after = level[i:][often[i:]][:TOUCHES]
    return len(after) == TOUCHES and bool((after == level[i]).all())


def offsets(firsts: Sequence[int], ends: Sequence[int]) -> list[int]:
    """What to add to each run's own steps so that a chain counts on. firsts: each run's first step; ends: its step at
    which the next one took over. A trainer that counts on by itself is left alone."""
    added, reached = [0], ends[0]
    for first, end in zip(firsts[1:], ends[1:], strict=True):
        goes_on = first >= reached > 1
        added.append(0 if goes_on else reached)
        reached = end + added[-1]
    return added


def running_total(steps: Ints, each: Floats, first: int) -> Floats:
    """What has been spent up to each row (n,), where `each` (n,) is what a step of that row cost. A row that stands for
    several steps counts for all of them; a row that says nothing costs what its neighbours do. first: the step before
    the first row."""
    known = np.isfinite(each)
    if not known.any():
        return np.full(len(steps), np.nan)
    filled = np.interp(steps, steps[known], each[known])
    return np.asarray(np.cumsum(filled * np.diff(steps, prepend=first)), np.float64)


@dataclass(frozen=True, slots=True)
class Level:
    """A mean with its 95 % interval (block bootstrap) and the rows that it is of."""

    value: float
    low: float
    high: float
    rows: int


def level_at(spent: Floats, values: Floats, budget: float) -> Level | None:
    """Where a curve stands once `budget` is spent: the mean over its last quarter. None under 5 rows there.

    spent, values: (n,), e.g. tokens since the stage's start and reward.
    """
    near = (spent <= budget) & (spent > 0.75 * budget) & np.isfinite(values)
    if near.sum() < 5 or not (spent[np.isfinite(values)] >= 0.95 * budget).any():
        return None
    around = blocks.noise([values[(spent <= budget) & np.isfinite(values)]])
    if around is None:
        return None
    drawn = blocks.level(values[near], around)
    low, high = drawn.interval()
    return Level(float(drawn.estimate[0]), float(low[0]), float(high[0]), int(near.sum()))
