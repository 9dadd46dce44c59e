"""Entropy dies out: the policy says the same every time and there is nothing left to learn from.

Entropy falls in every healthy run, steeply at first. It is a collapse when the fall goes towards zero *and*
what learning lives on goes with it: gradients shrink, groups lose their variance, or reward falls. A decline
that reward pays for is a note at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import entropy, measure, trend
from analyses.contract import Bools, Context, Finding, Floats, Ints, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series
from analyses.words import joined, number, percent, steps_between

TROUBLE = "entropy_collapse"
NEEDS = (entropy.NAMES,)
USES = ("reward_mean", "score_mean", "group_zero_std_fraction", "grad_norm")

FALL = 0.8  # x reference before a trend is looked at
STEEP = 0.65  # x reference before a short trend is looked at, and what it must lose
HORIZON = 60  # steps within which the floor must be reached
NEAR, FAR = 250, 400  # the same where gradients shrink already, where two signs are there
DEAD, COLD = 0.05, 0.25  # nats; of the most there was, where that is less
NEARBY, SOON = 20, 6  # rows of the reference where there is no time for a trend; rows to the floor then
ALIVE = 2.0  # x the floor: a plateau above it is no collapse
LOST, AGREED = 0.5, 0.6  # of the most there was, where the floor is still far; where both longer lines see it coming
MUTE = 0.4  # of the most there was, where neither gradients nor groups are logged
GRACE = 50  # steps of the run in which a steep fall is the norm
GRACE_ROWS = 12
LONG = 60  # rows of the trend that sees slow declines
SOURCE = "dynamics 2.2: Cui et al. 2025 (verl docs/algo/entropy.md), Skywork-OR1; Sen 1968"
ADVICE = (
    "Raise the upper clip (verl: actor_rollout_ref.actor.clip_ratio_high=0.28; TRL: epsilon_high=0.28), use "
    "KL-Cov or Clip-Cov (verl: actor_rollout_ref.actor.policy_loss.loss_mode=kl_cov), raise the rollout temperature "
    "(verl: actor_rollout_ref.rollout.temperature; TRL: temperature), or bring in harder prompts; go back to a "
    "checkpoint from before the onset."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    level, reference = measure.recent(series, series.main), measure.reference(series, series.main)
    down = level <= FALL * reference
    mature = down & (series.born[series.new] > GRACE_ROWS) & (_walked(series) >= GRACE)
    logs = entropy.logs(series)
    long, short = (measure.line(series, logs, mature, width) for width in (LONG, measure.WIDTH))
    steep = measure.line(series, logs, mature & (level <= STEEP * reference), entropy.SHORT)
    lines = (long, short, steep)
    most = _most(series)
    floor = np.fmin(DEAD, COLD * most)  # some runs live near 0.1 and are well
    untils = np.array([_until_dead(long, floor), _until_dead(short, floor), _until_dead(steep, floor, STEEP)])
    until = np.fmin.reduce(untils)
    gone = down & (level <= 0.1 * reference) & (level <= 0.4 * DEAD)
    gradient, halved, zero, reward = _companions(series, gone | (until <= FAR))
    spoken = zero.rises & (gradient.falls | reward.falls | (_walked(series) >= 2 * GRACE))  # it drifts early on
    signs = gradient.falls.astype(int) + halved.falls + spoken + reward.falls
    mute = ~(gradient.measured | zero.measured) & ((level <= MUTE * most) | ~reward.measured)
    believed = np.where(reward.rises, signs >= 2, (signs >= 1) | mute)
    distant = ((until <= NEAR) & gradient.falls & ~reward.rises) | ((until <= FAR) & (signs >= 2))
    agreed = (untils[1] <= NEAR) & np.isfinite(untils[0]) & ~zero.falls
    falls = (until <= HORIZON) | (distant & (level <= np.where(agreed, AGREED, LOST) * most))
    quick = _quick(series, mature & (level <= STEEP * reference))
    silent = measure.recent(series, series.column("group_zero_std_fraction"))
    suffering = reward.falls | (zero.rises & (silent >= 0.7))
    signals = (
        Signal("info", (falls | gone) & ~believed),
        Signal("warning", falls & believed),
        Signal("warning", gone & believed, 2, 3),
        Signal("warning", quick, 1, 1),
        Signal("critical", ((falls & (level <= 2 * DEAD)) | gone) & believed & suffering, 3, 4),
    )
    view = View(series, level, reference, floor, lines, np.argmin(untils, axis=0), silent, gradient, zero, reward)
    return Judged(signals, view.calm, view.tell, view.over)


def _walked(series: Series) -> Floats:
    """Steps since the source's first row."""
    first = series.memory.setdefault("first_step", int(series.steps[series.fresh]))
    walked: Floats = (series.steps[series.new] - first).astype(np.float64)
    return walked


