"""The loss of one row lies far outside what the run has shown: a poisoned batch or numbers that overflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series, middle
from analyses.words import number

TROUBLE = "loss_spike"
NEEDS = (("policy_loss", "total_loss"),)
USES = ("grad_norm",)

DEVIATIONS = 12.0  # of the loss
WIDEST = 6.0  # x the largest deviation seen in the reference: a policy loss has heavy tails by nature
REACH, LAG, LEAST = 60, 5, 20  # rows
SOURCE = "dynamics 4.3; verl issues 1066, 2738"
ADVICE = (
    "Look at the batch of that step (an advantage, a ratio or a length out of bounds), clip ratios harder (verl: "
    "actor_rollout_ref.actor.clip_ratio_c; TRL: delta), and see whether gradients follow."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=REACH + 5)


def judge(series: Series, context: Context) -> Judged:
    window = measure.earlier(series, series.main, REACH, LAG)
    usual = middle(window)
    off = np.abs(window - usual[:, None])
    noise = 1.4826 * middle(off)
    widest = np.where(np.isfinite(off), off, 0).max(axis=1)
    deviation = np.abs(series.main[series.new] - usual)
    odd = (deviation > DEVIATIONS * noise) & (deviation > WIDEST * widest) & (deviation > 0.05)
    odd &= (np.isfinite(window).sum(axis=1) >= LEAST) & (noise > 0)
    signals = (Signal("warning", odd, 1, 1),)
    view = View(series, usual, noise, deviation)
    return Judged(signals, view.calm, view.tell, view.over, clear_rows=2)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: the usual loss, its noise, and how far this row is off."""

    series: Series
    usual: Floats
    noise: Floats
    deviation: Floats

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.deviation[i] <= DEVIATIONS / 2 * raised["noise"])

    def over(self, i: int) -> str:
        return f"The loss is back at {number(self.series.main[self.series.fresh + i])}."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        at = self.series.fresh + i
        step, loss = int(self.series.steps[at]), float(self.series.main[at])
        usual, noise = held(raised, "usual", self.usual[i]), held(raised, "noise", self.noise[i])
        said = f"The loss jumped to {number(loss)} at step {step}; it is usually {number(usual)} ± {number(noise)}."
        evidence = {"quantity": self.series.name, "loss": loss, "usual": usual, "noise": noise}
        clears = f"loss within {number(DEVIATIONS / 2 * noise)} of {number(usual)} for 2 rows"
        return Words(step, said, evidence, clears, ADVICE, SOURCE)
