"""Does a score hold at another limit? Training limit by evaluation limit, and whose order the limit decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from analyses import evaluations as analysis
from answers.evaluations import Scored, evaluations, family, limit_words, several, signed
from db import evaluations as stored
from db.evaluations import Questions


@dataclass(frozen=True, slots=True)
class Line:
    """One system's scores on one benchmark over the evaluation limits, in percent.

    metric: "" for what estimates the share of right answers. cells: limit -> (value, standard error or None).
    gains: per doubling of the limit.
    """

    system: str
    metric: str
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
    by_system: dict[tuple[str, int, str], list[Scored]] = defaultdict(list)
    for one in held:
        by_system[one.said.system, one.said.train_context or 0, family(one.said)].append(one)
    order = sorted(by_system, key=lambda key: (by_system[key][0].said.published, key[1], key[0]))
    lines = tuple(_line(by_system[key], questions) for key in order)
    limits = tuple(sorted({limit for line in lines for limit in line.cells}))
    turned = _turns(lines, {one.said.system: one.said.note for one in held})
    rest = len([one for one in shares if not one.said.eval_context])
    words = _in_words(benchmark, lines, limits, turned) if lines else _without_limits(benchmark, found)
    return Matrix(benchmark, "percent", limits, lines, turned, rest, words)


def _line(scores: list[Scored], questions: dict[int, Questions]) -> Line:
    """Of two scores at one limit the newer step counts, then the later entry."""
    at: dict[int, Scored] = {}
    for one in sorted(scores, key=lambda one: (one.said.step or 0, one.said.position)):
        at[one.said.eval_context or 0] = one
    cells = {limit: (one.percent or 0.0, one.error_percent) for limit, one in sorted(at.items())}
    said, metric = scores[0].said, family(scores[0].said)
    told = [None if metric else asked(questions.get(at[limit].said.id)) for limit in cells]
    gains = analysis.gains([(limit, value / 100, _part(error)) for limit, (value, error) in cells.items()], told)
    name = f"{said.system} · {metric}" if metric else said.system
    return Line(name, metric, said.run_id, said.published, said.train_context, cells, tuple(gains))


def _part(error: float | None) -> float | None:
    return None if error is None else error / 100


def asked(told: Questions | None) -> analysis.Questions | None:
    return None if told is None else analysis.of_counts(told.right, told.samples, told.ids)


def _turns(lines: Sequence[Line], notes: dict[str, str]) -> tuple[str, ...]:
    """Pairs whose order one limit turns round, the widest turn first; the limit decides who is better."""
    found = []
    for i, first in enumerate(lines):
        for second in lines[i + 1 :]:
            if (first.published, first.metric) != (second.published, second.metric):
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
    text = (
        f"At the {limit_words(low)}{'' if low >= 1024 else '-token'} limit {first.system} ranks below {base}"
        f"{second.system} ({a[0]:.1f} against {b[0]:.1f} %, {signed(apart[low])} points{errors}); "
        f"at {limit_words(high)} above it ({signed(apart[high])})."
    )
    return apart[high] - apart[low], text, sure


def _sure(a: tuple[float, float | None], b: tuple[float, float | None]) -> tuple[str, bool]:
    if a[1] is None or b[1] is None:
        return ", errors not known", True
    apart = analysis.difference(b[0], b[1], a[0], a[1])
    return f" ± {apart.error:.1f}", apart.distinguishable


def _without_limits(benchmark: str, found: Sequence[Scored]) -> str:
    """The highest on the scale that most scores of the benchmark have."""
    scales: dict[tuple[str, str], list[Scored]] = defaultdict(list)
    for one in found:
        if one.said.value is not None:
            unit = "%" if one.percent is not None else one.said.unit
            scales[family(one.said) or "score", unit].append(one)
    if not scales:
        return ""
    (metric, unit), held = max(scales.items(), key=lambda pair: len(pair[1]))
    best = max(held, key=_height)
    shared = sum(_height(one) == _height(best) for one in held) - 1
    with_it = "" if not shared else f", as {several(shared, 'other')}"
    value = f"{_height(best):.4g}" if not best.printed or best.said.unit == "fraction" else best.printed
    return (
        f"The highest {metric} on {benchmark} is {best.said.system} with {value}"
        f"{' %' if unit == '%' else ''}{with_it}, but no score there says at which limit it was measured."
    )


def _height(one: Scored) -> float:
    return one.percent if one.percent is not None else one.said.value or 0.0


def _in_words(benchmark: str, lines: Sequence[Line], limits: Sequence[int], turns: Sequence[str]) -> str:
    if turns:
        return turns[0]
    one = len(limits) == 1
    span = f"limit {limit_words(limits[0])}" if one else f"limits {limit_words(limits[0])} to {limit_words(limits[-1])}"
    best = max(((line, limit) for line in lines for limit in line.cells), key=lambda one: one[0].cells[one[1]][0])
    value, error = best[0].cells[best[1]]
    more = "" if error is None else f" ± {error:.1f}"
    return (
        f"On {benchmark} the highest is {best[0].system} with {value:.1f}{more} % at {limit_words(best[1])}; "
        f"{several(len({line.system.partition(' · ')[0] for line in lines}), 'system')}, {span}."
    )
