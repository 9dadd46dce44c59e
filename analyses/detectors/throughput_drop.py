"""The run makes fewer tokens a second than it did with responses of the same length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, held, watch
from analyses.series import Series, middle
from analyses.words import number, percent

TROUBLE = "throughput_drop"
NEEDS = (("throughput_tokens_per_s_per_gpu", "throughput_tokens_per_s"),)
USES = ("response_length_mean",)

DROP = 0.2  # of the throughput that these lengths used to have
ALIKE = 1.5  # x: lengths further from the reference than this are no comparison
LEAST = 20  # rows
SOURCE = "dynamics 7.4"
ADVICE = (
    "Compare the parts of a step (generation, reward, update): a slow node, a busy reward sandbox or swapping KV cache "
    "(verl: actor_rollout_ref.rollout.gpu_memory_utilization; TRL: vllm_gpu_memory_utilization) show there first."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    return watch(state, rows, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)


def judge(series: Series, context: Context) -> Judged:
    speed, expected, comparable = measure.recent(series, series.main, 5), _expected(series), _comparable(series)
    noise = measure.wobble(series, series.main)
    slow = comparable & (speed < (1 - DROP) * expected) & (expected - speed > 3 * noise)
    slow &= series.ages[series.new] >= LEAST
    view = View(series, speed, expected)
    return Judged((Signal("warning", slow, 9, 10),), view.calm, view.tell, view.over)


def _expected(series: Series) -> Floats:
    """What the reference rows made, carried over to today's length by their own slope of ln speed on ln length."""
    length = np.log(np.maximum(series.column("response_length_mean"), 1))
    speeds = measure.earlier(series, np.log(np.maximum(series.main, 1e-9)), measure.REACH, 10)
    lengths = measure.earlier(series, length, measure.REACH, 10)
    usual, middle_length = middle(speeds), middle(lengths)
    dx, dy = lengths - middle_length[:, None], speeds - usual[:, None]
    both = np.isfinite(dx) & np.isfinite(dy)
    power = np.where(both, dx**2, 0).sum(axis=1)
    slope = np.where(power > 1e-4, np.where(both, dx * dy, 0).sum(axis=1) / np.maximum(power, 1e-4), 0)
    shift = np.nan_to_num(measure.recent(series, length, 5) - middle_length)
    expected: Floats = np.exp(usual + np.clip(slope, -1, 1) * shift)
    return expected


def _comparable(series: Series) -> Any:
    length = series.column("response_length_mean")
    times = measure.recent(series, length, 5) / measure.reference(series, length, measure.REACH, 10)
    return ~((times > ALIKE) | (times < 1 / ALIKE))


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: its throughput and the one its lengths used to have (tokens a second)."""

    series: Series
    speed: Floats
    expected: Floats

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.speed[i] >= 0.9 * raised["expected"])

    def over(self, i: int) -> str:
        return f"Throughput is back at {number(self.speed[i])} tokens a second."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        speed, expected = float(self.speed[i]), held(raised, "expected", self.expected[i])
        onset = measure.departure(self.series, self.series.main, i, expected, (1 - DROP / 2) * expected, raised=raised)
        said = (
            f"Throughput is {number(speed)} tokens a second since step {onset}, {percent(1 - speed / expected)} under"
        )
        said += f" the {number(expected)} that these lengths used to have."
        clears = f"throughput above {number(0.9 * expected)} for 5 rows"
        evidence = {"speed": speed, "expected": expected, **measure.interval(self.series, self.series.main, i)}
        return Words(onset, said, evidence, clears, ADVICE, SOURCE)
