"""One update far larger than the others: a bad batch, or the first sign of a divergence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series, middle, spread
from analyses.words import number

TROUBLE = "gradient_spike"
NEEDS = (("grad_norm",),)
USES = ("reward_mean", "score_mean")

NOTE, ALARM = 5.0, 10.0  # x reference
DEVIATIONS = 6.0
REACH, LAG = 60, 5  # rows of the reference
LEAST = 6  # rows before anything is odd
SOURCE = "dynamics 4.3; verl issues 1066, 2738"
ADVICE = (
    "Clip harder (verl: actor_rollout_ref.actor.grad_clip; TRL: max_grad_norm), look at the batch of that step, and "
    "watch whether the norm comes back within 5 rows."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=REACH + 5)


def judge(series: Series, context: Context) -> Judged:
    norm = np.where(series.main > 0, series.main, np.nan)  # 0: a step without signal, not a small gradient
    window = np.log(measure.earlier(series, norm, REACH, LAG))
    usual = middle(window)
    here = norm[series.new]
    times = here / np.exp(usual)
    deviations = np.log(times) / (spread(window) + 0.1)
    ready = np.isfinite(window).sum(axis=1) >= np.minimum(LEAST, np.maximum(series.ages[series.new] // 3, 1))
    ready &= series.ages[series.new] > LEAST
    odd = ready & (deviations > DEVIATIONS)
    signals = (Signal("info", odd & (times >= NOTE), 1, 1), Signal("warning", odd & (times >= ALARM), 1, 1))
    view = View(series, here, np.exp(usual), spread(window), times, deviations)
    return Judged(signals, view.calm, view.tell, view.over, clear_rows=2, rearm_rows=3)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: its norm, the usual norm, their ratio, robust deviations of the log."""

    series: Series
    norm: Floats
    usual: Floats
    scatter: Floats
    times: Floats
    deviations: Floats

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.norm[i] <= 2 * raised["usual"])

    def over(self, i: int) -> str:
        return f"The gradient norm is back at {number(self.norm[i])}."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        step = int(self.series.steps[self.series.fresh + i])
        norm, usual, times = float(self.norm[i]), held(raised, "usual", self.usual[i]), float(self.times[i])
        said = f"The gradient norm jumped to {number(norm)} at step {step}, {number(times)} times its usual"
        low, high = usual * np.exp(-2 * self.scatter[i]), usual * np.exp(2 * self.scatter[i])
        said += f" {number(usual)} ({number(low)}–{number(high)})."
        evidence = {"norm": norm, "usual": usual, "times": times, "deviations": float(self.deviations[i])}
        evidence |= {"usual_low": float(low), "usual_high": float(high)}
        clears = f"norm under {number(2 * usual)} for 2 rows"
        return Words(step, said, evidence, clears, ADVICE if severity != "info" else "", SOURCE)
