"""A rule of the team's own as a fold over rows, like a detector: state in, new rows, state and findings out.

The state is small and plain JSON; row by row says the same as all at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from alerts.rules import Expression, Rule, better_of
from analyses.contract import Bools, Finding, Floats, Ints, Severity
from analyses.episodes import RETELL_ROWS
from analyses.words import duration, number
from db.rows import SourceRows


@dataclass(frozen=True, slots=True)
class Cells:
    """What one rule sees of n new rows. values (n,): of its metric, less the baseline's where it has one; there (n,):
    whether it was logged."""

    steps: Ints
    walls: Floats
    attempts: Ints
    values: Floats
    there: Bools

    def part(self, start: int, stop: int) -> Cells:
        cut = slice(start, stop)
        return Cells(self.steps[cut], self.walls[cut], self.attempts[cut], self.values[cut], self.there[cut])


@dataclass(frozen=True, slots=True)
class Baseline:
    """The live line of another run: its values at its steps."""

    name: str
    steps: Ints
    values: Floats


def cells(rule: Rule, rows: SourceRows, baseline: Baseline | None = None) -> Cells:
    """The rule's column of these rows; without a metric every row counts."""
    one, n = _of(rule), len(rows)
    if one.column is None:
        return Cells(rows.steps, rows.walls, rows.attempts, np.zeros(n), np.ones(n, bool))
    values = rows.columns.get(one.column, np.full(n, np.nan))
    there = rows.logged.get(one.column, np.zeros(n, bool))
    if baseline is not None:
        values, there = _against(one, rows.steps, values, there, baseline)
    return Cells(rows.steps, rows.walls, rows.attempts, values, there)


