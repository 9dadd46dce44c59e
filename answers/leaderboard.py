"""Who is best at what? Published systems beside the user's runs, each score with the limit it was measured at."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from answers.evaluations import Scored, evaluations, family, limit_words, several

OWN_SCALES = ("rating", "percentile")


@dataclass(frozen=True, slots=True)
class Place:
    """One system. yours: it is a run of the store, or at least no published figure. scores: column -> its score there.
    more: how many other scores (steps, limits, samples) it has in those columns."""

    system: str
    run_id: int | None
    yours: bool
    scores: dict[str, Scored]
    more: int


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """columns: "benchmark" for shares in percent, "benchmark · rating" for another scale; most shared first.
    sources: document or link of each figure. A score is comparable only within its column, and under equal limits."""

    columns: tuple[str, ...]
    places: tuple[Place, ...]
    sentence: str


def column_of(one: Scored, benchmark: str) -> str:
    """What a score may be ranked among: benchmark and metric; what estimates the share of right answers is one."""
    said = one.said
    if said.unit in OWN_SCALES or one.percent is None:
        return f"{benchmark} · {said.metric}"
    return f"{benchmark} · {family(said)}" if family(said) else benchmark


def spelt(benchmark: str) -> str:
    """One spelling for aime24, AIME-2024 and "AIME 2024"; versions stay apart."""
    bare = re.sub(r"[^\w+]|_", "", benchmark.lower())
    return re.sub(r"^(aime)(2\d)$", r"\g<1>20\2", bare)


def _names(held: Sequence[Scored]) -> dict[str, str]:
    """spelling -> the name to show: that of a published figure, else the first."""
    named: dict[str, str] = {}
    for one in sorted(held, key=lambda one: not one.said.published):
        named.setdefault(spelt(one.said.benchmark), one.said.benchmark)
    return named


def leaderboard(connection: sa.Connection) -> Leaderboard:
    """Every system that has a score. Of several in one column the one at the longest limit counts, then the newest."""
    held = [one for one in evaluations(connection).scores if not one.said.note.startswith("best (")]
    by_system: dict[tuple[bool, str], dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    names = _names(held)
    for one in held:
        column = column_of(one, names[spelt(one.said.benchmark)])
        by_system[not one.said.published, one.said.run or one.said.system][column].append(one)
    places = [_place(yours, name, columns) for (yours, name), columns in by_system.items()]
    systems: dict[str, set[str]] = defaultdict(set)
    for place in places:
        for column in place.scores:
            systems[column].add(place.system)
    columns = tuple(sorted(systems, key=lambda column: (-len(systems[column]), column)))
    return Leaderboard(columns, tuple(places), _sentence(columns, places))


def _place(yours: bool, name: str, columns: dict[str, list[Scored]]) -> Place:
    chosen = {column: max(found, key=_weight) for column, found in columns.items()}
    every = sum(len(found) for found in columns.values())
    run_id = next((one.said.run_id for one in chosen.values() if one.said.run_id is not None), None)
    return Place(name, run_id, yours, chosen, every - len(chosen))


def _weight(one: Scored) -> tuple[bool, int, int, int, int]:
    said = one.said
    return said.value is not None, said.eval_context or 0, said.step or 0, said.train_context or 0, said.position


def _at(one: Scored) -> str:
    limit = one.said.eval_context
    return limit_words(limit) if limit is None else f"limit {limit_words(limit)}"


def _sentence(columns: Sequence[str], places: Sequence[Place]) -> str:
    if not columns:
        return ""
    ruled = {column for place in places if not place.yours for column in place.scores}
    first = next((column for column in columns if column in ruled), columns[0])
    ranked = sorted(
        ((one, place) for place in places if (one := place.scores.get(first)) and one.percent is not None),
        key=lambda pair: -(pair[0].percent or 0.0),
    )
    if not ranked:
        return f"{several(len(places), 'system')} on {several(len(columns), 'scale')}."
    best, place = ranked[0]
    mine = next(((one, own) for one, own in ranked if own.yours), None)
    text = f"On {first} {place.system} leads {several(len(ranked), 'system')} with {best.percent:.1f} % ({_at(best)})"
    if mine is not None and mine[1] is not place:
        rank = [own for _, own in ranked].index(mine[1]) + 1
        text += f"; your best is {mine[1].system} with {mine[0].percent:.1f} %, rank {rank}"
    limits = {one.said.eval_context for one, _ in ranked}
    if len(limits) > 1 or None in limits:
        text += ". Their limits differ or are not stated, so the ranks may be the limits' doing"
    return f"{text}."
