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

    error is total, for questions like these; conditional, where several samples a question tell it, for these very
    questions answered again. printed: the figure as its document writes it, "" where a program gave it.
    """

    said: Evaluation
    error: float | None
    how: str
    printed: str
    conditional: float | None = None

    @property
    def percent(self) -> float | None:
        """The value on 0 to 100, for what is a share; None for ratings, percentiles and scores."""
        scale = SCALES.get(self.said.unit)
        return None if scale is None or self.said.value is None else self.said.value * 100.0 / scale

    @property
    def error_percent(self) -> float | None:
        return self._in_percent(self.error)

    @property
    def conditional_percent(self) -> float | None:
        return self._in_percent(self.conditional)

    def _in_percent(self, error: float | None) -> float | None:
        scale = SCALES.get(self.said.unit)
        return None if scale is None or error is None else error * 100.0 / scale

    def told(self) -> dict[str, Any]:
        """As `stepwell evaluations --json` promises it."""
        said = asdict(self.said)
        for name in ("id", "document_id", "run_id", "position"):
            del said[name]
        said |= {"source": said.pop("origin"), "others": json.loads(said["others"]), "run": said["run"] or None}
        errors = {"standard_error": self.error, "standard_error_from": self.how, "conditional_error": self.conditional}
        return said | errors | {"printed": self.printed}


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
    scale = SCALES.get(said.unit)
    if scale is None or said.value is None:
        how = UNKNOWN if said.standard_error is None else STATED
        return Scored(said, said.standard_error, how, printed)
    error, conditional, how = _of_questions(said, questions)
    if said.standard_error is not None:
        error, how = said.standard_error / scale, STATED
    if error is None:
        error, how = _of_n(said, said.value / scale)
    in_unit = (None if one is None else one * scale for one in (error, conditional))
    return Scored(said, next(in_unit), how, printed, next(in_unit))


def _of_questions(said: Evaluation, questions: Questions | None) -> tuple[float | None, float | None, str]:
    """(total, conditional) error of a mean over questions; pass@k of more than one sample is no such mean."""
    if questions is None or said.k not in (None, 1) or not len(questions.ids):
        return None, None, UNKNOWN
    told = analysis.score(analysis.of_counts(questions.right, questions.samples))
    return told.total, told.conditional, FROM_QUESTIONS


def _of_n(said: Evaluation, share: float) -> tuple[float | None, str]:
    n = said.n_questions
    if not n or not 0 <= share <= 1:
        return None, UNKNOWN
    if share in (0.0, 1.0):  # none of n says little more than "rare": no error of nought (Agresti and Coull)
        share = (share * n + 2) / (n + 4)
    return analysis.largest_error(share, n), FROM_N if said.k_samples == 1 else AT_MOST


def once(held: Iterable[Evaluation]) -> list[Evaluation]:
    """What two files of one folder tell of one evaluation (its totals, its questions) is one score."""
    kept: list[Evaluation] = []
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)  # places in `kept`
    for one in held:
        value = None if one.value is None else float(f"{one.value:.9g}")
        key = (PurePath(one.path).parent, one.system, one.benchmark, one.metric, one.k, one.step, value, one.unit)
        at = next((i for i in alike[key] if _is_retold(kept[i], one)), None)
        if at is None:
            alike[key].append(len(kept))
            kept.append(one)
        else:
            first, second = (one, kept[at]) if one.has_questions and not kept[at].has_questions else (kept[at], one)
            kept[at] = _filled(first, second)
    return kept


def _is_retold(before: Evaluation, one: Evaluation) -> bool:
    """Two documents, nothing that contradicts, and only one tells the questions (LiveCodeBench writes them twice)."""
    names = [PurePath(said.path).name.replace("_eval_all", "_eval") for said in (before, one)]
    told = before.has_questions != one.has_questions or names[0] == names[1]
    clash = any(
        None not in (known := (getattr(before, name), getattr(one, name))) and known[0] != known[1]
        for name in ("eval_context", "temperature", "n_questions", "k_samples")
    )
    return before.document_id != one.document_id and told and not clash


FILLED = (
    "checkpoint standard_error n_questions k_samples temperature top_p train_context eval_context note run_id".split()
)


def _filled(first: Evaluation, second: Evaluation) -> Evaluation:
    """The first, with what only the second tells."""
    missing = {name: getattr(second, name) for name in FILLED if getattr(first, name) in (None, "")}
    return replace(first, **missing, run=first.run or second.run)


RIGHT = frozenset("accuracy avg@k exact_match extractive_match score pass_rate solve_rate success_rate".split())
"""Metrics that estimate one thing: the share of right answers to a question."""


def family(said: Evaluation) -> str:
    """ "" for what estimates the share of right answers, pass@1 among it; else the metric, with its k."""
    if said.metric in RIGHT or (said.metric == "pass@k" and said.k in (None, 1)):
        return ""
    return said.metric.replace("@k", f"@{said.k}") if said.k is not None else said.metric


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
