"""Is it time for a longer context? The rule of dynamics 3.2: extend, stay, or shorten first, and how sure.

Extend needs all of: at least 5 % of responses cut off, more and more of them, responses that grow, and a score that
has stopped rising. A falling truncated share says stay, whatever else. Every verdict rests on the rows up to its step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyses import blocks
from analyses.blocks import Drawn, Floats, Ints
from analyses.words import number, percent

Bools = NDArray[np.bool_]
Verdict = Literal["extend", "stay", "shorten", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("unknown", "stay", "extend", "shorten")
SPOKEN: dict[str, str] = {
    "extend": "Extend",
    "stay": "Stay",
    "shorten": "Shorten first",
    "unknown": "Cannot judge yet",
}

SPAN = 50  # steps of a window
ROWS = 20  # at least so many rows where a run logs seldom
LEAST = 8  # rows under which nothing is said
EVALS = 5  # at least so many scores
MOST_EVALS = 20
TOGETHER = 1024  # windows whose draws are held at once: some 20 MB
CUT = 0.05  # share of truncated responses from which a longer limit is worth a thought
SURE, SURE_FLAT = 0.975, 0.90  # shares of draws: a 95 % interval above 0, a 90 % upper bound
HELD, HELD_OF = 4, 5  # rows
RAMBLING, RAMBLING_CUT = 2.0, 0.2  # wrong responses so many times longer than right ones, with so many cut off


@dataclass(frozen=True, slots=True)
class Scores:
    """Validation scores of a run. steps, values, errors (n,): errors are the standard errors of one score, NaN unknown.
    stand_in: the name of what stands in for a score that is not logged ("" where it is one)."""

    steps: Ints
    values: Floats
    errors: Floats
    stand_in: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """n rows of a run's live line, in order. steps (n,); stages (n,): a number that changes with limit or attempt;
    truncated (n,) fraction; length (n,) tokens; wrong_to_right (n,): their lengths' ratio, NaN where unknown."""

    steps: Ints
    stages: Ints
    truncated: Floats
    length: Floats
    wrong_to_right: Floats


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must hold. value, low, high: in `unit`, with the 95 % interval; share: of draws in which it holds;
    holds: None where it cannot be judged."""

    name: str
    holds: bool | None
    share: float
    value: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict at one step. readiness: share of the draws in which all conditions hold, NaN where not known.
    blocks: names of the conditions that do not hold. rows, span: of the window, in rows and steps."""

    step: int
    verdict: Verdict
    readiness: float
    conditions: tuple[Condition, ...]
    blocks: tuple[str, ...]
    rows: int
    span: int
    stand_in: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Past:
    """What the rule said at each row, from the rows up to it. steps, readiness (NaN: unknown), codes (of VERDICTS)."""

    steps: Ints
    readiness: Floats
    codes: Ints

    def first(self, verdict: Verdict) -> int | None:
        """The first step at which it said so."""
        at = np.flatnonzero(self.codes == VERDICTS.index(verdict))
        return int(self.steps[at[0]]) if len(at) else None

    def spans(self) -> list[tuple[int, int, Verdict]]:
        """(first step, last step, verdict) of each stretch of one verdict."""
        if not len(self.codes):
            return []
        starts = np.flatnonzero(np.diff(self.codes, prepend=-1))
        ends = np.append(starts[1:], len(self.codes)) - 1
        return [
            (int(self.steps[a]), int(self.steps[b]), VERDICTS[self.codes[a]]) for a, b in zip(starts, ends, strict=True)
        ]


def usable(course: Course) -> Course:
    """The rows that tell both truncation and length."""
    good = np.isfinite(course.truncated) & np.isfinite(course.length)
    return Course(*(getattr(course, name)[good] for name in Course.__dataclass_fields__))


def past(course: Course, scores: Scores | None) -> Past:
    """The rule at every usable row: as if it had been asked there."""
    course = usable(course)
    n = len(course.steps)
    share, codes = np.full(n, np.nan), np.zeros(n, np.int64)
    if scores is not None and n:
        flat = _Flat(course, scores)
        widths = _widths(course, scores)
        for width in np.unique(widths[widths >= LEAST]).tolist():
            every = np.flatnonzero(widths == width)
            for rows in np.split(every, range(TOGETHER, len(every), TOGETHER)):
                share[rows], codes[rows] = _said(_Windows(course, rows, width), flat)
    return Past(course.steps, share, _lasting(codes))


