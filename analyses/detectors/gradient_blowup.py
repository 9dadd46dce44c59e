"""Gradients grow and keep growing: the update no longer improves anything, it tears the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, watch
from analyses.series import Series, spread
from analyses.words import joined, number

TROUBLE = "gradient_blowup"
NEEDS = (("grad_norm",),)
USES = ("reward_mean", "score_mean")

TIMES = 3.0  # x reference before a trend is looked at
GROWTH = 4.0  # x within the trend's rows
LEAP = 300.0  # x reference: a single row is enough
FLOOR = 0.05  # a norm so small that a multiple of it means nothing
WIDTH = 20  # rows of the trend
SOURCE = "dynamics 4.3; When Speed Kills Stability"
ADVICE = (
    "Stop and go back to the checkpoint before the onset: lower the learning rate (verl: "
    "actor_rollout_ref.actor.optim.lr; TRL: learning_rate), clip harder (verl: actor_rollout_ref.actor.grad_clip; TRL: "
    "max_grad_norm), and check the mismatch between rollout and trainer."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    norm = series.main
    logs = np.log(np.maximum(norm, FLOOR / 100))
    level, usual = measure.recent(series, norm), np.maximum(measure.reference(series, norm), FLOOR / 10)
    times = level / usual
    wild = spread(measure.earlier(series, logs))  # norms that leap between zero and full by nature
    up = times >= np.maximum(TIMES, np.exp(2 * np.fmax(wild, 0)))
    line = measure.line(series, logs, up, WIDTH)
    grows = up & (line.low > 0) & (line.gain >= np.log(GROWTH))
    lasts = up & (times >= 2 * GROWTH)
    leap = (norm[series.new] >= LEAP * np.maximum(usual, FLOOR)) & (series.ages[series.new] >= 4)
    reward = measure.reward_sign(series, grows | leap | lasts, measure.WIDTH)
    signals = (
        Signal("warning", grows, 3, 4),
        Signal("warning", lasts, 4, 5),
        Signal("warning", leap & (norm[series.new] >= 20), 1, 1),
        Signal("critical", leap & (norm[series.new] >= 1e6), 1, 1),
        Signal("critical", (grows | lasts) & (times >= 10) & reward.falls, 3, 4),
    )
    view = View(series, np.maximum(level, np.where(leap, norm[series.new], 0)), usual, line, reward)
    return Judged(signals, view.calm, view.tell, view.over)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: norm now and usually, the line of ln norm, and what reward does."""

    series: Series
    level: Floats
    usual: Floats
    line: measure.Line
    reward: measure.Sign

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.level[i] <= 2 * max(raised["usual"], FLOOR))

    def over(self, i: int) -> str:
        return f"The gradient norm is back at {number(self.level[i])}."

    def tell(self, i: int, severity: Severity) -> Words:
        level, usual = float(self.level[i]), float(self.usual[i])
        onset = measure.departure(self.series, self.series.main, i, usual, 2 * usual)
        said = f"The gradient norm has grown from {number(usual)} to {number(level)} since step {onset}"
        slope = float(self.line.slope[i])
        if slope > 0:
            said += f", doubling every {number(np.log(2) / slope)} steps"
        also = joined({"reward falls": self.reward.falls[i]})
        evidence = {"level": level, "usual": usual, "times": level / usual, "slope_per_step": slope}
        clears = f"norm under {number(2 * max(usual, FLOOR))} for 5 rows"
        return Words(onset, said + (f", and {also}." if also else "."), evidence, clears, ADVICE, SOURCE)
