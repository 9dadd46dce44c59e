"""Responses shrink to a fraction within a few rows: the policy has stopped answering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series
from analyses.words import joined, number

TROUBLE = "length_collapse"
NEEDS = (("response_length_mean",),)
USES = ("reward_mean", "score_mean", "prompt_length_mean")

SHARE = 0.4  # of the reference
TINY = 16.0  # tokens: no reasoning fits in
REACH, LAG = 40, 10  # rows of the reference
SOURCE = "dynamics 3.7, 5.3"
ADVICE = (
    "Read the shortest responses: a reward that is won without an answer (format or length terms) must be fixed before "
    "going on. Raise a minimum length or drop the length penalty (verl: reward_model.overlong_buffer; TRL: "
    "reward_weights), and go back to a checkpoint from before the onset."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    length, prompt = series.main, series.column("prompt_length_mean")
    level, before = measure.recent(series, length), measure.reference(series, length, REACH, LAG)
    other_prompts = measure.recent(series, prompt) < 0.67 * measure.reference(series, prompt, REACH, LAG)
    shrunk = (level <= SHARE * before) & (before > 0) & ~other_prompts
    reward = measure.reward_sign(series, shrunk, 12)
    bad = shrunk & ~reward.rises
    gone = shrunk & ((level <= TINY) | (level <= 0.05 * before))
    signals = (
        Signal("info", shrunk & ~bad, 3, 4),
        Signal("warning", bad, 3, 4),
        Signal("critical", gone, 3, 4),
    )
    view = View(series, level, before, reward)
    return Judged(signals, view.calm, view.tell, view.over)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: lengths now and before (tokens), and what reward does."""

    series: Series
    level: Floats
    before: Floats
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] > 0.6 * raised["before"])

    def over(self, i: int) -> str:
        return f"Responses are back at {number(self.level[i])} tokens."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, before = float(self.level[i]), held(raised, "before", self.before[i])
        onset = measure.departure(self.series, self.series.main, i, before, 0.8 * before, raised=raised)
        said = f"Responses have shrunk from {number(before)} to {number(level)} tokens since step {onset}"
        also = joined({"reward falls": self.reward.falls[i], "reward rises with it": self.reward.rises[i]})
        evidence = {"level": level, "before": before, "share": level / np.maximum(before, 1e-9)}
        evidence |= measure.interval(self.series, self.series.main, i)
        clears = f"mean length above {number(0.6 * before)} tokens for 5 rows"
        advice = ADVICE if severity != "info" else ""
        return Words(onset, said + (f"; {also}." if also else "."), evidence, clears, advice, SOURCE)
