"""Rollouts come from ever older weights: the trainer learns from a policy that is no longer there."""

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

TROUBLE = "stale_rollouts"
NEEDS = (("staleness_mean", "staleness_max"),)
USES = ("mismatch_kl", "reward_mean", "score_mean")

TIMES, LEAST = 2.0, 2.0  # x reference; policy versions
SOURCE = "dynamics 4.4"
ADVICE = (
    "Sync weights more often or let fewer rollouts run ahead (verl: async_training.staleness_threshold, "
    "async_training.trigger_parameter_sync_step), add rollout capacity, and correct by importance sampling."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    level, before = measure.recent(series, series.main), measure.lowest(series, series.main)
    allowed = measure.setting(context, "staleness_limit", np.inf)
    old = (level >= LEAST) & (level >= TIMES * before) & (series.ages[series.new] >= 20)
    old |= level > allowed
    reward = measure.reward_sign(series, old, measure.WIDTH)
    gap = measure.sign(series, series.column("mismatch_kl"), old, measure.WIDTH, trend_of=0.001, shift_of=0.005)
    signals = (Signal("warning", old), Signal("critical", old & reward.falls & gap.rises))
    view = View(series, level, before, reward, gap)
    return Judged(signals, view.calm, view.tell, view.over)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: staleness now and at its calm (policy versions), and the companions."""

    series: Series
    level: Floats
    before: Floats
    reward: measure.Sign
    gap: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] < max(LEAST, 1.5 * raised["before"]))

    def over(self, i: int) -> str:
        return f"Rollouts are {number(self.level[i])} versions old again."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, before = float(self.level[i]), held(raised, "before", self.before[i])
        onset = measure.departure(self.series, self.series.main, i, before, max(1.5 * before, LEAST / 2), raised=raised)
        said = f"Rollouts are {number(level)} policy versions old since step {onset}, before {number(before)}"
        also = joined({"rollout and trainer drift apart": self.gap.rises[i], "reward falls": self.reward.falls[i]})
        evidence = {"quantity": self.series.name, "level": level, "before": before}
        evidence |= measure.interval(self.series, self.series.main, i)
        clears = f"staleness under {number(max(LEAST, 1.5 * before))} versions for 5 rows"
        return Words(onset, said + (f"; {also}." if also else "."), evidence, clears, ADVICE, SOURCE)
