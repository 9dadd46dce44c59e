"""What does it score, and at which limit? Every score of the store: documents' rows and trainers' own validations."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np
import sqlalchemy as sa

from analyses import evaluations as analysis
from answers import validation
from db import evaluations as stored
from db.evaluations import Evaluation, Questions

STATED = "as stated"
FROM_QUESTIONS = "of the questions, total"
FROM_N = "of n, one sample each"
AT_MOST = "at most, from n alone"
UNKNOWN = "not known"
SCALES = {"fraction": 1.0, "percent": 100.0}


@dataclass(frozen=True, slots=True)
class Scored:
    """A score with its standard error, in its own unit. how: where the error is from; None and UNKNOWN go together.

    printed: the figure as its document writes it, "" where a program gave it.
    """

    said: Evaluation
    error: float | None
    how: str
    printed: str

    @property
    def percent(self) -> float | None:
        """The value on 0 to 100, for what is a share; None for ratings, percentiles and scores."""
        scale = SCALES.get(self.said.unit)
        return None if scale is None or self.said.value is None else self.said.value * 100.0 / scale

    @property
    def error_percent(self) -> float | None:
        scale = SCALES.get(self.said.unit)
        return None if scale is None or self.error is None else self.error * 100.0 / scale

    def told(self) -> dict[str, Any]:
        """As `stepwell evaluations --json` promises it."""
        said = asdict(self.said)
        for name in ("id", "document_id", "run_id", "position"):
            del said[name]
        said |= {"source": said.pop("origin"), "others": json.loads(said["others"]), "run": said["run"] or None}
        return said | {"standard_error": self.error, "standard_error_from": self.how, "printed": self.printed}


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Every score, and what they are in words."""

    scores: tuple[Scored, ...]
    sentence: str

    def benchmarks(self) -> list[str]:
        """The benchmarks, those with most systems first."""
        systems: dict[str, set[str]] = defaultdict(set)
        for one in self.scores:
            systems[one.said.benchmark].add(one.said.system)
        return sorted(systems, key=lambda name: (-len(systems[name]), name))


def evaluations(
    connection: sa.Connection, run_ids: Collection[int] | None = None, benchmark: str | None = None
) -> Evaluations:
    """Every score of these runs (of everything), on one benchmark or on all; a run's own: its latest and its best."""
    held = once(stored.evaluations(connection, benchmark=benchmark, run_ids=run_ids))
    questions = stored.questions_of(connection, [one.id for one in held if one.has_questions])
    logged = [one for curve in validation.curves(connection, run_ids) for one in validation.latest_and_best(curve)]
    mine = [one for one in logged if benchmark is None or one.benchmark == benchmark]
    scores = tuple(scored(one, questions.get(one.id)) for one in [*held, *mine])
    return Evaluations(scores, _sentence(scores))


def scored(said: Evaluation, questions: Questions | None = None) -> Scored:
    """With its standard error: the document's, else that of its questions, else what n alone can tell."""
    printed = str(json.loads(said.others).get("printed", ""))
    if said.standard_error is not None:
        return Scored(said, said.standard_error, STATED, printed)
    scale = SCALES.get(said.unit)
    if scale is None or said.value is None:
        return Scored(said, None, UNKNOWN, printed)
    if questions is not None and said.metric in ("accuracy", "pass@k", "avg@k", "exact_match") and said.k in (None, 1):
        total = analysis.score(analysis.of_counts(questions.right, questions.samples)).total
        return Scored(said, None if total is None else total * scale, FROM_QUESTIONS, printed)
    share, n = said.value / scale, said.n_questions
    if n and 0 <= share <= 1:
        if share in (0.0, 1.0):  # none of n says little more than "rare": no error of nought (Agresti and Coull)
            share = (share * n + 2) / (n + 4)
        return Scored(
            said, analysis.largest_error(share, n) * scale, FROM_N if said.k_samples == 1 else AT_MOST, printed
        )
    return Scored(said, None, UNKNOWN, printed)


def once(held: Iterable[Evaluation]) -> list[Evaluation]:
    """What two files of one folder tell of one evaluation (its totals, its questions) is one score."""
    kept: dict[tuple[Any, ...], Evaluation] = {}
    for one in held:
        folder = str(PurePath(one.path).parent)
        value = None if one.value is None else float(f"{one.value:.9g}")
        key: tuple[Any, ...] = (folder, one.system, one.benchmark, one.metric, one.k, one.step, value, one.unit)
        before = kept.get(key)
        if before is None or before.document_id == one.document_id:
            kept[key if before is None else (*key, one.id)] = one
        else:
            first, second = (one, before) if one.has_questions and not before.has_questions else (before, one)
            kept[key] = _filled(first, second)
    return list(kept.values())


FILLED = (
    "checkpoint standard_error n_questions k_samples temperature top_p train_context eval_context note run_id".split()
)


def _filled(first: Evaluation, second: Evaluation) -> Evaluation:
    """The first, with what only the second tells."""
    missing = {name: getattr(second, name) for name in FILLED if getattr(first, name) in (None, "")}
    return replace(first, **missing, run=first.run or second.run)


def _sentence(scores: Sequence[Scored]) -> str:
    if not scores:
        return ""
    systems, names = {one.said.system for one in scores}, {one.said.benchmark for one in scores}
    unknown = sum(one.said.eval_context is None for one in scores)
    limits = (
        "each says at which limit"
        if not unknown
        else "none says at which limit"
        if unknown == len(scores)
        else f"{unknown:,} do not say at which limit"
    )
    return (
        f"{several(len(scores), 'score')} of {several(len(systems), 'system')} on "
        f"{several(len(names), 'benchmark')}; {limits}."
    )


def several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def signed(points: float) -> str:
    """+7.6, −4.6."""
    return f"{points:+.1f}".replace("-", "−")


def limit_words(tokens: int | None) -> str:
    """16384 is 16K; a limit that is not known is said so."""
    if tokens is None:
        return "limit not stated"
    return f"{tokens // 1024}K" if tokens >= 1024 and tokens % 1024 == 0 else f"{tokens:,}"


def steps_of(connection: sa.Connection, benchmark: str) -> list[validation.Curve]:
    """The scores of one benchmark over steps: validations of runs, and documents that tell a step."""
    logged = [curve for curve in validation.curves(connection) if curve.said.benchmark == benchmark]
    told: dict[tuple[str, str, int | None, int | None], list[Evaluation]] = defaultdict(list)
    for one in once(stored.evaluations(connection, benchmark=benchmark)):
        if one.step is not None and one.value is not None:
            told[one.run or one.system, one.metric, one.k, one.eval_context].append(one)
    for held in told.values():
        held.sort(key=lambda one: one.step or 0)
        steps, values = [one.step or 0 for one in held], [one.value or 0.0 for one in held]
        logged.append(validation.Curve(held[0], np.array(steps), np.array(values)))
    return logged
