"""Responses run into the length limit: what is cut off is never right, and its reward is noise.

A share of truncated responses that is high but steady may be meant; it is a surge when it climbs, surely and far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series, middle
from analyses.words import joined, number, percent, steps_between

TROUBLE = "truncation_surge"
NEEDS = (("truncation_fraction",),)
USES = ("reward_mean", "score_mean", "response_length_mean", "response_length_p95", "context_limit")

HIGH = 0.17  # share of responses at which a climb matters
YOUNG = 6  # rows
FLOOD = 0.5  # share to which a climb is carried forward
SURGE = 0.25  # share that is a surge by itself when the run has known calm
SOURCE = "dynamics 3.1; verl issue 1066, rllm-org/rllm issue 33"
ADVICE = (
    "Look at truncated responses: loops call for a lower upper clip or a repetition penalty, honest long answers for a "
    "longer limit (verl: data.max_response_length; TRL: max_completion_length) or a soft length penalty (verl: "
    "reward_model.overlong_buffer; TRL: mask_truncated_completions)."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    cut = series.main
    level, calm = measure.recent(series, cut), measure.lowest(series, cut)
    high = (level >= HIGH) & (level >= 1.6 * calm) & (level >= calm + 0.06)
    line = measure.line(series, cut, high, measure.WIDTH)
    climbs = high & (line.low > 0) & (line.gain >= 0.03)
    noise = measure.wobble(series, cut)  # of small batches: 1/8 or 1/16 apart
    known = np.minimum(middle(series.past(cut, 4, measure.LAG)), SURGE + 0.15)
    survived = measure.best_so_far(series, "survived", known, np.fmax)
    high &= ~(level < survived + 0.02)
    surges = (measure.recent(series, cut, 4) >= SURGE) & (level >= calm + np.fmax(0.2, 4 * noise))
    surges &= (series.ages[series.new] >= YOUNG) & ~(level < survived + 0.05)
    reward = measure.reward_sign(series, climbs | surges, measure.WIDTH)
    signals = (
        Signal("warning", climbs),
        Signal("warning", surges, 2, 3),
        Signal("critical", (climbs | surges) & (level >= SURGE) & reward.falls, 3, 4),
    )
    view = View(series, context, level, calm, line, reward)
    return Judged(signals, view.calm, view.tell, view.over)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: truncated share, its calm level, its line, and what reward does."""

    series: Series
    context: Context
    level: Floats
    before: Floats
    line: measure.Line
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] < _clearing(raised["before"]))

    def over(self, i: int) -> str:
        return f"Truncation is back at {percent(self.level[i])}."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        at = self.series.fresh + i
        level, before = float(self.level[i]), held(raised, "before", self.before[i])
        onset = measure.departure(self.series, self.series.main, i, before, min(level, before + 0.03), raised=raised)
        evidence = {"level": level, "before": before, **measure.interval(self.series, self.series.main, i)}
        said = f"{percent(level)} of the responses are truncated since step {onset}, up from {percent(before)}"
        limit = float(self.series.column("context_limit")[at])
        limit = limit if np.isfinite(limit) else measure.setting(self.context, "context_limit")
        length = float(self.series.column("response_length_mean")[at])
        if np.isfinite(limit) and np.isfinite(length):
            evidence |= {"limit": limit, "length": length}
            said += f"; the mean length is {number(length)} of {number(limit)} tokens"
        if self.line.low[i] > 0 and level < FLOOD:
            ahead, late = (FLOOD - level) / self.line.slope[i], (FLOOD - level) / self.line.low[i]
            evidence |= {"slope_per_step": float(self.line.slope[i]), "forecast": FLOOD, "forecast_steps": float(ahead)}
            soon = (FLOOD - level) / self.line.high[i]
            said += f"; at this rate half of them are in {steps_between(ahead, soon, late)}"
        also = joined({"reward falls": self.reward.falls[i]})
        clears = f"truncation under {percent(_clearing(before))} for 5 rows"
        return Words(onset, said + (f"; {also}." if also else "."), evidence, clears, ADVICE, SOURCE)


def _clearing(before: float) -> float:
    return max(0.8 * HIGH, before + 0.03)
