"""One factor, several outcomes: which settings are beaten everywhere, and whether there is a best one at all (9.3).

DeepSeek-Coder's fill-in-the-middle rate is the pattern: 100 % infills best, 0 % completes best, 50 % is a balance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analyses.evaluations import student

Verdict = Literal["best", "trade-off", "not distinguishable", "too few"]
WRONG = 0.05  # over all pairs of levels and all outcomes


@dataclass(frozen=True, slots=True)
class Cell:
    """An outcome at one level: its mean, its standard error with its degrees of freedom (None: a single run without
    one), n runs."""

    mean: float
    error: float | None
    n: int
    freedom: float = 0.0


@dataclass(frozen=True, slots=True)
class Grid:
    """cells: (level, outcome) -> Cell; what was not measured is absent. pareto: levels that no other one beats.
    verdict, level: the one that beats all others, if there is one. clash: (outcome, its winner) of a trade-off."""

    levels: tuple[str, ...]
    outcomes: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    pareto: tuple[str, ...]
    verdict: Verdict
    level: str = ""
    clash: tuple[tuple[str, str], ...] = ()


def grid(
    scores: Mapping[tuple[str, str], Sequence[float]],
    *,
    good: Mapping[str, Literal["up", "down"]] | None = None,
    errors: Mapping[tuple[str, str], tuple[float, float]] | None = None,
) -> Grid:
    """scores: (level, outcome) -> one value per run. errors: (standard error, degrees of freedom) of cells with one
    run: they tell noise within these runs only.

    A level beats another if it is surely better in one outcome (5 % wrong over the whole grid, Bonferroni) and surely
    worse in none.
    """
    cells = {key: _cell(list(values), (errors or {}).get(key)) for key, values in scores.items() if len(values)}
    levels = tuple(dict.fromkeys(level for level, _ in cells))
    outcomes = tuple(dict.fromkeys(outcome for _, outcome in cells))
    sign = {name: -1.0 if (good or {}).get(name) == "down" else 1.0 for name in outcomes}
    level = 1 - WRONG / max(len(levels) * (len(levels) - 1) // 2 * len(outcomes), 1)
    wins = {
        (a, b): [name for name in outcomes if _surely(cells.get((a, name)), cells.get((b, name)), sign[name], level)]
        for a in levels
        for b in levels
        if a != b
    }
    beats = {pair: bool(won) and not wins[pair[1], pair[0]] for pair, won in wins.items()}
    pareto = tuple(level for level in levels if not any(beats[other, level] for other in levels if other != level))
    bare = Grid(levels, outcomes, cells, pareto, "not distinguishable")
    if len(levels) < 2:
        return Grid(levels, outcomes, cells, pareto, "too few")
    best = next((a for a in levels if all(beats[a, b] for b in levels if b != a)), "")
    if best:
        return Grid(levels, outcomes, cells, pareto, "best", best)
    clash = next(((a, b) for (a, b), won in wins.items() if won and wins[b, a]), None)
    if clash is None:
        return bare
    told = tuple((wins[pair][0], pair[0]) for pair in (clash, clash[::-1]))
    return Grid(levels, outcomes, cells, pareto, "trade-off", clash=told)


def _cell(values: list[float], error: tuple[float, float] | None) -> Cell:
    n, mean = len(values), sum(values) / len(values)
    if n < 2:
        return Cell(mean, None, n) if error is None else Cell(mean, error[0], n, error[1])
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    return Cell(mean, spread / math.sqrt(n), n, n - 1)


def _surely(first: Cell | None, second: Cell | None, sign: float, level: float) -> bool:
    """Is the first better by more than noise? Without an error nothing is sure."""
    if first is None or second is None or first.error is None or second.error is None:
        return False
    far = student(first.freedom + second.freedom, level)
    return sign * (first.mean - second.mean) > far * math.hypot(first.error, second.error)
