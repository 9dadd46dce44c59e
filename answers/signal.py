"""How much of the batch teaches anything? Groups that are all right or all wrong have no advantage to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from analyses.level import Drift, Level, drift, level
from analyses.signal import advantage_bound, silent_by_chance
from analyses.words import number, percent
from answers.curves import Curves, said
from db import runs, series

Floats = NDArray[np.float64]

KINDS = ("all_right", "all_wrong", "mixed", "zero_std")
QUANTITIES = (
    *(f"group_{kind}_{unit}" for kind in KINDS for unit in ("fraction", "count")),
    "group_count",
    "reward_mean",
    "score_mean",
    "accuracy",
    "reward_std",
    "group_reward_std",
    "advantage_max",
    "prompts_per_step",
    "rollouts_per_prompt",
    "dynamic_sampling_gen_batches",
    "dynamic_sampling_pass_rate",
    "dynamic_sampling_filtered_groups",
)
SOLVE = {"all_right": "batch/solve_all", "all_wrong": "batch/solve_none", "mixed": "batch/solve_partial"}
"""rLLM's names: counts or fractions, which its log does not say; their quotients are shares in either case."""
MUCH, FEW = 0.6, 16  # share of groups without signal, prompts with signal: beyond these it is too little


@dataclass(frozen=True)
class Groups:
    """Row by row, what the groups of a batch were: steps, and shares of all groups (n,), NaN where unknown."""

    steps: NDArray[np.int64]
    all_right: Floats
    all_wrong: Floats
    silent: Floats
    how: str


@dataclass(frozen=True)
class Signal:
    """Shares are of the groups of a batch, over the newest rows. how: what they were computed from.

    prompts, rollouts: B and G where known. effective: prompts with signal a step, B (1 - silent).
    expected: the least share that would be silent if samples of a prompt were independent, at today's mean accuracy.
    solved: how the share of all-right groups drifts. bound: the largest advantage that a group can hold.
    only_nan: what is logged of the groups is never finite.
    filtered: the batch holds only groups with signal, by dynamic sampling: then the shares say nothing.
    """

    how: str
    all_right: Level | None
    all_wrong: Level | None
    silent: Level | None
    prompts: float | None
    rollouts: float | None
    effective: float | None
    expected: float | None
    solved: Drift | None
    reward_std: Level | None
    advantage_max: float | None
    bound: float | None
    filtered: bool
    rounds: Level | None
    only_nan: bool
    sentence: str


def signal(connection: sa.Connection, run_id: int) -> Signal:
    """The numbers of one run."""
    curves = Curves(connection, run_id, QUANTITIES)
    known = runs.settings_of(connection, run_id)
    groups = groups_of(connection, run_id)
    silent = level(groups.silent)
    prompts = _first(curves.level("group_count"), known.get("prompts_per_step"), curves.level("prompts_per_step"))
    rollouts = _first(None, known.get("rollouts_per_prompt"), curves.level("rollouts_per_prompt"))
    rounds = curves.level("dynamic_sampling_gen_batches")
    filtered = bool(silent is not None and silent.value == 0 and any("dynamic_" in name for name in curves.held))
    highest = curves.held["advantage_max"].values if "advantage_max" in curves else np.zeros(0)
    parts: dict[str, Any] = {
        "how": groups.how,
        "all_right": level(groups.all_right),
        "all_wrong": level(groups.all_wrong),
        "silent": silent,
        "prompts": prompts,
        "rollouts": rollouts,
        "effective": prompts * (1 - silent.value) if prompts and silent else None,
        "expected": _expected(curves, rollouts),
        "solved": drift(groups.steps, groups.all_right),
        "reward_std": curves.level(curves.first("group_reward_std", "reward_std") or ""),
        "advantage_max": float(np.nanmax(highest)) if np.isfinite(highest).any() else None,
        "bound": advantage_bound(int(rollouts)) if rollouts and rollouts > 1 else None,
        "filtered": filtered,
        "rounds": rounds,
        "only_nan": len(groups.steps) > 0 and silent is None,
    }
    return Signal(**parts, sentence=_sentence(Signal(**parts, sentence="")))


