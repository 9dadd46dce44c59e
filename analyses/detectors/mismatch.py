"""Rollout engine and trainer disagree about the same tokens' probabilities: training is off-policy without knowing."""

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

TROUBLE = "mismatch"
NEEDS = (("mismatch_kl", "mismatch_prob_mean"),)
USES = ("is_ess", "is_ratio_mean", "mismatch_pearson", "grad_norm", "reward_mean", "score_mean")

LONG = 60  # rows of the trend
TIMES, LEAST = 10.0, 0.01  # x the calm of this stage; nats
EARLY = 4.0  # x the same, with a trend
BAD = 0.1  # nats: verl's own level
SOURCE = "dynamics 4.1: verl docs/algo/rollout_corr.md; sail-sg/Precision-RL issue 10; MiniMax-M1 (FP32 head)"
ADVICE = (
    "Run rollout and trainer in one precision (FP16 rather than BF16, an FP32 LM head), keep weight syncs in step, and "
    "correct by truncated importance sampling (verl: algorithm.rollout_correction.rollout_is=token; TRL: "
    "vllm_importance_sampling_correction=True)."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    gap = np.abs(series.main)
    level = measure.recent(series, gap)
    smooth = np.where(series.ages[series.new] >= 8, measure.recent(series, gap, 15), np.nan)
    calm = measure.best_so_far(series, "calm", smooth, np.fmin)
    up = level >= EARLY * calm
    line = measure.line(series, np.log(np.maximum(gap, 1e-9)), up, LONG)
    grows = up & (line.low > 0) & (line.gain >= np.log(1.25))
    far = (level >= TIMES * calm) & (level >= LEAST)
    ess = measure.recent(series, series.column("is_ess"))
    ratio = measure.recent(series, series.column("is_ratio_mean"))
    bad = (level >= BAD) & (level >= 3 * calm) if series.name == "mismatch_kl" else np.zeros(len(level), bool)
    bad |= (ess < 0.3) | (ratio > 2) | (ratio < 0.5)
    reward = measure.reward_sign(series, bad, measure.WIDTH)
    signals = (
        Signal("warning", grows),
        Signal("warning", far),
        Signal("warning", bad),
        Signal("critical", bad & reward.falls),
    )
    view = View(series, level, calm, line, ess, reward)
    return Judged(signals, view.calm, view.tell, view.over)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: the disagreement now and at its calmest, its line, the effective sample."""

    series: Series
    level: Floats
    before: Floats
    line: measure.Line
    ess: Floats
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        fine = not self.ess[i] < 0.4
        return fine and bool(self.level[i] < 2.5 * (raised["before"] or np.inf))

    def over(self, i: int) -> str:
        return f"Rollout and trainer agree again: {number(self.level[i])}."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, before = float(self.level[i]), held(raised, "before", self.before[i])
        onset = measure.departure(self.series, np.abs(self.series.main), i, before, 2 * before, raised=raised)
        what = "KL (k3)" if self.series.name == "mismatch_kl" else "probability difference"
        said = (
            f"The {what} between rollout and trainer is at {number(level)}, {number(level / max(before, 1e-12))} times"
        )
        said += f" its calm {number(before)}, since step {onset}"
        grows, rate = measure.growth(self.line, i, BAD)
        said += grows
        also = joined(
            {
                f"the effective sample is {number(self.ess[i])} of the batch": self.ess[i] < 0.9,
                "reward falls": self.reward.falls[i],
            }
        )
        evidence = {"quantity": self.series.name, "level": level, "before": before, "is_ess": float(self.ess[i])}
        evidence |= {**measure.interval(self.series, np.abs(self.series.main), i), **rate}
        clears = f"under {number(2.5 * before)} for 5 rows"
        return Words(onset, said + (f"; {also}." if also else "."), evidence, clears, ADVICE, SOURCE)
