"""Gradients grow and keep growing: the update no longer improves anything, it tears the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series, middle, spread
from analyses.words import joined, number

TROUBLE = "gradient_blowup"
NEEDS = (("grad_norm",),)
USES = ("reward_mean", "score_mean", "group_zero_std_fraction")

TIMES = 3.0  # x reference before a trend is looked at
GROWTH = 4.0  # x within the trend's rows
LEAP = 300.0  # x reference: a single row is enough
FLOOR = 0.05  # a norm so small that a multiple of it means nothing
LONG = 90  # rows of the trend that sees slow growth
SOURCE = "dynamics 4.3; When Speed Kills Stability"
ADVICE = (
    "Stop and go back to the checkpoint before the onset: lower the learning rate (verl: "
    "actor_rollout_ref.actor.optim.lr; TRL: learning_rate), clip harder (verl: actor_rollout_ref.actor.grad_clip; TRL: "
    "max_grad_norm), and check the mismatch between rollout and trainer."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    norm = _informed(series)
    logs = np.log(np.maximum(norm, FLOOR / 100))
    level, usual = measure.recent(series, norm), np.maximum(measure.reference(series, norm), FLOOR / 10)
    times = level / usual
    wild = np.exp(np.fmax(spread(measure.earlier(series, logs)), 0))  # some norms leap by nature
    known = middle(series.past(norm, 5, measure.LAG))
    known[series.ages[series.new] < 2 * measure.LAG] = np.nan  # a warm-up is no measure
    survived = measure.best_so_far(series, "survived", known, np.fmax)
    up = (times >= np.maximum(TIMES, wild)) & ~(level < survived)
    line = measure.line(series, logs, up, measure.WIDTH)
    crept = level >= np.maximum(TIMES, wild) * np.maximum(measure.lowest(series, norm, lag=30), FLOOR / 10)
    slow = measure.line(series, logs, crept & (series.ages[series.new] >= LONG), LONG)
    grows = (up & (line.low > 0) & (line.gain >= np.log(GROWTH))) | ((slow.low > 0) & (slow.gain >= np.log(TIMES)))
    lasts = up & (times >= 2 * GROWTH) & (times >= wild**2)
    here = series.main[series.new]
    leap = (here >= LEAP * np.maximum(usual, FLOOR)) & (series.ages[series.new] >= 4)
    reward = measure.reward_sign(series, grows | leap | lasts, measure.WIDTH)
    signals = (
        Signal("warning", grows, 3, 4),
        Signal("warning", lasts, 4, 5),
        Signal("warning", leap & (here >= 20), 1, 1),
        Signal("critical", leap & (here >= 1e6), 1, 1),
        Signal("critical", (grows | lasts) & (times >= 10) & reward.falls, 3, 4),
    )
    view = View(series, np.maximum(level, np.where(leap, here, 0)), usual, line, reward)
    return Judged(signals, view.calm, view.tell, view.over)


def _informed(series: Series) -> Floats:
    """The norm of updates that had something to learn from: without variance in any group it means nothing."""
    silent = (series.main == 0) | (series.column("group_zero_std_fraction") >= 0.99)
    return measure.carried(np.where(silent, np.nan, series.main))


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: norm now and usually, the line of ln norm, and what reward does."""

    series: Series
    level: Floats
    usual: Floats
    line: measure.Line
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] <= 2 * max(raised["usual"], FLOOR))

    def over(self, i: int) -> str:
        return f"The gradient norm is back at {number(self.level[i])}."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, usual = float(self.level[i]), held(raised, "usual", self.usual[i])
        onset = measure.departure(self.series, self.series.main, i, usual, 2 * usual, raised=raised)
        said = f"The gradient norm has grown from {number(usual)} to {number(level)} since step {onset}"
        grows, rate = measure.growth(self.line, i, LEAP * max(usual, FLOOR))
        said += grows
        also = joined({"reward falls": self.reward.falls[i]})
        evidence = {"level": level, "usual": usual, "times": level / usual, **rate}
        evidence |= measure.interval(self.series, self.series.main, i)
        clears = f"norm under {number(2 * max(usual, FLOOR))} for 5 rows"
        return Words(onset, said + (f"; {also}." if also else "."), evidence, clears, ADVICE, SOURCE)