def _against(one: Expression, steps: Ints, values: Floats, there: Bools, base: Baseline) -> tuple[Floats, Bools]:
    """The difference to the baseline's newest value at or before each step; steps before its first say nothing."""
    at = np.searchsorted(base.steps, steps, side="right") - 1
    known = (at >= 0) & (len(base.steps) > 0)
    theirs = np.where(known, base.values[np.maximum(at, 0)], np.nan) if len(base.steps) else np.full(len(steps), np.nan)
    amount = one.above or one.below
    with np.errstate(all="ignore"):
        difference = values - theirs
        return (difference / np.abs(theirs) if amount and amount.relative else difference), there & known


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How far the run at large has come with what a rule looks at: a file that lags behind another is not silent.
    step: newest at which it was logged in any file, None where any record will do; wall: of the run's newest record, s
    since the epoch."""

    step: int | None
    wall: float


def scan(
    rule: Rule, state: dict[str, Any], new: Cells, now: float | None, elsewhere: Elsewhere | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """now: s since the epoch, where a clock may say that data is missing. State {} is the first."""
    teller = _Teller(rule, state.get("open"), state.get("since", 0))
    memory = {name: value for name, value in state.items() if name not in ("open", "since")}
    look = _no_data if _of(rule).no_data_for else _not_improved if _of(rule).not_improved_for else _threshold
    for i in range(len(new.steps)):
        row = _Row(
            int(new.steps[i]), float(new.walls[i]), int(new.attempts[i]), float(new.values[i]), bool(new.there[i])
        )
        if memory.get("attempt") not in (None, row.attempt):
            teller.close(row.step, "The run was restarted before it was over.")
            memory = {}
        memory["attempt"] = row.attempt
        look(_of(rule), memory, row, teller)
    if now is not None and _of(rule).no_data_for:
        _clock(_of(rule), memory, now, teller, elsewhere)
    left = {} if teller.open is None else {"since": teller.since}
    return {**memory, **left, "open": None if teller.open is None else teller.open.as_dict()}, teller.said


@dataclass(frozen=True, slots=True)
class _Row:
    step: int
    wall: float
    attempt: int
    value: float
    there: bool


@dataclass(slots=True)
class _Teller:
    """At most one open finding. since: rows since it was last told: while it goes on its numbers do too."""

    rule: Rule
    open: Any  # Finding | None; given as its dict
    since: int
    said: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open = Finding(**self.open) if self.open else None

    def fire(self, row: _Row, onset: int, message: str, evidence: dict[str, float]) -> None:
        told = _named(_of(self.rule)) | {k: v if math.isfinite(v) else None for k, v in evidence.items()}
        self.since += 1
        if self.open is None:
            self.since = 0
            self.open = Finding(
                trouble=self.rule.name,
                severity=cast(Severity, self.rule.severity),
                state="firing",
                onset_step=onset,
                detected_step=row.step,
                message=message,
                attempt=row.attempt,
                evidence=told,
                source="stepwell.toml",
            )
            self.said.append(self.open)
        elif self.since >= RETELL_ROWS:
            self.since = 0
            self.open = replace(self.open, message=message, evidence=told)
            self.said.append(self.open)

    def close(self, step: int, message: str) -> None:
        if self.open is not None:
            self.said.append(replace(self.open, state="resolved", resolved_step=step, message=message))
            self.open = None


def _threshold(one: Expression, memory: dict[str, Any], row: _Row, teller: _Teller) -> None:
    if not row.there or math.isnan(row.value):  # NaN is no number to compare; the rule non_finite tells of it
        return
    window = [*memory.get("window", []), [row.step, row.value]]
    if one.change is None:
        window = [pair for pair in window if pair[0] > row.step - one.over]
        value = sum(pair[1] for pair in window) / len(window)
        hit = (one.above is not None and value > one.above.value) or (one.below is not None and value < one.below.value)
    else:
        while len(window) > 1 and window[1][0] <= row.step - one.over:
            window = window[1:]
        value, hit = _changed(one, window, row)
    memory["window"] = window
    message = _words(one, value)
    if hit:
        teller.fire(row, row.step, message, {"value": value, "last": row.value})
    else:
        teller.close(row.step, message)


def _changed(one: Expression, window: list[list[float]], row: _Row) -> tuple[float, bool]:
    """The change over `over` steps, NaN while the window is younger than that; and whether it is as large as asked."""
    assert one.change is not None
    if window[0][0] > row.step - one.over:
        return math.nan, False
    before = window[0][1]
    change = row.value - before
    if one.change.relative:
        change = change / abs(before) if before else math.copysign(math.inf, change) if change else 0.0
    return change, change >= one.change.value if one.change.value >= 0 else change <= one.change.value


def _words(one: Expression, value: float) -> str:
    amount = one.change or one.above or one.below
    told = f"{100 * value:.3g} %" if amount is not None and amount.relative else number(value)
    if one.change is not None:
        return f"{one.subject} has changed by {told} over {one.over} steps; the rule's limit is {one.change}."
    what = one.subject if one.over == 1 else f"The mean of {one.subject} over {one.over} steps"
    what += f" less that of {one.baseline}" if one.baseline else ""
    limit = f"above {one.above}" if one.above is not None else f"below {one.below}"
    return f"{what} is {told}; the rule's limit is {limit}."


def _not_improved(one: Expression, memory: dict[str, Any], row: _Row, teller: _Teller) -> None:
    if not row.there or math.isnan(row.value):
        return
    sign = 1 if better_of(one) == "up" else -1
    best = memory.get("best")
    if best is None or sign * (row.value - best[1]) > one.by:
        memory["best"] = [row.step, row.value, row.wall]
        teller.close(row.step, f"{one.subject} is {number(row.value)}, the best so far.")
        return
    span = one.not_improved_for
    assert span is not None
    waited = 0.0 if math.isnan(row.wall - best[2]) else row.wall - best[2]
    if row.step - best[0] >= span.steps and waited >= span.seconds:
        said = f"{one.subject} has not improved since step {best[0]}, for {row.step - best[0]} steps"
        said += f" and {duration(waited)}" if span.seconds else ""
        said += f": it is {number(row.value)}, the best was {number(best[1])}."
        teller.fire(row, best[0], said, {"value": row.value, "best": best[1], "best_step": best[0]})


def _no_data(one: Expression, memory: dict[str, Any], row: _Row, teller: _Teller) -> None:
    assert one.no_data_for is not None
    if row.there or "step" not in memory:
        if row.there:
            memory["seen"] = True
            teller.close(row.step, f"{one.subject} comes again.")
        memory |= {"step": row.step, "wall": None if math.isnan(row.wall) else row.wall}
    elif one.no_data_for.steps and row.step - memory["step"] >= one.no_data_for.steps and not one.no_data_for.seconds:
        said = f"{one.subject} has not been logged since step {memory['step']}, for {row.step - memory['step']} steps."
        teller.fire(row, memory["step"], said, {"last_step": memory["step"]})


def _clock(one: Expression, memory: dict[str, Any], now: float, teller: _Teller, elsewhere: Elsewhere | None) -> None:
    """Time passes without rows. The finding stands at the last step that there was."""
    assert one.no_data_for is not None
    if not one.no_data_for.seconds or memory.get("wall") is None:
        return
    since = memory["wall"]
    if elsewhere is not None and (elsewhere.step is None or elsewhere.step > memory["step"]):
        since = max(since, elsewhere.wall)
    age = now - since
    if age >= one.no_data_for.seconds:
        row = _Row(memory["step"], math.nan, memory["attempt"], math.nan, False)
        said = f"No data of {one.subject} for {duration(age)}, since step {memory['step']}."
        teller.fire(row, memory["step"], said, {"age_s": age})


def _named(one: Expression) -> dict[str, Any]:
    """What it looks at, for whoever draws it."""
    return {"quantity": one.quantity} if one.quantity else {"metric": one.metric} if one.metric else {}


def _of(rule: Rule) -> Expression:
    assert rule.expression is not None
    return rule.expression
