"""Is a run ready for a longer context, and when would the rule have said so? (analyses/readiness.py)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from analyses import readiness as rule
from analyses.readiness import Course, Past, Readiness, Scores
from analyses.stages import Stage
from answers.limits import Floats, Known, known

QUANTITIES = (
    "truncation_fraction",
    "response_length_mean",
    "response_length_correct_mean",
    "response_length_wrong_mean",
    "val_score",
    "val_n",
    "reward_mean",
    "score_mean",
)
MISSING = "the log tells no truncated share and mean response length at the same steps"


@dataclass(frozen=True, slots=True)
class Ready:
    """now: the verdict at the newest row; past: at every row; missing: what is not logged without which nothing can be
    said, "" where all is."""

    now: Readiness
    past: Past
    missing: str

    @property
    def sentence(self) -> str:
        return f"Readiness cannot be judged: {self.missing}." if self.missing else self.now.sentence


def readiness(connection: sa.Connection, run_id: int) -> Ready:
    """The numbers of one run. Raises KeyError for a run that is gone."""
    return of(known(connection, run_id, QUANTITIES))


def of(run: Known) -> Ready:
    """The same from what was read."""
    steps, (cut, length, right, wrong) = run.curves.rows(*QUANTITIES[:4])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where((right > 0) & (wrong > 0), wrong / right, np.nan)
    course = Course(steps, number(run.stages, steps), cut, length, ratio)
    scored = scores(run)
    told = bool((np.isfinite(cut) & np.isfinite(length)).any())
    return Ready(rule.now(course, scored), rule.past(course, scored), "" if told else MISSING)


def number(stages: Sequence[Stage], steps: np.ndarray) -> np.ndarray:
    """Which stage each step is in, from 0; (n,)."""
    return np.searchsorted([one.first for one in stages[1:]], steps, side="right")


def scores(run: Known) -> Scores | None:
    """The validation scores with the standard error of each, else the reward in their place; None without either."""
    if "val_score" in run.curves:
        steps, (values, n) = run.curves.rows("val_score", "val_n")
        there = np.isfinite(values)
        return Scores(steps[there], values[there], _error(values[there], n[there]))
    name = run.curves.first("reward_mean", "score_mean")
    if name is None:
        return None
    steps, (values,) = run.curves.rows(name)
    stands_in = "training reward (no validation score is logged)"
    return Scores(steps, values, np.full(len(steps), np.nan), stands_in)


def _error(values: Floats, n: Floats) -> Floats:
    """At most so much is the standard error of a share of n questions; NaN where n is not known or it is no share."""
    share = (values >= 0) & (values <= 1) & (n > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(share, np.sqrt(np.clip(values * (1 - values), 0, None) / n), np.nan)
