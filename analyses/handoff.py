"""What a switch to another context limit did: dip, recovery, slopes, gains, truncation, cost (dynamics 3.3).

Windows are 50 steps on either side, and 8 rows at least. Where several settings changed at once no sentence says which
of them it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyses import blocks, trend
from analyses.words import joined, number, percent

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SPAN, NEAR, LEAST = 50, 25, 8  # steps of a window, of a level; rows
AROUND = 100  # rows on either side that the noise is taken from
WEIGHT, HELD = 0.2, 5  # of the moving average; rows for which it must hold
HORIZONS = (50, 100)
Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Side:
    """Rows on one side of the switch. steps (n,): since the switch (0 and less before it); reward, cut (truncated
    share), length, tokens and seconds per step: (n,), NaN unknown. scores: ((m,) steps, (m,) values) of validation."""

    steps: Ints
    reward: Floats
    cut: Floats
    length: Floats
    tokens: Floats
    seconds: Floats
    scores: tuple[Ints, Floats] = (np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its 95 % interval; NaN unknown."""

    value: float
    low: float
    high: float

    @property
    def told_from_zero(self) -> bool:
        return self.low > 0 or self.high < 0


UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Gain:
    """Level after so many steps less the level before the switch. steps: 50, 100, or the stage's own length (whole)."""

    steps: int
    whole: bool
    change: Interval


@dataclass(frozen=True, slots=True)
class Handoff:
    """One switch. dip: the deepest the smoothed quantity went below the level before, in its unit (0: it did not);
    recovered: steps until it was back for 5 rows, None where it was not within `seen` steps (censored).
    slopes: per 100 steps. elasticity: of length with the limit. per_hour: gain per hour (or GPU-hour) spent since.
    changed: (setting, before, after) of everything else that differs, None where that is not known."""

    before: float | None
    after: float | None
    level: float
    dip: float
    recovered: int | None
    seen: int
    slope_before: Interval
    slope_after: Interval
    gains: tuple[Gain, ...]
    cut_before: float
    cut_after: float
    length_before: float
    length_after: float
    elasticity: float
    tokens_ratio: float
    seconds_ratio: float
    per_hour: float
    score_gain: float
    changed: tuple[tuple[str, str, str], ...] | None
    sentence: str


def hand_off(
    pre: Side,
    post: Side,
    limits: tuple[float | None, float | None],
    *,
    good: Literal["up", "down"] = "up",
    name: str = "reward",
    changed: Sequence[tuple[str, str, str]] | None = None,
    gpus: float | None = None,
) -> Handoff:
    """The report on one switch. good: which direction of the quantity is better. gpus: their number, where known.

    Fields are NaN, None or () where the rows do not tell.
    """
    near_pre, near_post = window(pre.steps, before=True), window(post.steps, before=False)
    sign = 1.0 if good == "up" else -1.0
    level = middle(pre.reward[near_pre])
    dip, recovered = dip_and_recovery(sign * level, post.steps, sign * post.reward)
    cuts = mean(pre.cut[near_pre]), mean(post.cut[near_post])
    lengths = mean(pre.length[near_pre]), mean(post.length[near_post])
    gains = tuple(gain for gain in _gains(pre, post) if math.isfinite(gain.change.value))
    score_gain, per_hour = _value(pre, post, gains, gpus)
    made = Handoff(
        before=limits[0],
        after=limits[1],
        level=level,
        dip=sign * dip,
        recovered=recovered,
        seen=int(post.steps[-1]) if len(post.steps) else 0,
        slope_before=slope(pre.steps[near_pre], pre.reward[near_pre]),
        slope_after=slope(post.steps[near_post], post.reward[near_post]),
        gains=gains,
        cut_before=cuts[0],
        cut_after=cuts[1],
        length_before=lengths[0],
        length_after=lengths[1],
        elasticity=elasticity(*lengths, *limits),
        tokens_ratio=_ratio(pre.tokens[near_pre], post.tokens[near_post]),
        seconds_ratio=_ratio(pre.seconds[near_pre], post.seconds[near_post]),
        per_hour=per_hour,
        score_gain=score_gain,
        changed=None if changed is None else tuple(changed),
        sentence="",
    )
    return _with_sentence(made, name)


def window(steps: Ints, *, before: bool, span: int = SPAN) -> slice:
    """The rows within `span` steps of the switch, or the 8 nearest where those are fewer."""
    if before:
        return slice(min(int(np.searchsorted(steps, -span, side="right")), max(len(steps) - LEAST, 0)), None)
    return slice(0, max(int(np.searchsorted(steps, span, side="right")), LEAST))


def middle(values: Floats) -> float:
    good = values[np.isfinite(values)]
    return float(np.median(good)) if len(good) else math.nan


def mean(values: Floats) -> float:
    good = values[np.isfinite(values)]
    return float(good.mean()) if len(good) else math.nan


def smoothed(values: Floats, weight: float = WEIGHT) -> Floats:
    """An exponential moving average (n,) that starts at the mean of its first three values. No NaN."""
    out = np.empty(len(values))
    last = float(values[:3].mean()) if len(values) else math.nan
    for i, value in enumerate(values.tolist()):
        last += weight * (value - last)
        out[i] = last
    return out


def dip_and_recovery(level: float, steps: Ints, values: Floats) -> tuple[float, int | None]:
    """How far the smoothed values (n,) after the switch fall below `level` (0 or less), and the first step from which
    they are at or above it for 5 rows; None where they were not. Higher is better."""
    good = np.isfinite(values)
    if not good.any() or not math.isfinite(level):
        return math.nan, None
    steps, smooth = steps[good], smoothed(values[good])
    back = smooth >= level
    held = np.lib.stride_tricks.sliding_window_view(back, HELD).all(axis=1) if len(back) >= HELD else back[:0]
    at = np.flatnonzero(held)
    near = smooth[steps <= max(SPAN, int(steps[min(LEAST, len(steps)) - 1]))]
    dip = min(float(near.min()) - level, 0.0)
    if dip == 0:
        return 0.0, 0
    return dip, int(steps[at[0]]) if len(at) else None


