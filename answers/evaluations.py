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
    held = _once(stored.evaluations(connection, benchmark=benchmark, run_ids=run_ids))
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


def _once(held: Iterable[Evaluation]) -> list[Evaluation]:
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
        f"{_several(len(scores), 'score')} of {_several(len(systems), 'system')} on "
        f"{_several(len(names), 'benchmark')}; {limits}."
    )


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


# --- limits --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One system's scores on one benchmark over the evaluation limits, in percent (or the benchmark's own unit).

    cells: limit -> (value, standard error or None). gains: per doubling of the limit.
    """

    system: str
    run_id: int | None
    published: bool
    train_context: int | None
    cells: dict[int, tuple[float, float | None]]
    gains: tuple[analysis.Gain, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Training limit by evaluation limit. limits: ascending. turns: findings of an order that the limit decides.
    unstated: scores of the benchmark that do not say their limit and stand in no cell."""

    benchmark: str
    unit: str
    limits: tuple[int, ...]
    lines: tuple[Line, ...]
    turns: tuple[str, ...]
    unstated: int
    sentence: str


def matrix(connection: sa.Connection, benchmark: str) -> Matrix:
    """The scores of one benchmark by the limits of training and evaluation, with errors and gain per doubling."""
    found = evaluations(connection, None, benchmark).scores
    shares = [one for one in found if one.percent is not None]
    held = [one for one in shares if one.said.eval_context and not one.said.note.startswith("best (")]
    questions = stored.questions_of(connection, [one.said.id for one in held if one.said.has_questions])
    by_system: dict[tuple[str, int], list[Scored]] = defaultdict(list)
    for one in held:
        by_system[one.said.system, one.said.train_context or 0].append(one)
    order = sorted(by_system, key=lambda key: (by_system[key][0].said.published, key[1], key[0]))
    lines = tuple(_line(by_system[key], questions) for key in order)
    limits = tuple(sorted({limit for line in lines for limit in line.cells}))
    turned = _turns(lines, {one.said.system: one.said.note for one in held})
    rest = len([one for one in shares if not one.said.eval_context])
    return Matrix(benchmark, "percent", limits, lines, turned, rest, _said(benchmark, lines, limits, turned, rest))


def _line(scores: list[Scored], questions: dict[int, Questions]) -> Line:
    """Of two scores at one limit the newer step counts, then the later entry."""
    at: dict[int, Scored] = {}
    for one in sorted(scores, key=lambda one: (one.said.step or 0, one.said.position)):
        at[one.said.eval_context or 0] = one
    cells = {limit: (one.percent or 0.0, one.error_percent) for limit, one in sorted(at.items())}
    told = [_asked(questions.get(at[limit].said.id)) for limit in cells]
    gains = analysis.gains([(limit, value / 100, _part(error)) for limit, (value, error) in cells.items()], told)
    said = scores[0].said
    return Line(said.system, said.run_id, said.published, said.train_context, cells, tuple(gains))


def _part(error: float | None) -> float | None:
    return None if error is None else error / 100


def _asked(told: Questions | None) -> analysis.Questions | None:
    return None if told is None else analysis.of_counts(told.right, told.samples, told.ids)


def _turns(lines: Sequence[Line], notes: dict[str, str]) -> tuple[str, ...]:
    """Pairs whose order one limit turns round, the widest turn first; the limit decides who is better."""
    found = []
    for i, first in enumerate(lines):
        for second in lines[i + 1 :]:
            if first.published != second.published:
                continue
            both = sorted(first.cells.keys() & second.cells.keys())
            apart = {limit: first.cells[limit][0] - second.cells[limit][0] for limit in both}
            if both and min(apart.values()) < -0.05 and max(apart.values()) > 0.05:
                found.append(_turn(first, second, apart, notes))
    return tuple(text for _, text, sure in sorted(found, reverse=True) if sure)


def _turn(first: Line, second: Line, apart: dict[int, float], notes: dict[str, str]) -> tuple[float, str, bool]:
    """(how far it turns, in words, whether it is more than chance at the lower limit as far as errors tell)."""
    limits = sorted(apart, key=lambda limit: apart[limit])
    low, high = limits[0], limits[-1]
    if low > high:
        first, second, low, high, apart = second, first, high, low, {at: -value for at, value in apart.items()}
    base = "its base, " if "the base of" in notes.get(second.system, "") else ""
    a, b = first.cells[low], second.cells[low]
    errors, sure = _sure(a, b)
    return (
        apart[high] - apart[low],
        (
            f"At the {limit_words(low)} limit {first.system} ranks below {base}{second.system} ({a[0]:.1f} against "
            f"{b[0]:.1f} %, {apart[low]:+.1f} points{errors}); at {limit_words(high)} above it ({apart[high]:+.1f})."
        ),
        sure,
    )


