"""Nothing left to learn from: the responses of a group all earn the same, so their advantages are zero.

A high share of such groups is usual where prompts are easy; it is dead when it is nearly all of them and the gradient
is gone, or when the share has climbed far within the run.
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
from analyses.words import joined, number, percent

TROUBLE = "dead_signal"
NEEDS = (("group_zero_std_fraction", "reward_std"),)
USES = (
    "reward_std",
    "grad_norm",
    "reward_mean",
    "score_mean",
    "group_all_right_fraction",
    "group_all_wrong_fraction",
    "dynamic_sampling_gen_batches",
)

HIGH, CLIMB = 0.6, 0.25  # share of groups without variance, and how far it has risen
BROKEN = 0.3  # rise of the share of groups in which nothing is right
SOURCE = "dynamics 5.1; DAPO, DeepCoder model card; arXiv 2606.18487"
ADVICE = (
    "If the groups are all right, bring in harder prompts; if they are all wrong, easier ones, or check verifier and "
    "sandbox first. Dynamic sampling (verl: algorithm.filter_groups.enable=True) drops such groups; more rollouts a "
    "prompt (verl: actor_rollout_ref.rollout.n; TRL: num_generations) make them rarer."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    silent = _silent(series)
    level, before = measure.recent(series, silent, 5), measure.reference(series, silent)
    gradient, std = series.column("grad_norm")[series.new], series.column("reward_std")[series.new]
    still = np.where(np.isfinite(gradient), gradient == 0, True)
    dead = (silent[series.new] >= 0.99) & still & np.where(np.isfinite(std), std < 1e-9, True)
    climbs = (level >= HIGH) & (level >= before + CLIMB) & (series.name == "group_zero_std_fraction")
    wrong = series.column("group_all_wrong_fraction")
    broken = measure.recent(series, wrong) >= measure.reference(series, wrong) + BROKEN
    reward = measure.reward_sign(series, climbs | broken, measure.WIDTH)
    signals = (
        Signal("warning", dead, 8, 10),
        Signal("warning", climbs, 8, 10),
        Signal("warning", broken & reward.falls, 4, 5),
        Signal("critical", dead & ~_winning(series), 15, 16),
    )
    view = View(series, level, before, dead, broken & reward.falls, reward)
    return Judged(signals, view.calm, view.tell, view.over)


def _silent(series: Series) -> Floats:
    """The share of groups without variance; where only the batch's spread is logged, 1 where that is exactly zero."""
    if series.name == "group_zero_std_fraction":
        return series.main
    silent: Floats = (series.main == 0).astype(np.float64)
    return silent


def _winning(series: Series) -> Bools:
    """Rows whose reward is the best there has been: all solved is an end, not an accident."""
    reward = series.column("reward_mean", "score_mean")[series.new]
    best = measure.best_so_far(series, "best", reward, np.fmax)
    winning: Bools = (reward >= best) & (reward > 0)
    return winning


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: the silent share now and before, and what kind of silence it is."""

    series: Series
    level: Floats
    before: Floats
    dead: Bools
    broken: Bools
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return (
            not self.dead[i] and not self.broken[i] and bool(self.level[i] < max(HIGH, (raised["before"] or 0) + 0.15))
        )

    def over(self, i: int) -> str:
        return f"{percent(1 - self.level[i])} of the groups have variance again."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, before = float(self.level[i]), held(raised, "before", self.before[i])
        silent = _silent(self.series)
        at = self.series.fresh + i
        onset = measure.departure(
            self.series, silent, i, min(before, level), min(level, before + 0.5 * CLIMB), raised=raised
        )
        if self.broken[i] and not self.dead[i]:
            wrong = float(self.series.column("group_all_wrong_fraction")[at])
            said = (
                f"In {percent(wrong)} of the groups nothing is right any more, and reward falls: look at the verifier."
            )
            return Words(onset, said, {"level": wrong, "before": before}, _CLEARS, ADVICE, SOURCE)
        said = f"{percent(level)} of the groups have no variance"
        if self.dead[i]:
            gradient = self.series.column("grad_norm")[at] == 0
            said = f"No group has any variance{' and the gradient is zero' if gradient else ''}"
        said += f" since step {onset}"
        also = joined(
            {
                f"{percent(self._share(at, 'right'))} are all right": np.isfinite(self._share(at, "right")),
                f"{percent(self._share(at, 'wrong'))} all wrong": np.isfinite(self._share(at, "wrong")),
            }
        )
        reward = float(self.series.column("reward_mean", "score_mean")[at])
        said += f" ({also})" if also else f" at a reward of {number(reward)}"
        evidence = {"level": level, "before": before, "reward": reward, **measure.interval(self.series, silent, i)}
        return Words(onset, said + ".", evidence, _CLEARS, ADVICE, SOURCE)

    def _share(self, at: int, kind: str) -> float:
        return float(self.series.column(f"group_all_{kind}_fraction")[at])


_CLEARS = f"groups without variance under {percent(HIGH)} (or near their share before) for 5 rows"
