"""A growing share of tokens is clipped: updates leave the trust region, and what is clipped teaches nothing.

The level means nothing by itself (GRPO about 0.001, GSPO about 0.15): the run is compared with itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series
from analyses.words import joined, number, percent

TROUBLE = "clip_saturation"
NEEDS = (("clip_fraction_total", "clip_fraction_high", "clip_fraction_low"),)
USES = ("reward_mean", "score_mean")

TIMES, LEAST = 5.0, 0.05  # x reference; share of tokens
SOURCE = "dynamics 4.2; GSPO arXiv 2507.18071, verl issue 7356"
ADVICE = (
    "Take fewer updates a batch (verl: actor_rollout_ref.actor.ppo_mini_batch_size, ppo_epochs; TRL: num_iterations, "
    "steps_per_generation) or a lower learning rate; check the mismatch between rollout and trainer."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    level, before = measure.recent(series, series.main), measure.reference(series, series.main)
    much = (level >= TIMES * before) & (level >= LEAST) & (series.ages[series.new] >= 20)
    reward = measure.reward_sign(series, much, measure.WIDTH)
    signals = (Signal("warning", much, 9, 10), Signal("critical", much & reward.falls & (level >= 0.2), 9, 10))
    view = View(series, level, before, reward)
    return Judged(signals, view.calm, view.tell, view.over)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: the clipped share now and before."""

    series: Series
    level: Floats
    before: Floats
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] < max(2.5 * raised["before"], LEAST / 2))

    def over(self, i: int) -> str:
        return f"{percent(self.level[i])} of the tokens are clipped again."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, before = float(self.level[i]), held(raised, "before", self.before[i])
        onset = measure.departure(self.series, self.series.main, i, before, max(2 * before, LEAST / 2), raised=raised)
        said = f"{percent(level)} of the tokens are clipped since step {onset}, usually {percent(before)}"
        also = joined({"reward falls": self.reward.falls[i]})
        evidence = {"quantity": self.series.name, "level": level, "before": before}
        evidence |= measure.interval(self.series, self.series.main, i)
        clears = f"clipped share under {number(max(2.5 * before, LEAST / 2))} for 5 rows"
        return Words(onset, said + (f"; {also}." if also else "."), evidence, clears, ADVICE, SOURCE)