def groups_of(connection: sa.Connection, run_id: int) -> Groups:
    """What the groups were, from shares, else from counts, else from rLLM's counts or shares; else nothing is known."""
    curves = Curves(connection, run_id, QUANTITIES)
    steps, (right, wrong, mixed, silent) = curves.rows(*(f"group_{kind}_fraction" for kind in KINDS))
    if len(steps):
        both = right + wrong
        silent = np.where(np.isfinite(silent), silent, np.where(np.isfinite(both), both, 1 - mixed))
        return Groups(steps, right, wrong, silent, "shares of groups, as logged")
    steps, (right, wrong, mixed, silent, count) = curves.rows(*(f"group_{kind}_count" for kind in KINDS), "group_count")
    if len(steps):
        whole = np.where(np.isfinite(count), count, right + wrong + mixed)
        if not np.isfinite(whole).any():
            batch = runs.settings_of(connection, run_id).get("prompts_per_step")
            whole = np.full(len(steps), float(batch) if isinstance(batch, int | float) and batch else np.nan)
        silent = np.where(np.isfinite(silent), silent, right + wrong)
        return Groups(steps, right / whole, wrong / whole, silent / whole, "counts of groups over their number")
    return _of_rllm(connection, run_id)


def _of_rllm(connection: sa.Connection, run_id: int) -> Groups:
    names = {metric.name: metric.id for metric, _, _ in series.metrics_of(connection, run_id)}
    ids = {kind: names[name] for kind, name in SOLVE.items() if name in names}
    found = series.series(connection, [run_id], ids.values()) if len(ids) == len(SOLVE) else {}
    if len(found) < len(SOLVE):
        nothing = np.zeros(0)
        return Groups(np.zeros(0, np.int64), nothing, nothing, nothing, "")
    curves = {kind: found[run_id, metric_id] for kind, metric_id in ids.items()}
    steps = curves["all_right"].steps
    right, wrong, mixed = (_at(steps, curves[kind].steps, curves[kind].values) for kind in SOLVE)
    whole = right + wrong + mixed
    whole[whole == 0] = np.nan
    silent = (right + wrong) / whole
    return Groups(steps, right / whole, wrong / whole, silent, "solve_all, solve_none and solve_partial over their sum")


def _at(wanted: NDArray[np.int64], steps: NDArray[np.int64], values: Floats) -> Floats:
    found = np.full(len(wanted), np.nan)
    at = np.minimum(np.searchsorted(steps, wanted), len(steps) - 1)
    same = steps[at] == wanted
    found[same] = values[at[same]]
    return found


def _first(counted: Level | None, told: Any, logged: Level | None) -> float | None:
    if counted is not None:
        return counted.value
    if isinstance(told, int | float) and not isinstance(told, bool):
        return float(told)
    return None if logged is None else logged.value


def _expected(curves: Curves, rollouts: float | None) -> float | None:
    """From the mean accuracy; a reward that leaves 0 to 1 is none."""
    name = curves.first("accuracy", "score_mean", "reward_mean")
    if name is None or not rollouts or rollouts < 2:
        return None
    values = curves.held[name].values
    mean = level(values)
    if mean is None or np.nanmin(values) < 0 or np.nanmax(values) > 1:
        return None
    return silent_by_chance(mean.value, int(rollouts))


def _sentence(found: Signal) -> str:
    if found.silent is None:
        told = "This run does not log which groups are all right or all wrong."
        if found.only_nan:
            told = "Of its groups this run has logged nothing that is a number."
        if found.reward_std is not None:
            told += f" The rewards' spread is {said(found.reward_std)}"
            told += ": nothing is left to learn from." if found.reward_std.value == 0 else "."
        return told
    if found.filtered:
        rounds = f", in {said(found.rounds)} generation rounds a step" if found.rounds else ""
        return f"The batch is filled up with groups that teach, by dynamic sampling{rounds}."
    silent = found.silent
    heard = Level(1 - silent.value, 1 - silent.high, 1 - silent.low, silent.rows)
    told = f"{said(heard, share=True)} of the groups teach something"
    if found.effective is not None and found.prompts:
        told += f": {number(found.effective)} of {number(found.prompts)} prompts a step"
    return " ".join(part for part in (f"{told}.", _split(found), _verdict(found), _solved(found)) if part)


def _split(found: Signal) -> str:
    if found.all_right is None or found.all_wrong is None:
        return ""
    return f"{percent(found.all_right.value)} are all right, {percent(found.all_wrong.value)} all wrong."


def _verdict(found: Signal) -> str:
    assert found.silent is not None
    little = found.effective is not None and found.effective < FEW and (found.prompts or 0) >= FEW
    if found.silent.value <= MUCH and not little:
        return ""
    if found.all_right is None or found.all_wrong is None:
        return "That is little."
    easy = found.all_right.value > found.all_wrong.value
    return "That is little: the prompts are too " + ("easy." if easy else "hard, or the verifier is broken.")


def _solved(found: Signal) -> str:
    drifting = found.solved
    if drifting is None or not drifting.clear or abs(drifting.moved) < 0.05:
        return ""
    way = "up" if drifting.slope > 0 else "down"
    points = f"{abs(100 * drifting.moved):.0f} points"
    return f"The share of solved prompts is {way} by {points} over the last {drifting.span:,} steps."