def _quick(series: Series, low: Bools) -> Bools:
    """A fall too fast for a trend: three rows, each under the last and far beyond noise, that reach the floor within
    a few more, with gradients or the groups' variance leaving their own noise."""
    last = series.past(series.main, 3)
    quick = low & (last[:, 1] < last[:, 0]) & (last[:, 2] < last[:, 1])
    if not quick.any():
        return quick
    near = measure.reference(series, series.main, NEARBY, 5)
    lost = np.log(last[:, 0] / last[:, 2]) / 2  # per row
    noise = measure.wobble(series, entropy.logs(series))
    quick &= (last[:, 0] <= FALL * near) & (last[:, 2] <= STEEP * near) & (np.log(near / last[:, 2]) >= 8 * noise)
    quick &= np.log(last[:, 2] / DEAD) <= SOON * lost
    gradient = -np.log(np.maximum(series.column("grad_norm"), 1e-12))
    zero = series.column("group_zero_std_fraction")
    return quick & (measure.leaves(series, gradient, NEARBY, 0.3) | measure.leaves(series, zero, NEARBY, 0.05))


def _most(series: Series) -> Floats:
    """The highest level of 15 rows that this stage has had: slow declines show against that."""
    smooth = np.where(series.ages[series.new] >= 8, measure.recent(series, series.main, 15), np.nan)
    return measure.best_so_far(series, "most", smooth, np.fmax)


def _until_dead(line: measure.Line, floor: Floats, share: float = 0.75) -> Floats:
    """Steps until a fall that is certain and large (to `share`) reaches the floor; inf where there is none."""
    until = trend.steps_until(np.log(floor), line.level, line.high)
    return np.where((line.high < 0) & (line.gain <= np.log(share)), until, np.inf)


def _companions(series: Series, where: Bools) -> tuple[measure.Sign, ...]:
    """What learning lives on: gradients (shrinking; halved, which counts twice), groups with variance, reward."""
    gradient = np.log(np.maximum(series.column("grad_norm"), 1e-12))
    zero = series.column("group_zero_std_fraction")
    return (
        measure.sign(series, gradient, where, LONG, trend_of=0.25, shift_of=0.3),
        measure.sign(series, gradient, where, LONG, trend_of=0.7, shift_of=0.7),
        measure.sign(series, zero, where, LONG, trend_of=0.06, shift_of=0.12),
        measure.reward_sign(series, where, measure.WIDTH),
    )


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: level, reference and floor (nats), lines of ln entropy and which is nearest
    to the floor, companions."""

    series: Series
    level: Floats
    reference: Floats
    floor: Floats
    lines: tuple[measure.Line, ...]
    nearest: Ints
    silent: Floats
    gradient: measure.Sign
    zero: measure.Sign
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] > _clearing(raised["level"], raised["reference"])) or self._rests(i)

    def _rests(self, i: int) -> bool:
        """The fall has ended on a plateau far above the floor."""
        return bool(self.level[i] > ALIVE * self.floor[i]) and entropy.rests_at(self.series, i)

    def over(self, i: int) -> str:
        how = "at rest" if self._rests(i) else "back"
        return f"{entropy.SPOKEN[self.series.name]} is {how} at {number(self.level[i])} nats."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, reference = float(self.level[i]), held(raised, "reference", self.reference[i])
        line = self.lines[self.nearest[i]]
        onset = int(self.series.steps[self.series.fresh + i])
        evidence = {"quantity": self.series.name, "level": level, "reference": reference}
        evidence |= measure.interval(self.series, self.series.main, i)
        said = f"{entropy.SPOKEN[self.series.name]} "
        if line.high[i] < 0:
            onset = raised.onset_step if raised else entropy.onset(self.series, line, reference, i)
            target = float(self.floor[i])
            decline = entropy.forecast(line, i, target)
            said += _decline(decline, onset, level)
            evidence |= decline | {"forecast_chance": entropy.chance(self.series, i, target)}
        else:
            said += f"is down to {number(level)} nats from {number(reference)}"
        also = joined(
            {
                "reward falls": self.reward.falls[i],
                "gradients shrink with it": self.gradient.falls[i],
                f"{percent(self.silent[i])} of the groups have no variance": self.zero.rises[i],
                "reward still rises": self.reward.rises[i],
            }
        )
        said += f"; {also}." if also else "."
        clears = f"entropy above {number(_clearing(level, reference))} nats for 5 rows, or flat within a tenth per 100 "
        clears += f"steps above {number(ALIVE * self.floor[i])} nats"
        return Words(onset, said, evidence, clears, ADVICE if severity != "info" else "", SOURCE)


def _clearing(level: float, reference: float) -> float:
    return max(0.9 * reference, 1.5 * level)


def _decline(decline: dict[str, float], onset: int, level: float) -> str:
    said = f"has halved every {steps_between(decline['time'], decline['time_low'], decline['time_high'])}"
    said += f" since step {onset} and is at {number(level)} nats"
    if decline["forecast_steps"] > 0:
        said += f"; at this rate it falls under {number(decline['forecast_nats'])}"
        said += f" in about {decline['forecast_steps']:.0f} steps"
    return said
