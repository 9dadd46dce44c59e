"""Reward has lost much of what it had gained, far beyond its noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series
from analyses.words import number, percent

TROUBLE = "reward_collapse"
NEEDS = (("reward_mean", "score_mean"),)
USES = ("context_limit",)

NOISES = 6.0  # of one row: the peak is an extreme, and so is the lowest row, by noise alone 4 apart
SHARE = 0.5  # of what had been gained since the start
RANGE = 0.15  # of all that reward has spanned in this stage
SOURCE = "dynamics 5.5"
ADVICE = (
    "Look first at what moved before reward did (entropy, truncation, gradients, mismatch). Then go back to the "
    "checkpoint before the onset with a lower learning rate (verl: actor_rollout_ref.actor.optim.lr; TRL: "
    "learning_rate) or a tighter clip, and check that the verifier still answers."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.WIDTH + 10)


def judge(series: Series, context: Context) -> Judged:
    level = measure.recent(series, series.main)
    smooth = measure.recent(series, series.main, 15)
    settled = np.where(series.ages[series.new] >= 5, smooth, np.nan)
    peak = measure.best_so_far(series, "peak", settled, np.fmax)
    floor = measure.best_so_far(series, "floor", settled, np.fmin)
    start = measure.first_of_stage(series, "start", settled)
    drop = peak - level
    noise = measure.jitter(series, series.main)
    enough = np.fmax(SHARE * (peak - start), RANGE * (peak - np.fmin(floor, level)))
    fallen = (drop >= NOISES * noise) & (drop >= enough) & (drop > 0) & (series.ages[series.new] >= 8)
    scale = np.fmax(np.abs(peak), 1e-9)
    fallen &= drop >= 0.1 * scale
    ruined = fallen & (drop >= 0.8 * np.fmax(peak - start, 0.5 * scale)) & (drop >= 9 * noise)
    signals = (Signal("warning", fallen, 3, 4), Signal("critical", ruined, 4, 5))
    view = View(series, level, peak, start, noise)
    return Judged(signals, view.calm, view.tell, view.over)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: reward now, its peak and start in this stage, a row's noise."""

    series: Series
    level: Floats
    peak: Floats
    start: Floats
    noise: Floats

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] >= (raised["peak"] + raised["level"]) / 2)

    def over(self, i: int) -> str:
        return f"Reward has regained half of the drop: it is at {number(self.level[i])}."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, noise = float(self.level[i]), held(raised, "noise", self.noise[i])
        peak, start = held(raised, "peak", self.peak[i]), held(raised, "start", self.start[i])
        edge = peak - 0.2 * (peak - level)
        onset = measure.departure(self.series, self.series.main, i, peak, edge, raised=raised)
        said = f"Reward has fallen from {number(peak)} to {number(level)} since step {onset}"
        if level >= start and peak > start:
            said += f", {percent((peak - level) / (peak - start))} of what it had gained"
        elif level < start:
            said += f", under where it started ({number(start)})"
        noises = (peak - level) / max(noise, 1e-9)
        evidence = {"level": level, "peak": peak, "start": start, "noise": noise, "noises": noises}
        evidence |= measure.interval(self.series, self.series.main, i)
        clears = f"reward above {number((peak + level) / 2)} for 5 rows"
        return Words(onset, said + ".", evidence, clears, ADVICE, SOURCE)
