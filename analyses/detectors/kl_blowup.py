"""One update moves the policy far: the KL from the old policy to the new one is many times its usual size."""

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

TROUBLE = "kl_blowup"
NEEDS = (("kl_policy_old",),)
USES = ("grad_norm", "reward_mean", "score_mean")

TIMES, LEAST, HUGE = 10.0, 0.05, 0.5  # x reference; nats per token
REACH, LAG = 60, 15  # rows of the reference: behind a growth of 15 % a row by a factor of 10 at least
SOURCE = "dynamics 4.5"
ADVICE = (
    "Lower the learning rate (verl: actor_rollout_ref.actor.optim.lr; TRL: learning_rate) or take fewer updates a "
    "batch (verl: actor_rollout_ref.actor.ppo_mini_batch_size, ppo_epochs; TRL: num_iterations, "
    "steps_per_generation), and go back to a checkpoint from before the onset."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    distance = np.abs(series.main)  # the estimator is a mean of -log ratio: it may be negative
    here, usual = distance[series.new], measure.reference(series, distance, REACH, LAG)
    young = series.ages[series.new] < 5
    far = (here >= np.maximum(TIMES * usual, LEAST)) & ~young
    huge = (here >= HUGE) & (here >= 3 * usual) & ~young
    gradient = np.log(np.maximum(series.column("grad_norm"), 1e-12))
    pushed = measure.sign(series, gradient, far | huge, 12, trend_of=0.5, shift_of=0.7)
    reward = measure.reward_sign(series, far | huge, 12)
    signals = (
        Signal("warning", far, 3, 4),
        Signal("warning", huge, 2, 3),
        Signal("critical", huge & (pushed.rises | reward.falls | ~(pushed.measured | reward.measured)), 2, 3),
        Signal("critical", far & (pushed.rises | reward.falls), 3, 4),
    )
    view = View(series, distance, here, usual, pushed, reward)
    return Judged(signals, view.calm, view.tell, view.over)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: its KL and the usual one (nats per token), and the companions."""

    series: Series
    distance: Floats
    here: Floats
    usual: Floats
    pushed: measure.Sign
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.here[i] < max(3 * raised["usual"], LEAST / 2))

    def over(self, i: int) -> str:
        return f"The policy's KL per update is back at {number(self.here[i])} nats."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        here, usual = float(self.here[i]), held(raised, "usual", self.usual[i])
        onset = measure.departure(self.series, self.distance, i, usual, max(3 * usual, LEAST / 2), raised=raised)
        said = (
            f"An update moves the policy by {number(here)} nats per token since step {onset}, usually {number(usual)}"
        )
        also = joined({"gradients grow": self.pushed.rises[i], "reward falls": self.reward.falls[i]})
        evidence = {"level": here, "usual": usual, "times": here / max(usual, 1e-12)}
        evidence |= measure.interval(self.series, self.distance, i)
        clears = f"KL under {number(max(3 * usual, LEAST / 2))} nats for 5 rows"
        return Words(onset, said + (f"; {also}." if also else "."), evidence, clears, ADVICE, SOURCE)
