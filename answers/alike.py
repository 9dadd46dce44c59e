"""Runs like this one, and what the runs that did well have in common: with how many runs stand behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa

from analyses import alike as analysis
from analyses.alike import SHAPES, Common, Neighbour
from db import runs, series
from db.quantities import quantity
from db.runs import Run

MOST = 200  # newest runs that are looked through
LAST = 0.2  # of a run's rows that its outcome is taken over
BESIDES = ("score_mean", "val_score")


@dataclass(frozen=True)
class Like:
    """of: how many runs were looked through; runs: the nearest first, each with what is shared and what is not."""

    of: int
    runs: tuple[tuple[Run, Neighbour], ...]
    sentence: str


@dataclass(frozen=True)
class Good:
    """What goes with a good end of `quantity`, over the newest runs of the projects asked for."""

    quantity: str
    common: Common
    sentence: str


def like(connection: sa.Connection, run_id: int) -> Like:
    """By features of the dynamics, not by config. Runs that log too little in common are left out."""
    every = sorted(runs.all_runs(connection), key=lambda run: (run.id != run_id, -(run.wall or 0.0)))[:MOST]
    curves = series.by_quantity(connection, [run.id for run in every], SHAPES)
    courses: dict[int, dict[str, tuple[list[float], list[float]]]] = {}
    for (of, name), curve in curves.items():
        courses.setdefault(of, {})[name] = (curve.steps.tolist(), curve.values.tolist())
    known = {run.id: analysis.features(courses[run.id]) for run in every if run.id in courses}
    known = {of: said for of, said in known.items() if said}
    named = {run.id: run for run in every}
    found = tuple((named[one.run], _spoken(one)) for one in analysis.like(run_id, known))
    return Like(len(known), found, _of_like(len(known), found))


def _spoken(one: Neighbour) -> Neighbour:
    return replace(one, closest=tuple(map(_word, one.closest)), furthest=tuple(map(_word, one.furthest)))


def _word(feature: str) -> str:
    """
    >>> _word("reward_mean end"), _word("steps")
    ('reward end', 'number of steps')
    """
    name, _, part = feature.rpartition(" ")
    meant = quantity(name)
    label = meant.label.split(" (")[0] if meant else name
    return f"{label} {part}".strip() if name else "number of steps"


def _of_like(count: int, found: tuple[tuple[Run, Neighbour], ...]) -> str:
    if not found:
        return (
            f"{count:,} runs log enough to be told apart by how they went; three are needed, with the same quantities."
        )
    run, one = found[0]
    near = f"{run.name} went most alike, of {count - 1:,} others (distance {one.distance:.2f}, where 1 is usual)"
    return f"{near}: closest in {', '.join(one.closest)}."


def good(connection: sa.Connection, project: str, name: str = "reward_mean") -> Good:
    """project: "" for all. The outcome of a run is the mean of its last fifth, in the direction that is better."""
    every = [run for run in runs.all_runs(connection) if project in ("", run.project)]
    every = sorted(every, key=lambda run: -(run.wall or 0.0))[:MOST]
    curves = series.by_quantity(connection, [run.id for run in every], [name])
    meant = quantity(name)
    sign = -1.0 if meant is not None and meant.good == "down" else 1.0
    ends = {of: sign * end for (of, _), curve in curves.items() if np.isfinite(end := _end(curve.values))}
    kept = [run for run in every if run.id in ends]
    told = analysis.common([_config(connection, run.id) for run in kept], [ends[run.id] for run in kept])
    return Good(name, told, _of_good(name, told))


def _end(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-max(1, int(LAST * len(finite))) :].mean()) if len(finite) else float("nan")


def _config(connection: sa.Connection, run_id: int) -> dict[str, object]:
    """Settings as Stepwell names them, so that trainers can be compared; paths and results say nothing of a setting."""
    told = runs.settings_of(connection, run_id) or runs.config_of(connection, run_id)
    plain = {key: value for key, value in told.items() if isinstance(value, str | int | float | bool)}
    return {key: value for key, value in plain.items() if not key.startswith("summary.")}


def _of_good(name: str, told: Common) -> str:
    meant = quantity(name)
    label = (meant.label if meant else name).split(" (")[0]
    if told.why:
        return f"What the good runs have in common cannot be said: {told.why}."
    if not told.keys:
        return f"Over {told.n} runs no single setting goes with a better {label}."
    first = told.keys[0]
    twins = f" (or {', '.join(first.same)}, which never differs without it)" if first.same else ""
    has = f"the better third has {first.better}, the others {first.others}"
    return f"Over {told.n} runs {first.key}{twins} goes most with {label}: {has}. That it caused it is not said."