def _lasting(codes: Ints) -> Ints:
    """Extend is said where the rule held in 4 of the last 5 rows: one lucky row is no reason to switch."""
    ready = (codes == VERDICTS.index("extend")).astype(np.int64)
    total = np.concatenate([np.zeros(HELD_OF, np.int64), np.cumsum(ready)])
    held = total[HELD_OF:] - total[:-HELD_OF]
    return np.where((ready == 1) & (held < HELD), VERDICTS.index("stay"), codes)


def now(course: Course, scores: Scores | None) -> Readiness:
    """The rule at the last usable row, with the numbers behind it."""
    course = usable(course)
    widths = _widths(course, scores)
    if not len(widths) or widths[-1] < LEAST:
        return _unknown(course, f"fewer than {LEAST} rows of this stage tell length and truncation")
    if scores is None:
        return _unknown(course, "neither a validation score nor a reward is logged")
    last = np.array([len(widths) - 1])
    windows, flat = _Windows(course, last, int(widths[-1])), _Flat(course, scores)
    before = past(course, scores)
    share, verdict = before.readiness[-1:], VERDICTS[before.codes[-1]]
    conditions = _conditions(windows, flat)
    missing = tuple(one.name for one in conditions if not one.holds)
    if not missing and verdict == "stay":
        missing = (f"not yet in {HELD} of the last {HELD_OF} rows",)
    span = int(course.steps[-1] - course.steps[-int(widths[-1])])
    words = _sentence(verdict, float(share[0]), conditions, scores.stand_in, windows)
    args = (int(course.steps[-1]), verdict, float(share[0]), conditions, missing, int(widths[-1]), span)
    return Readiness(*args, scores.stand_in, words)


def _unknown(course: Course, why: str) -> Readiness:
    step = int(course.steps[-1]) if len(course.steps) else 0
    return Readiness(step, "unknown", np.nan, (), (why,), 0, 0, "", f"{SPOKEN['unknown']}: {why}.")


def _widths(course: Course, scores: Scores | None) -> Ints:
    """Rows of each row's window: 50 steps or 5 scores, 20 rows at least, within its stage, in a young one one of ten
    sizes. The pace is that of the first rows and scores: a later one cannot change what was said before."""
    n = len(course.steps)
    opens = np.flatnonzero(np.diff(course.stages, prepend=course.stages[:1] - 1)) if n else np.zeros(0, np.int64)
    widths = np.zeros(n, np.int64)
    for start, stop in zip(opens, np.append(opens[1:], n)[: len(opens)], strict=True):
        pace = max(_pace(course.steps[start : min(start + LEAST, stop)]), 1e-9)
        usual = max(round(SPAN / pace), ROWS)
        wide = max(round(EVALS * _every(scores) / pace), usual)
        most = np.where(course.steps[start:stop] >= _second(scores), wide, usual)
        sizes = np.unique(np.geomspace(LEAST, wide, 10).round().astype(np.int64))
        sizes = np.union1d(sizes, [usual])
        fits = np.minimum(np.arange(1, stop - start + 1), most)
        at = np.searchsorted(sizes, fits, side="right") - 1
        widths[start:stop] = np.where(at >= 0, sizes[np.maximum(at, 0)], 0)
    return widths


def _every(scores: Scores | None) -> int:
    """Steps from the first score to the second; 0 where something stands in for scores."""
    return 0 if scores is None or scores.stand_in or len(scores.steps) < 2 else int(scores.steps[1] - scores.steps[0])


def _second(scores: Scores | None) -> int:
    return int(scores.steps[1]) if scores is not None and len(scores.steps) > 1 else 0


def _pace(steps: Ints) -> float:
    return float(np.median(np.diff(steps))) if len(steps) > 1 else 1.0


