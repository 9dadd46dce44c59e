"""Entropy grows exponentially: the policy dissolves into noise.

A rise alone is no trouble (clip-higher lets entropy rise and settle). A blow-up is growth with evidence, far
above its own lagged reference, about to reach a limit, and with what it breaks: longer and truncated responses,
less reward. Where length and truncation are logged and stay calm, the rise has to be much larger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import entropy, measure, trend
from analyses.contract import Bools, Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series
from analyses.words import joined, number, steps_between

TROUBLE = "entropy_blowup"
NEEDS = (entropy.NAMES,)
USES = ("reward_mean", "score_mean", "truncation_fraction", "response_length_mean")

RISE = 1.25  # x reference before a trend is looked at
SHORT_RISE = 1.5  # x reference before a short trend counts
LONE_RISE = 2.2  # x reference where length and truncation are logged and calm
LEAP = 3.0  # x reference: no trend is needed any more
CROSSED = 1.6  # x reference, the same beyond the limit
QUICK, SOON = 1.6, 6  # x the rows nearby; rows to the limit: no time for a trend
NEARBY, LEAST = 20, 8  # rows
HORIZON = 60  # steps within which the limit must be reached
LIMIT = 1.0  # nats: "growth is fine as long as it is < 1"
FAR = 2.0  # x reference: the limit of a run that lives higher
FATAL = 2.0  # nats
SOURCE = "dynamics 2.1: rllm-org/rllm issue 116, DeepCoder model card; Sen 1968"
ADVICE = (
    "Set the entropy bonus to 0 (verl: actor_rollout_ref.actor.entropy_coeff; TRL: entropy_coef), lower the upper "
    "clip (verl: actor_rollout_ref.actor.clip_ratio_high; TRL: epsilon_high) or the learning rate, and go back to "
    "a checkpoint from before the onset."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    level, reference = measure.recent(series, series.main), measure.reference(series, series.main)
    home = np.fmax(reference, 0.8 * entropy.start(series))  # coming home to the first level is no blow-up
    settled = series.ages[series.new] >= measure.WIDTH
    noise = np.where(settled, measure.wobble(series, entropy.logs(series)), 0)
    up = level >= reference * np.fmax(RISE, np.exp(4 * noise))
    long, short = (measure.line(series, entropy.logs(series), up, width) for width in (measure.WIDTH, entropy.SHORT))
    slow = _alarming(long, reference)
    fast = _alarming(short, reference) & (level >= SHORT_RISE * reference)
    length, cut, reward = _companions(series, up)
    broken = length.rises | cut.rises | reward.falls
    alone = ~(length.measured | cut.measured) | (level >= LONE_RISE * home)
    believed = broken | alone
    believed &= ~entropy.settles(series, entropy.logs(series), up & broken, measure.WIDTH)
    believed |= measure.setting(context, "entropy_coef", 0) > 0  # the bonus itself can drive it
    leap = up & broken & (level >= LEAP * reference) & (level >= LIMIT / 2)
    leap |= up & broken & settled & (level >= CROSSED * home) & (level >= LIMIT)
    over = up & (level >= FATAL) & (level >= 1.5 * home) & (broken | alone | (home < FATAL / 2))
    quick = _quick(series, home)
    suffering = reward.falls | (cut.rises & (level >= FATAL))
    signals = (
        Signal("info", (slow | fast) & ~believed),
        Signal("warning", slow & believed),
        Signal("warning", fast & believed, 3, 4),
        Signal("warning", leap | over, 2, 3),
        Signal("warning", quick, 1, 1),
        Signal("critical", (leap | over | ((slow | fast) & believed)) & suffering, 2, 3),
    )
    view = View(series, context, level, reference, long, short, length, cut, reward)
    return Judged(signals, view.calm, view.tell, view.over)


def _alarming(line: measure.Line, reference: Floats) -> Bools:
    """Growth that is certain, large, and about to reach the limit."""
    limit = np.log(np.maximum(LIMIT, FAR * reference))
    soon = trend.steps_until(limit, line.level, line.low) <= HORIZON
    alarming: Bools = (line.low > 0) & (line.gain >= np.log(1.35)) & soon
    return alarming


def _quick(series: Series, home: Floats) -> Bools:
    """Growth too fast for a trend: three rows, each above the last and far beyond noise, that reach the limit within
    a few more, with length, truncation or reward leaving their own noise."""
    last = series.past(series.main, 3)
    quick = (last[:, 1] > last[:, 0]) & (last[:, 2] > last[:, 1]) & (last[:, 2] >= QUICK * home)
    quick &= series.ages[series.new] >= LEAST
    if not quick.any():
        return quick
    near = measure.reference(series, series.main, NEARBY, 5)
    grown = np.log(last[:, 2] / last[:, 0]) / 2  # per row
    until = np.log(np.maximum(LIMIT, FAR * near) / last[:, 2]) / grown
    noise = measure.wobble(series, entropy.logs(series))
    quick &= (last[:, 0] >= RISE * near) & (last[:, 2] >= QUICK * near) & (until <= SOON)
    quick &= np.log(last[:, 2] / near) >= 8 * noise
    return quick & _met(series) if quick.any() else quick


def _met(series: Series) -> Bools:
    """Length or truncation above, or reward under, the rows nearby."""
    length = np.log(np.maximum(series.column("response_length_mean"), 1))
    cut, reward = series.column("truncation_fraction"), series.column("reward_mean", "score_mean")
    longer = measure.leaves(series, length, NEARBY, 0.05)
    return longer | measure.leaves(series, cut, NEARBY, 0.02) | measure.leaves(series, -reward, NEARBY, 0)


def _companions(series: Series, where: Bools) -> tuple[measure.Sign, measure.Sign, measure.Sign]:
    """What dissolving breaks: lengths, the truncated share, reward."""
    length = np.log(np.maximum(series.column("response_length_mean"), 1))
    cut = series.column("truncation_fraction")
    length_now = measure.sign(series, length, where, entropy.SHORT, trend_of=0.05, shift_of=0.25)
    cut_now = measure.sign(series, cut, where, entropy.SHORT, trend_of=0.02, shift_of=0.15)
    longer = length_now | measure.sign(series, length, where, measure.WIDTH, trend_of=0.05, shift_of=0.25)
    new = longer.rises & ~measure.steady(series, length) if longer.rises.any() else longer.rises
    return (
        measure.Sign(new, longer.falls, longer.measured),
        cut_now | measure.sign(series, cut, where, measure.WIDTH, trend_of=0.02, shift_of=0.15),
        measure.reward_sign(series, where, measure.WIDTH),
    )


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: level and reference in nats, lines of ln entropy, companions."""

    series: Series
    context: Context
    level: Floats
    reference: Floats
    long: measure.Line
    short: measure.Line
    length: measure.Sign
    cut: measure.Sign
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] < _clearing(raised["reference"]) and not self.long.low[i] > 0)

    def over(self, i: int) -> str:
        return f"{entropy.SPOKEN[self.series.name]} is back at {number(self.level[i])} nats."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        level, reference = float(self.level[i]), held(raised, "reference", self.reference[i])
        line = self.long if self.long.low[i] > 0 else self.short
        onset = int(self.series.steps[self.series.fresh + i])
        evidence = {"quantity": self.series.name, "level": level, "reference": reference}
        evidence |= measure.interval(self.series, self.series.main, i)
        said = f"{entropy.SPOKEN[self.series.name]} "
        if line.low[i] > 0:
            onset = raised.onset_step if raised else entropy.onset(self.series, line, reference, i)
            target = max(LIMIT, FAR * reference) if level < LIMIT else FATAL
            growth = entropy.forecast(line, i, target)
            said += _growth(growth, onset)
            evidence |= growth | {"forecast_chance": entropy.chance(self.series, i, target)}
        else:
            said += (
                f"is at {number(level)} nats, {number(level / max(reference, entropy.FLOOR))} times its earlier level"
            )
        also = joined(
            {
                "reward falls": self.reward.falls[i],
                "more responses are truncated": self.cut.rises[i],
                "responses get longer": self.length.rises[i],
            }
        )
        said += f"; {also}." if also else "."
        bonus = measure.setting(self.context, "entropy_coef", 0)
        said += f" An entropy bonus of {number(bonus)} is set." if bonus > 0 else ""
        clears = f"entropy under {number(_clearing(reference))} nats and not growing for 5 rows"
        return Words(onset, said, evidence, clears, ADVICE if severity != "info" else "", SOURCE)


def _clearing(reference: float) -> float:
    return max(1.15 * reference, 0.9 * LIMIT)


def _growth(growth: dict[str, float], onset: int) -> str:
    said = f"has doubled every {steps_between(growth['time'], growth['time_low'], growth['time_high'])}"
    said += f" since step {onset}"
    if growth["forecast_steps"] > 0:
        said += f"; at this rate it passes {number(growth['forecast_nats'])} nats"
        said += f" in about {growth['forecast_steps']:.0f} steps"
    return said
