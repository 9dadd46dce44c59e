"""Where does the time go? Shares of a step, tokens a second, and what waiting for the longest response costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from analyses.level import Level, level
from analyses.timing import OTHER, bubble, change, log_spread, shares, straggling
from analyses.words import duration, number, percent
from answers.curves import Curves, said
from answers.gpus import gpus
from db import runs

Floats = NDArray[np.float64]

PARTS: dict[str, tuple[str, ...]] = {
    "generation": ("time_generation",),
    "reward": ("time_reward",),
    "log-probs": ("time_logprob", "time_ref", "time_values"),
    "update": ("time_update", "time_update_critic"),
    "weight sync": ("time_weight_sync",),
    "checkpoint": ("time_checkpoint",),
}
"""What a step is made of; validation stands outside of it in the trainers that log it."""
SPEEDS = ("throughput_tokens_per_s_per_gpu", "throughput_tokens_per_s")
REST = (
    "time_step",
    "time_validation",
    "tokens_per_step",
    "response_length_mean",
    "response_length_max",
    "response_length_std",
    "rollouts_per_prompt",
    "mfu",
    "idle_fraction",
)


@dataclass(frozen=True)
class Throughput:
    """step: seconds. shares: stage -> share of the newest steps; other: what no stage accounts for; overlap: the stages
    add up to more than the step, so that shares of it make no sense (asynchronous, or one contains another).

    speed: in `unit`; change: against the rows before at equal length, as a fraction. bubble: share of generation slots
    that wait for the longest response; straggler: max / mean length, expected: what lognormal lengths would have.
    only_nan: what is logged of times is never finite. left: seconds to the end at the pace of the newest steps.
    """

    step: Level | None
    shares: dict[str, float]
    other: float | None
    overlap: bool
    speed: Level | None
    unit: str
    change: Level | None
    bubble: Level | None
    straggler: Level | None
    expected: float | None
    left: float | None
    gpus: int | None
    only_nan: bool
    sentence: str


def throughput(connection: sa.Connection, run_id: int) -> Throughput:
    """The numbers of one run."""
    curves = Curves(connection, run_id, [*SPEEDS, *REST, *(name for names in PARTS.values() for name in names)])
    config, known = runs.config_of(connection, run_id), runs.settings_of(connection, run_id)
    many = gpus(config)
    found, whole = shares(*parts_of(curves))
    steps, speeds, unit = speed_of(curves, many)
    _, (mean, longest, spread) = curves.rows("response_length_mean", "response_length_max", "response_length_std")
    length = curves.held.get("response_length_mean")
    waits = bubble(mean, longest)
    at_length = np.full(len(steps), np.nan)
    if length is not None:
        same = np.isin(steps, length.steps)
        at_length[same] = length.values[np.searchsorted(length.steps, steps[same])]
    parts: dict[str, Any] = {
        "step": curves.level("time_step"),
        "shares": found,
        "other": 1 - whole if found and whole <= 1.02 else None,
        "overlap": whole > 1.02,
        "speed": level(speeds),
        "unit": unit,
        "change": change(speeds, at_length),
        "bubble": level(waits),
        "straggler": level(1 / (1 - waits[waits < 1])),
        "expected": _expected(level(mean), level(spread), known, curves),
        "left": _left(connection, run_id, curves, known),
        "gpus": many,
        "only_nan": curves.only_nan("time_step", *SPEEDS),
    }
    return Throughput(**parts, sentence=_sentence(Throughput(**parts, sentence="")))


def parts_of(curves: Curves) -> tuple[Floats, dict[str, Floats]]:
    """(seconds of each step (n,), stage -> its seconds (n,)): at the steps where anything is known."""
    names = [name for names in PARTS.values() for name in names if name in curves]
    _, (step, *each) = curves.rows("time_step", *names)
    seconds = dict(zip(names, each, strict=True))
    held = {part: [seconds[name] for name in inner if name in seconds] for part, inner in PARTS.items()}
    often = np.isfinite(step)
    made = {part: np.sum([np.nan_to_num(one) for one in all_of], axis=0) for part, all_of in held.items() if all_of}
    return np.where(often, step, np.nan), made


def speed_of(curves: Curves, many: int | None) -> tuple[NDArray[np.int64], Floats, str]:
    """(steps, tokens a second, unit): as logged, else tokens of the batch over the time of the step."""
    name = curves.first(*SPEEDS)
    if name is not None:
        held = curves.held[name]
        return held.steps, held.values, "tokens/s/GPU" if name.endswith("gpu") else "tokens/s"
    steps, (tokens, seconds) = curves.rows("tokens_per_step", "time_step")
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(seconds > 0, tokens / seconds, np.nan)
    return steps, rate / (many or 1), "tokens/s/GPU" if many else "tokens/s"


def _expected(mean: Level | None, spread: Level | None, known: dict[str, Any], curves: Curves) -> float | None:
    batch, each = known.get("prompts_per_step"), known.get("rollouts_per_prompt")
    if mean is None or spread is None or not isinstance(batch, int) or not isinstance(each, int):
        return None
    s = log_spread(mean.value, spread.value)
    return straggling(s, batch * each) if np.isfinite(s) and batch * each > 1 else None


def _left(connection: sa.Connection, run_id: int, curves: Curves, known: dict[str, Any]) -> float | None:
    (run,) = runs.all_runs(connection, [run_id]) or (None,)
    took, end = curves.level("time_step"), known.get("max_steps")
    if run is None or run.step is None or took is None or not isinstance(end, int | float) or end <= run.step:
        return None
    return (float(end) - run.step) * took.value


def _sentence(found: Throughput) -> str:
    said_of = (_of_step(found), _of_speed(found), _of_waiting(found), _of_rest(found))
    told = " ".join(part for part in said_of if part)
    if found.only_nan and not told:
        return "Of its times this run has logged nothing that is a number."
    return told or "This run logs neither times nor throughput."


def _of_step(found: Throughput) -> str:
    if found.step is None:
        return ""
    told = f"A step takes {duration(found.step.value) if found.step.value >= 120 else said(found.step) + ' s'}"
    if found.overlap:
        return f"{told}; its stages overlap, so that shares of it would mislead."
    if not found.shares:
        return f"{told}; what it is spent on is not logged."
    most = sorted(found.shares, key=lambda name: -found.shares[name])[:3]
    listed = [f"{percent(found.shares[name])} {name}" for name in most if found.shares[name] >= 0.01]
    other = f", {percent(found.other)} in no stage that is logged" if found.other and found.other > OTHER else ""
    return f"{told}: {', '.join(listed)}{other}."


def _of_speed(found: Throughput) -> str:
    if found.speed is None:
        return ""
    told = f"It makes {said(found.speed)} {found.unit}"
    if found.change is not None and (found.change.low > 0 or found.change.high < 0) and abs(found.change.value) >= 0.05:
        way = "more" if found.change.value > 0 else "less"
        told += f", {percent(abs(found.change.value))} {way} than before at equal length"
    return f"{told}."


def _of_waiting(found: Throughput) -> str:
    if found.bubble is None or found.straggler is None:
        return ""
    told = f"The longest response is {number(found.straggler.value)} times the mean"
    if found.expected is not None and found.straggler.value > 1.5 * found.expected:
        told += f", where its spread would make it {number(found.expected)}"
    return f"{told}: in a synchronous trainer {percent(found.bubble.value)} of the slots wait for it."


def _of_rest(found: Throughput) -> str:
    return f"At this pace it ends in {duration(found.left)}." if found.left else ""