class _Windows:
    """Windows of one width: the draws of what the rule asks. pace (k,): steps from row to row."""

    def __init__(self, course: Course, rows: Ints, width: int) -> None:
        at = rows[:, None] - np.arange(width)[::-1]
        self.steps = course.steps[rows]
        self.pace = (course.steps[rows] - course.steps[at[:, 0]]) / max(width - 1, 1)
        slope, end = blocks.slope_of(width), blocks.end_of(width)
        self.cut_slope, self.cut = blocks.draw(course.truncated[at], [slope, end])
        (self.length_slope,) = blocks.draw(course.length[at], [slope])
        ratio = course.wrong_to_right[at]
        known = np.isfinite(ratio)
        count = known.sum(axis=1)
        self.ratio = np.where(count > 0, np.where(known, ratio, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


class _Flat:
    """Has the score stopped rising? Judged at each score from EVALS on. level (scores, DRAWS): the draws in which it
    gains less than one standard error over 50 steps."""

    def __init__(self, course: Course, scores: Scores) -> None:
        good = np.isfinite(scores.values)
        self.steps, self.values, self.errors = scores.steps[good], scores.values[good], scores.errors[good]
        near = np.clip(np.searchsorted(course.steps, self.steps), 0, max(len(course.steps) - 1, 0))
        self.widths = self._wide(course.stages[near], scores)
        n = len(self.steps)
        self.gain, self.error = np.full(n, np.nan), np.full(n, np.nan)
        self.level = np.zeros((n, blocks.DRAWS), bool)
        for width in np.unique(self.widths[self.widths >= EVALS]).tolist():
            every = np.flatnonzero(self.widths == width)
            for rows in np.split(every, range(TOGETHER, len(every), TOGETHER)):
                self.gain[rows], self.error[rows], drawn = self.drawn(rows, width)
                self.level[rows] = drawn < self.error[rows, None].astype(np.float32)

    def _wide(self, stage: Ints, scores: Scores) -> Ints:
        """Scores of each score's window, within its stage."""
        if scores.stand_in:
            blank = np.zeros(len(stage))
            return _widths(Course(self.steps, stage, blank, blank, blank), scores)
        many = int(np.clip(round(SPAN / max(_pace(self.steps[:EVALS]), 1e-9)), EVALS, MOST_EVALS))
        opens = np.maximum.accumulate(np.where(np.diff(stage, prepend=stage[:1] - 1) != 0, np.arange(len(stage)), 0))
        return np.minimum(np.arange(len(stage)) - opens + 1, many)

    def drawn(self, rows: Ints, width: int) -> tuple[Floats, Floats, blocks.Singles]:
        """Gain over 50 steps at these scores, the standard error of one score there, and the draws of the gain."""
        at = rows[:, None] - np.arange(width)[::-1]
        windows, errors = self.values[at], self.errors[at]
        (slope,) = blocks.draw(windows, [blocks.slope_of(width)], seed=1)
        pace = (self.steps[rows] - self.steps[at[:, 0]]) / (width - 1)
        per_span = SPAN / np.maximum(pace, 1e-9)
        noise = np.sqrt((np.diff(windows, axis=1) ** 2).mean(axis=1) / 2)
        known = np.where(np.isfinite(errors), errors, 0).max(axis=1)
        error = np.where(known > 0, known, noise)
        return slope.estimate * per_span, error, slope.draws * per_span[:, None].astype(np.float32)

    def at(self, steps: Ints) -> Ints:
        """The newest score at each of these steps; -1 before the first."""
        return np.searchsorted(self.steps, steps, side="right") - 1


def _said(windows: _Windows, flat: _Flat) -> tuple[Floats, Ints]:
    """Readiness and verdict of each window."""
    at = flat.at(windows.steps)
    known = (at >= 0) & np.isfinite(flat.gain[at]) if len(flat.gain) else np.zeros(len(at), bool)
    level = flat.level[at] if len(flat.gain) else np.zeros(windows.cut.draws.shape, bool)
    rises, grows = windows.cut_slope.draws > 0, windows.length_slope.draws > 0
    every = (windows.cut.draws >= CUT) & rises & grows & level
    share = np.where(known, np.count_nonzero(every, axis=1) / blocks.DRAWS, np.nan)
    falls = windows.cut_slope.above(0) < 1 - SURE
    falls &= np.ptp(windows.cut_slope.draws, axis=1) > 0  # a share that never moves does not fall
    ready = (windows.cut.estimate >= CUT) & (_part(rises) >= SURE) & (_part(grows) >= SURE)
    ready &= _part(level) >= SURE_FLAT
    rambles = (windows.ratio >= RAMBLING) & (windows.cut.estimate > RAMBLING_CUT)
    code = np.where(ready, VERDICTS.index("extend"), VERDICTS.index("stay"))
    code = np.where(rambles, VERDICTS.index("shorten"), code)
    code = np.where(~known & ~rambles, VERDICTS.index("unknown"), code)
    return share, np.where(falls, VERDICTS.index("stay"), code)


def _part(draws: Bools) -> Floats:
    share: Floats = np.count_nonzero(draws, axis=1) / draws.shape[1]
    return share


def _conditions(windows: _Windows, flat: _Flat) -> tuple[Condition, ...]:
    """The four conditions at the only window."""
    hundred = 100 / max(float(windows.pace[0]), 1e-9)
    cut, rise, grow = windows.cut, windows.cut_slope, windows.length_slope
    enough = float((cut.draws >= CUT).mean())
    made = [
        _condition("truncated share", bool(cut.estimate[0] >= CUT), enough, cut, 1.0, "fraction"),
        _condition("truncated share rises", None, float(rise.above(0)[0]), rise, hundred, "fraction per 100 steps"),
        _condition("responses grow", None, float(grow.above(0)[0]), grow, hundred, "tokens per 100 steps"),
    ]
    at = int(flat.at(windows.steps)[0])
    if at < 0 or not np.isfinite(flat.gain[at]):
        return *made, Condition("score has stopped rising", None, np.nan, np.nan, np.nan, np.nan, "")
    _, _, drawn = flat.drawn(np.array([at]), int(flat.widths[at]))
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    share, edge, gain = float(flat.level[at].mean()), float(flat.error[at]), float(flat.gain[at])
    holds = share >= SURE_FLAT
    unit = f"per {SPAN} steps; needs < {number(edge)}"
    return *made, Condition("score has stopped rising", holds, share, gain, low, high, unit)


def _condition(name: str, holds: bool | None, share: float, drawn: Drawn, scale: float, unit: str) -> Condition:
    low, high = drawn.interval()
    values = (float(drawn.estimate[0]) * scale, float(low[0]) * scale, float(high[0]) * scale)
    return Condition(name, share >= SURE if holds is None else holds, share, *values, unit)


def _sentence(verdict: Verdict, share: float, conditions: Sequence[Condition], stand_in: str, windows: _Windows) -> str:
    cut, rise = conditions[:2]
    if cut.high <= 0:
        return f"{SPOKEN[verdict]}: no response is cut off."
    if cut.value < 5e-4 and verdict == "stay":
        return f"{SPOKEN[verdict]}: hardly any response is cut off."
    start = f"{SPOKEN[verdict]}: about {percent(max(cut.value, 0))} of the responses are cut off"
    moves = f"{_points(rise.value)} points per 100 steps, {_points(rise.low)} to {_points(rise.high)}"
    if verdict == "shorten":
        ratio = f"wrong responses are {float(windows.ratio[0]):.1f} times as long as right ones"
        return f"{start} and {ratio}: a longer limit would mostly lengthen what is wrong."
    if verdict == "stay" and rise.high < 0:
        return f"{start}, and the share falls ({moves})."
    called = stand_in or "validation score"
    if verdict == "unknown":
        return f"{start} ({moves}), but there are too few scores to say whether the {called} has stopped rising."
    held = f"all conditions hold in {percent(share)} of the draws"
    if verdict == "extend":
        return f"{start} and more with time ({moves}), they grow, and the {called} has stopped rising; {held}."
    return f"{start} ({moves}); {_blocking(conditions, called)}; {held}."


def _blocking(conditions: Sequence[Condition], called: str) -> str:
    said = {
        "truncated share": f"that is under {percent(CUT)}",
        "truncated share rises": "the share does not surely rise",
        "responses grow": "responses do not surely grow",
        "score has stopped rising": f"the {called} may still be rising",
    }
    against = [said[one.name] for one in conditions if not one.holds]
    return "against extending: " + (", ".join(against) or f"it has not held in {HELD} of the last {HELD_OF} rows yet")


def _points(fraction: float) -> str:
    return f"{'−' if fraction < 0 else '+'}{number(float(f'{abs(100 * fraction):.2g}'))}"