def _sure(a: tuple[float, float | None], b: tuple[float, float | None]) -> tuple[str, bool]:
    if a[1] is None or b[1] is None:
        return ", errors not known", True
    apart = analysis.difference(b[0], b[1], a[0], a[1])
    return f" ± {apart.error:.1f}", apart.distinguishable


def _said(benchmark: str, lines: Sequence[Line], limits: Sequence[int], turns: Sequence[str], rest: int) -> str:
    if not lines:
        return f"No score on {benchmark} says at which limit it was measured." if rest else ""
    if turns:
        return turns[0]
    span = limit_words(limits[0]) if len(limits) == 1 else f"{limit_words(limits[0])} to {limit_words(limits[-1])}"
    best = max(((line, limit) for line in lines for limit in line.cells), key=lambda one: one[0].cells[one[1]][0])
    value, error = best[0].cells[best[1]]
    more = "" if error is None else f" ± {error:.1f}"
    return (
        f"On {benchmark} the highest is {best[0].system} with {value:.1f}{more} % at {limit_words(best[1])}; "
        f"{_several(len(lines), 'system')}, limits {span}."
    )


def limit_words(tokens: int | None) -> str:
    """16384 is 16K; a limit that is not known is said so."""
    if tokens is None:
        return "limit not stated"
    return f"{tokens // 1024}K" if tokens >= 1024 and tokens % 1024 == 0 else f"{tokens:,}"


# --- two systems ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """Two scores of one benchmark. paired: question by question, where both documents tell; else `apart` by their
    errors, or None where one is not known."""

    first: Scored
    second: Scored
    paired: analysis.Paired | None
    apart: analysis.Difference | None
    sentence: str


def compared(connection: sa.Connection, first: int, second: int) -> Compared:
    """Two stored scores by their ids. Raises LookupError for one that is not there."""
    held = {one.id: one for one in stored.evaluations(connection)}
    if first not in held or second not in held:
        raise LookupError("a score is gone")
    told = stored.questions_of(connection, [first, second])
    a, b = (scored(held[of], told.get(of)) for of in (first, second))
    asked = [_asked(told.get(of)) for of in (first, second)]
    pair: analysis.Paired | None = None
    if asked[0] is not None and asked[1] is not None and len({*asked[0].names} & {*asked[1].names}) > 1:
        pair = analysis.paired(asked[0], asked[1])
    apart = None
    if pair is None and None not in (a.percent, b.percent, a.error_percent, b.error_percent):
        apart = analysis.difference(a.percent or 0.0, a.error_percent or 0.0, b.percent or 0.0, b.error_percent or 0.0)
    return Compared(a, b, pair, apart, _verdict(a, b, pair, apart))


def _verdict(a: Scored, b: Scored, pair: analysis.Paired | None, apart: analysis.Difference | None) -> str:
    names = f"{b.said.system} is"
    same = a.said.eval_context is not None and a.said.eval_context == b.said.eval_context
    limits = "" if same else " Their limits are not known to be equal."
    if pair is not None:
        p = "p < 0.001" if pair.p < 0.001 else f"p = {pair.p:.3f}"
        word = "" if pair.distinguishable else "not distinguishable: "
        return (
            f"{word}{names} {100 * pair.value:+.1f} points from {a.said.system} on the {pair.n:,} questions of both "
            f"({100 * pair.low:+.1f} to {100 * pair.high:+.1f}, {p}); a difference of {100 * pair.mde:.1f} points "
            f"would be seen four times of five.{limits}"
        ).replace("not dist", "Not dist")
    if apart is not None:
        word = "" if apart.distinguishable else "Not distinguishable: "
        return (
            f"{word}{names} {apart.value:+.1f} points from {a.said.system} ({apart.low:+.1f} to {apart.high:+.1f}), "
            f"unpaired: no questions to hold side by side.{limits}"
        )
    both = f"{b.said.system} and {a.said.system}"
    return f"Whether {both} differ cannot be told: a standard error is not known of both.{limits}"


def steps_of(connection: sa.Connection, benchmark: str) -> list[validation.Curve]:
    """The scores of one benchmark over steps: validations of runs, and documents that tell a step."""
    logged = [curve for curve in validation.curves(connection) if curve.said.benchmark == benchmark]
    told: dict[tuple[str, str, int | None], list[Evaluation]] = defaultdict(list)
    for one in _once(stored.evaluations(connection, benchmark=benchmark)):
        if one.step is not None and one.value is not None:
            told[one.run or one.system, one.metric, one.eval_context].append(one)
    for held in told.values():
        held.sort(key=lambda one: one.step or 0)
        steps, values = [one.step or 0 for one in held], [one.value or 0.0 for one in held]
        logged.append(validation.Curve(held[0], np.array(steps), np.array(values)))
    return logged
