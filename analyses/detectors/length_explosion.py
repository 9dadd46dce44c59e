"""Responses become several times longer within a few rows, towards the limit.

Growth that reward follows is how reasoning is learned: a note. It is an explosion when truncation climbs with it,
where truncation is logged, and reward does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Bools, Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series
from analyses.words import joined, number

TROUBLE = "length_explosion"
NEEDS = (("response_length_mean",),)
USES = ("truncation_fraction", "reward_mean", "score_mean", "prompt_length_mean", "context_limit")

TIMES = 2.0
CLIMB, GAIN = 1.25, 1.15  # x reference, x within the trend's rows: where truncation climbs with it
REACH, LAG = 40, 10  # rows of the reference
SOURCE = "dynamics 3.7"
ADVICE = (
    "Read the longest responses of the last rows: loops come from a policy that dissolves (see entropy), honest length "
    "from the reward. Lower the learning rate or the upper clip (verl: actor_rollout_ref.actor.clip_ratio_high; TRL: "
    "epsilon_high), add a soft length penalty, and go back to a checkpoint from before the onset."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    length, prompt = series.main, series.column("prompt_length_mean")
    level, before = measure.recent(series, length), measure.reference(series, length, REACH, LAG)
    other_prompts = measure.recent(series, prompt) > 1.5 * measure.reference(series, prompt, REACH, LAG)
    limit = _limit(series, context)
    near = (level >= 0.85 * limit) & (before <= 0.6 * limit)
    grown = ((level >= TIMES * before) | near) & (before > 0) & ~other_prompts
    cut = measure.sign(series, series.column("truncation_fraction"), grown, 12, trend_of=0.02, shift_of=0.05)
    reward = measure.reward_sign(series, grown, 12)
    bad = grown & (cut.rises | ~cut.measured) & ~reward.rises
    pinned = (level >= 1.5 * before) & (measure.recent(series, series.column("truncation_fraction")) >= 0.5)
    pinned &= measure.reference(series, series.column("truncation_fraction"), REACH, LAG) < 0.2
    climbs, _line = _climbs(series)
    signals = (
        Signal("warning", climbs),
        Signal("warning", pinned & (series.ages[series.new] >= 8), 2, 3),
        Signal("info", grown & ~bad, 3, 4),
        Signal("warning", bad, 3, 4),
        Signal("critical", bad & reward.falls, 3, 4),
    )
    before = np.where(grown | pinned | ~climbs, before, measure.reference(series, length))
    view = View(series, level, before, limit, cut, reward)
    return Judged(signals, view.calm, view.tell, view.over)


def _climbs(series: Series) -> tuple[Bools, measure.Line]:
    """New rows at which lengths and truncation climb together, surely, for many rows, and reward does not."""
    length, cut = series.main, series.column("truncation_fraction")
    up = measure.recent(series, length) >= CLIMB * measure.reference(series, length)
    if not up.any():
        return up, measure.line(series, length, up, measure.WIDTH)
    level, calm = measure.recent(series, cut), measure.reference(series, cut)
    settled = np.where(series.stages[series.new] == 0, measure.WIDTH, 2 * measure.WIDTH)  # a new limit is grown into
    up &= (level >= 0.05) & (level >= 2 * calm) & (series.ages[series.new] >= settled)
    line = measure.line(series, np.log(np.maximum(length, 1)), up, measure.WIDTH)
    more = measure.line(series, cut, up, measure.WIDTH)
    reward = measure.reward_sign(series, up, measure.WIDTH)
    sure = (line.low > 0) & (line.gain >= np.log(GAIN)) & (more.low > 0) & (more.gain >= 0.02)
    return up & sure & ~reward.rises, line


def _limit(series: Series, context: Context) -> Floats:
    """The context limit in force, from the rows, else from the config; inf where neither says."""
    told = measure.setting(context, "context_limit", np.inf)
    rows = series.column("context_limit")[series.new]
    return np.where(np.isfinite(rows), rows, told)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: lengths now and before, the limit (tokens), and the companions."""

    series: Series
    level: Floats
    before: Floats
    limit: Floats
    cut: measure.Sign
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] < 1.5 * raised["before"])

    def over(self, i: int) -> str:
        return f"Responses are back at {number(self.level[i])} tokens."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, before = float(self.level[i]), held(raised, "before", self.before[i])
        onset = measure.departure(self.series, self.series.main, i, before, 1.25 * before, raised=raised)
        said = f"Responses have grown from {number(before)} to {number(level)} tokens since step {onset}"
        said += f", {number(level / before)} times as long"
        if np.isfinite(self.limit[i]):
            said += f"; the limit is {number(self.limit[i])}"
        also = joined(
            {
                "more are truncated": self.cut.rises[i],
                "reward falls": self.reward.falls[i],
                "reward rises with it": self.reward.rises[i],
            }
        )
        evidence = {"level": level, "before": before, "times": level / before, "limit": float(self.limit[i])}
        evidence |= measure.interval(self.series, self.series.main, i)
        clears = f"mean length under {number(1.5 * before)} tokens for 5 rows"
        advice = ADVICE if severity != "info" else ""
        return Words(onset, said + (f"; {also}." if also else "."), evidence, clears, advice, SOURCE)
