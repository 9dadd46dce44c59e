"""What kind of reward did a run learn from: a checked 0 or 1, or something graded, such as a reward model's score?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from db import runs, series
from db.runs import Run
from db.series import Series

CHECKED, GRADED, MODEL, UNKNOWN = "0 or 1", "graded", "reward model", "not known"
MEANS = ("score_mean", "reward_mean")
LIMITS = {"score_mean": ("score_min", "score_max"), "reward_mean": ("reward_min", "reward_max")}


@dataclass(frozen=True, slots=True)
class Rewarded:
    """A run, its reward over steps, and the kind: MODEL where the config names one, else as the extremes tell."""

    run: Run
    kind: str
    curve: Series


@dataclass(frozen=True, slots=True)
class Kinds:
    """Runs by name. A mean of 0 or 1 is a share of right answers; other kinds have scales of their own."""

    runs: tuple[Rewarded, ...]
    sentence: str


def reward_kinds(connection: sa.Connection) -> Kinds:
    """Every run in sight that logs a mean reward, before penalties where it logs both."""
    known = {run.id: run for run in runs.all_runs(connection)}
    names = [*MEANS, *(name for pair in LIMITS.values() for name in pair)]
    curves = series.by_quantity(connection, known, names) if known else {}
    made = []
    for run_id, run in known.items():
        mean = next((name for name in MEANS if (run_id, name) in curves), None)
        if mean is not None:
            low, high = (curves.get((run_id, name)) for name in LIMITS[mean])
            named = _has_model(runs.config_of(connection, run_id))
            made.append(Rewarded(run, MODEL if named else kind_of(low, high), curves[run_id, mean]))
    return Kinds(tuple(made), _sentence(made))


def kind_of(low: Series | None, high: Series | None) -> str:
    """By the smallest and largest reward of each step; a single log without them cannot tell."""
    if low is None or high is None:
        return UNKNOWN
    seen = np.concatenate([low.values, high.values])
    seen = seen[np.isfinite(seen)]
    return UNKNOWN if not len(seen) else CHECKED if bool(np.isin(seen, (0.0, 1.0)).all()) else GRADED


def _has_model(config: dict[str, Any]) -> bool:
    """verl's reward_model.enable, OpenRLHF's reward_pretrain and the like."""
    for key, value in config.items():
        last = key.rpartition(".")[2]
        if key.endswith(("reward_model.enable", "reward.reward_model.enable")) and value is True:
            return True
        if last in ("reward_pretrain", "reward_model_path", "reward_model_name_or_path") and value:
            return True
    return False


def _sentence(made: list[Rewarded]) -> str:
    if not made:
        return ""
    counts = {kind: sum(one.kind == kind for one in made) for kind in (CHECKED, GRADED, MODEL, UNKNOWN)}
    words = {CHECKED: "from a checked 0 or 1", GRADED: "from a graded reward", MODEL: "from a reward model"}
    told = [f"{count} learnt {words[kind]}" for kind, count in counts.items() if count and kind in words]
    rest = [f"of {counts[UNKNOWN]} the log does not tell"] if counts[UNKNOWN] else []
    return f"Of {len(made)} runs {', '.join([*told, *rest])}."
