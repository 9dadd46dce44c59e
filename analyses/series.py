"""The rows that a detector remembers, joined with the new ones: what every fold stands on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from analyses.contract import Bools, Floats, Ints, Rows, State
from analyses.packed import floats, ints, pack

Needs = tuple[tuple[str, ...], ...]

NOTHING = np.zeros(0, np.int64)
HUGE = 1e100
"""No log of a run that still trains goes beyond; differences and squares of smaller numbers do not overflow."""


@dataclass(slots=True)
class Series:
    """Rows in which the main quantity is a finite number: `fresh` remembered ones, then the new ones.

    name: the main quantity, as picked for this source. ages: 1 for the first row of a segment; a segment ends
    where an attempt begins or the context limit changes. born: how many rows the source has had so far.
    columns: quantity -> (n,), NaN where absent or not finite. keep: rows that are remembered from pass to pass, so
    how far a row may look back. memory: a detector's own few numbers (JSON).
    """

    name: str
    fresh: int
    steps: Ints
    attempts: Ints
    ages: Ints
    born: Ints
    stages: Ints
    columns: dict[str, Floats]
    keep: int
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def main(self) -> Floats:
        return self.columns[self.name]

    @property
    def new(self) -> slice:
        return slice(self.fresh, None)

    def column(self, *names: str) -> Floats:
        """Row by row, the first of these quantities that the row holds, else NaN."""
        there = [self.columns[name] for name in names if name in self.columns]
        if not there:
            return np.full(len(self.steps), np.nan)
        values = there[-1]  # NaN where it is not finite: see `columns`
        for better in reversed(there[:-1]):
            values = np.where(np.isfinite(better), better, values)
        return values

    def past(self, values: Floats, width: int, lag: int = 0) -> Floats:
        """(new rows, width): each new row's last `width` values up to `lag` rows ago, newest last.

        NaN where the row's segment had not begun. `width + lag` must be within what the detector keeps.
        """
        if self.fresh == len(self.steps) - 1:
            return self._past_of_one(values, width, lag)
        ends = np.arange(self.fresh, len(self.steps))
        back = np.arange(width)[::-1] + lag
        rows = ends[:, None] - back
        inside = (back < self.ages[self.new, None]) & (rows >= 0)
        return np.where(inside, values[np.maximum(rows, 0)], np.nan)

    def _past_of_one(self, values: Floats, width: int, lag: int) -> Floats:
        """The same where one row is new, as in a live run: a slice."""
        window = np.full((1, width), np.nan)
        stop = self.fresh - lag + 1
        count = min(width, int(self.ages[-1]) - lag, stop)
        if count > 0:
            window[0, width - count :] = values[stop - count : stop]
        return window


def middle(windows: Floats) -> Floats:
    """Medians of the finite values of each row (n, w); NaN where none are. (np.nanmedian is far slower.)"""
    ordered = np.sort(windows, axis=-1)
    if len(windows) == 1:
        return _middle_of_one(ordered)
    count = np.isfinite(ordered).sum(axis=-1)
    each = np.arange(len(windows))
    low = ordered[each, np.maximum(count - 1, 0) // 2]
    high = ordered[each, np.minimum(count // 2, windows.shape[1] - 1)]
    medians: Floats = np.where(count > 0, (low + high) / 2, np.nan)
    return medians


def _middle_of_one(ordered: Floats) -> Floats:
    """The same for one window (1, w), without the cost of indexing many."""
    row = ordered[0]
    count = np.count_nonzero(np.isfinite(row))
    return np.array([(row[(count - 1) // 2] + row[min(count // 2, len(row) - 1)]) / 2 if count else np.nan])


def spread(windows: Floats) -> Floats:
    """1.4826 x the median absolute deviation of each row (n, w): a spread that outliers leave alone."""
    return 1.4826 * middle(np.abs(windows - middle(windows)[..., None]))


def join(state: State, rows: Rows, needs: Needs, uses: Iterable[str], keep: int) -> Series | None:
    """What is remembered, then the usable rows of `rows`; None where no row is usable."""
    name = state.get("name") or _pick(rows, needs[0])
    if name is None or name not in rows.columns:
        return None
    usable = np.isfinite(rows.columns[name])
    if not usable.any():
        return None
    old_attempts, old_ages, old_stages = _segments(state.get("segments", []))
    if np.count_nonzero(usable) == 1:
        stages, ages, limit, attempt = _one_more(state, rows, int(np.argmax(usable)))
    else:
        stages, limit, attempt = _stages(state, rows, usable)
        ages = _ages(stages, old_stages, old_ages)
    wanted = dict.fromkeys([name, *(q for group in needs[1:] for q in group), *uses])
    there = [q for q in wanted if q in rows.columns or q in state.get("columns", {})]
    fresh, count = len(old_stages), len(stages)
    born = int(state.get("born", 0))
    return Series(
        name=name,
        fresh=fresh,
        steps=np.concatenate([ints(state.get("steps", "")), rows.steps[usable]]),
        attempts=np.concatenate([old_attempts, rows.attempts[usable]]),
        ages=np.concatenate([old_ages, ages]),
        born=np.arange(born - fresh + 1, born + count + 1),
        stages=np.concatenate([old_stages, stages]),
        columns={q: _column(state, rows, q, usable, fresh) for q in there},
        keep=keep,
        memory={**state.get("memory", {}), "limit": limit, "attempt": attempt},
    )


def kept(series: Series) -> State:
    """The state to remember: the last rows as plain JSON."""
    last = slice(max(0, len(series.steps) - series.keep), None)
    return {
        "name": series.name,
        "born": int(series.born[-1]),
        "steps": pack(series.steps[last]),
        "segments": _told(series.attempts[last], series.ages[last], series.stages[last]),
        "columns": {name: pack(column[last]) for name, column in series.columns.items()},
        "memory": series.memory,
    }


def _told(attempts: Ints, ages: Ints, stages: Ints) -> list[list[int]]:
    """[rows, attempt, age of the first, stage] of each stretch within one segment."""
    if stages[0] == stages[-1]:
        return [[len(stages), int(attempts[0]), int(ages[0]), int(stages[0])]]
    cuts = [0, *(np.flatnonzero(np.diff(stages)) + 1).tolist(), len(stages)]
    return [[b - a, int(attempts[a]), int(ages[a]), int(stages[a])] for a, b in pairwise(cuts)]


def _segments(told: list[list[int]]) -> tuple[Ints, Ints, Ints]:
    """attempts, ages, stages, row by row."""
    if not told:
        return NOTHING, NOTHING, NOTHING
    counts = [each[0] for each in told]
    ages = np.concatenate([np.arange(age, age + count) for count, _, age, _ in told])
    return np.repeat([each[1] for each in told], counts), ages, np.repeat([each[3] for each in told], counts)


def _pick(rows: Rows, names: tuple[str, ...]) -> str | None:
    """Which of the quantities that stand for one another a source logs: the first row with any decides."""
    finite = {name: np.isfinite(rows.columns[name]) for name in names if name in rows.columns}
    first = {name: int(np.argmax(there)) for name, there in finite.items() if there.any()}
    return min(first, key=lambda name: (first[name], names.index(name)), default=None)


def _stages(state: State, rows: Rows, usable: Bools) -> tuple[Ints, float | None, int]:
    """The segment number of every usable row; the last context limit and attempt seen."""
    memory = state.get("memory", {})
    mine = rows.attempts[usable]
    attempts = np.concatenate([[memory.get("attempt", mine[0])], mine])
    changed = attempts[1:] != attempts[:-1]
    last: float | None = memory.get("limit")
    if "context_limit" in rows.columns:
        known = np.concatenate([[np.nan if last is None else last], rows.columns["context_limit"][usable]])
        held = np.maximum.accumulate(np.where(np.isfinite(known), np.arange(len(known)), 0))
        known = known[held]
        changed |= np.isfinite(known[:-1]) & (known[:-1] != known[1:])
        last = float(known[-1]) if np.isfinite(known[-1]) else None
    start = state["segments"][-1][3] if state.get("segments") else 0
    return start + np.cumsum(changed), last, int(attempts[-1])


def _one_more(state: State, rows: Rows, at: int) -> tuple[Ints, Ints, float | None, int]:
    """Segment and age of the one row that is new, as in a live run; the last context limit and attempt seen."""
    memory, attempt = state.get("memory", {}), int(rows.attempts[at])
    last: float | None = memory.get("limit")
    limit = float(rows.columns["context_limit"][at]) if "context_limit" in rows.columns else math.nan
    opens = memory.get("attempt", attempt) != attempt
    if math.isfinite(limit):
        opens, last = opens or (last is not None and last != limit), limit
    if not (told := state.get("segments")):
        return np.array([int(opens)]), np.array([1]), last, attempt
    count, _, age, stage = told[-1]
    return np.array([stage + opens]), np.array([1 if opens else age + count]), last, attempt


def _ages(stages: Ints, old_stages: Ints, old_ages: Ints) -> Ints:
    """1, 2, 3, … within each stage, going on from what is remembered."""
    places = np.arange(len(stages))
    opens = np.concatenate([[True], stages[1:] != stages[:-1]])
    ages: Ints = places - np.maximum.accumulate(np.where(opens, places, 0)) + 1
    if len(old_stages) and old_stages[-1] == stages[0]:
        ages[stages == stages[0]] += old_ages[-1]
    return ages


def _column(state: State, rows: Rows, name: str, usable: Bools, fresh: int) -> Floats:
    old, new = state.get("columns", {}).get(name), rows.columns.get(name)
    count = np.count_nonzero(usable)
    joined = np.empty(fresh + count)
    joined[:fresh] = np.nan if old is None else floats(old)
    if new is None:
        joined[fresh:] = np.nan
    elif count == 1:
        value = float(new[np.argmax(usable)])
        joined[fresh] = min(max(value, -HUGE), HUGE) if math.isfinite(value) else math.nan
    else:
        after = new[usable]
        joined[fresh:] = np.where(np.isfinite(after), np.minimum(np.maximum(after, -HUGE), HUGE), np.nan)
    return joined
