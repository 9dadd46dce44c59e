"""Are two scores different? Question by question where both documents tell, else by their errors."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from analyses import evaluations as analysis
from answers.context_matrix import asked
from answers.evaluations import Scored, limit_words, once, scored, signed
from db import evaluations as stored
from db.evaluations import Evaluation


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
    held = {one.id: one for one in once(stored.evaluations(connection))}
    if first not in held or second not in held:
        raise LookupError("a score is gone")
    told = stored.questions_of(connection, [first, second])
    a, b = (scored(held[of], told.get(of)) for of in (first, second))
    sides = [asked(told.get(of)) for of in (first, second)]
    pair: analysis.Paired | None = None
    if sides[0] is not None and sides[1] is not None and len({*sides[0].names} & {*sides[1].names}) > 1:
        pair = analysis.paired(sides[0], sides[1])
    apart = None
    if pair is None and None not in (a.percent, b.percent, a.error_percent, b.error_percent):
        apart = analysis.difference(a.percent or 0.0, a.error_percent or 0.0, b.percent or 0.0, b.error_percent or 0.0)
    return Compared(a, b, pair, apart, _verdict(a, b, pair, apart))


def _verdict(a: Scored, b: Scored, pair: analysis.Paired | None, apart: analysis.Difference | None) -> str:
    limits = _limits(a.said.eval_context, b.said.eval_context)
    first, second = _names(a.said, b.said)
    if pair is not None:
        p = "p < 0.001" if pair.p < 0.001 else f"p = {pair.p:.3f}"
        return (
            f"{_opening(pair.distinguishable)}{second} is {signed(100 * pair.value)} points from "
            f"{first} on the {pair.n:,} questions of both "
            f"({signed(100 * pair.low)} to {signed(100 * pair.high)}, {p}); "
            f"a difference of {100 * pair.mde:.1f} points would be seen four times of five.{limits}"
        )
    if apart is not None:
        return (
            f"{_opening(apart.distinguishable)}{second} is {signed(apart.value)} points from {first} "
            f"({signed(apart.low)} to {signed(apart.high)}), unpaired: no questions to hold side by side.{limits}"
        )
    both = f"{second} and {first}"
    return f"Whether {both} differ cannot be told: a standard error is not known of both.{limits}"


def _names(first: Evaluation, second: Evaluation) -> tuple[str, str]:
    """What tells the two apart: their systems, or else step and metric."""
    if first.system != second.system:
        return first.system, second.system
    apart = [
        name
        for name in ("step", "metric", "checkpoint", "temperature")
        if getattr(first, name) != getattr(second, name)
    ]
    if not apart:
        return f"{first.system} (the first)", f"{second.system} (the second)"
    one, other = ([f"{getattr(said, name)}".replace("_", " ") for name in apart] for said in (first, second))
    return f"{first.system} ({', '.join(one)})", f"{second.system} ({', '.join(other)})"


def _opening(distinguishable: bool) -> str:
    return "" if distinguishable else "Not distinguishable: "


def _limits(first: int | None, second: int | None) -> str:
    if first is None or second is None:
        return " Their limits are not known to be equal."
    return (
        ""
        if first == second
        else f" They were measured at different limits: {limit_words(first)} and {limit_words(second)}."
    )