def slope(steps: Ints, values: Floats) -> Interval:
    """Theil-Sen per 100 steps, with Sen's interval widened for autocorrelation. Unknown under 8 rows."""
    good = np.isfinite(values)
    if good.sum() < LEAST:
        return UNKNOWN
    fitted = trend.fit(steps[good].astype(np.float64), values[good], z=Z95)
    return Interval(*(100 * float(one) for one in (fitted.slope, fitted.low, fitted.high)))


def _gains(pre: Side, post: Side) -> list[Gain]:
    if not len(post.steps):
        return []
    last = int(post.steps[-1])
    ends = [(steps, False) for steps in HORIZONS if last >= steps]
    return [
        Gain(steps, whole, gain(pre.steps, pre.reward, post.steps, post.reward, steps))
        for steps, whole in (*ends, (last, True))
    ]


def gain(before: Ints, old: Floats, after: Ints, new: Floats, at: int) -> Interval:
    """The mean of the 25 steps up to `at` after the switch, less that of the last 25 before it (8 rows at least each),
    with a block-bootstrap interval under the noise of 100 rows on either side. Unknown where rows are too few."""
    left = old[window(before, before=True, span=NEAR)]
    inside = after <= at
    right = new[inside][window(after[inside] - at, before=True, span=NEAR)]
    left, right = left[np.isfinite(left)], right[np.isfinite(right)]
    around = blocks.noise([_finite(old[-AROUND:]), _finite(new[:AROUND])])
    if around is None or min(len(left), len(right)) < LEAST:
        return UNKNOWN
    draws = blocks.level(right, around, seed=1).draws - blocks.level(left, around, seed=2).draws
    low, high = np.percentile(draws, [2.5, 97.5]).tolist()
    return Interval(float(right.mean() - left.mean()), low, high)


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def elasticity(length_before: float, length_after: float, before: float | None, after: float | None) -> float:
    """ln(length ratio) / ln(limit ratio): 1 where responses fill the new room, 0 where they take no notice.

    >>> round(elasticity(1000, 1500, 8192, 16384), 3)
    0.585
    """
    if not before or not after or before == after or not (length_before > 0 and length_after > 0):
        return math.nan
    return math.log(length_after / length_before) / math.log(after / before)


def _ratio(before: Floats, after: Floats) -> float:
    old, new = middle(before), middle(after)
    return new / old if old > 0 else math.nan


def _value(pre: Side, post: Side, gains: Sequence[Gain], gpus: float | None) -> tuple[float, float]:
    """The gain in validation score over the stage (last three scores against the last three before), and the gain, of
    the score or else of the quantity, per hour spent since the switch (GPU-hour where the number of GPUs is known)."""
    old, new = pre.scores[1], post.scores[1]
    score = float(np.nanmean(new[-3:]) - np.nanmean(old[-3:])) if len(old) and len(new) else math.nan
    known = np.isfinite(post.seconds)
    spent = mean(post.seconds) * float(post.steps[-1]) / 3600 if known.any() else math.nan
    gained = score if math.isfinite(score) else gains[-1].change.value if gains else math.nan
    hours = spent * (gpus or 1.0)
    return score, gained / hours if hours > 0 else math.nan


def _with_sentence(one: Handoff, name: str) -> Handoff:
    values = {field: getattr(one, field) for field in Handoff.__dataclass_fields__}
    return Handoff(**{**values, "sentence": _sentence(one, name)})


def _sentence(one: Handoff, name: str) -> str:
    said = [_moved(one, name), _dipped(one), _cost(one)]
    words = "; ".join(part for part in said if part) + "."
    if one.changed is None:
        return f"{words} Whether other settings changed at the same step is not known."
    if one.changed:
        keys = {key: True for key, _, _ in one.changed[:4]}
        more = f" and {len(one.changed) - 4} more" if len(one.changed) > 4 else ""
        return f"{words} Also changed: {joined(keys)}{more}: what moved cannot be put down to the limit alone."
    return words


def _moved(one: Handoff, name: str) -> str:
    if not one.gains:
        return f"after the switch too few rows tell the {name}"
    gain = one.gains[0]
    over = f"over the {gain.steps} steps of the stage" if gain.whole else f"within {gain.steps} steps"
    change, sign = gain.change, "+" if gain.change.value >= 0 else "−"
    told = f"{name} {sign}{number(abs(change.value))} {over} ({signed(change.low)} to {signed(change.high)})"
    return told if change.told_from_zero else f"{told}, not distinguishable from none"


def _dipped(one: Handoff) -> str:
    if not math.isfinite(one.dip):
        return ""
    if one.dip == 0:
        return "no dip"
    back = f"back after {one.recovered} steps" if one.recovered is not None else f"not back within {one.seen} steps"
    return f"a {'dip' if one.dip < 0 else 'bump'} of {number(abs(one.dip))}, {back}"


def _cost(one: Handoff) -> str:
    parts = []
    if math.isfinite(one.cut_before) and math.isfinite(one.cut_after):
        parts.append(f"truncated {percent(one.cut_before)} before, {percent(one.cut_after)} after")
    ratios = {"tokens": one.tokens_ratio, "seconds": one.seconds_ratio}
    known = [f"{value:.2g}× the {what}" for what, value in ratios.items() if math.isfinite(value)]
    return "; ".join([*parts, *([f"a step costs {' and '.join(known)}"] if known else [])])


def signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{number(abs(value))}"
