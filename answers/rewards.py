"""Who says that it got better? Rewards that a model gives and those that a compiler, tests or a rule give, told apart.

DeepSeek-Coder-V2 trained on a reward model that had learned from a compiler's 0/1 feedback: such a model can be pleased
without the compiler agreeing, and then the two part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import sqlalchemy as sa

from analyses.level import Drift, Level, drift, level
from analyses.words import number, percent
from db import series
from db.metrics import Metric
from db.series import Series

Kind = Literal["model", "checker", "rule", "unknown"]
KINDS: dict[Kind, str] = {
    "model": "given by a learned model, by its name",
    "checker": "0/1 from a compiler, tests or the right answer, by its name; the share that passes",
    "rule": "a rule on form or length, by its name",
    "unknown": "the name does not say who gives it",
}
OF_A_MODEL = re.compile(r"reward_?model|(^|[/_.-])(rm|orm|prm)([/_.-]|$)|judge|preference|learned|llm", re.IGNORECASE)
OF_A_RULE = re.compile(r"format|length|overlong|penalty|language|repeti|tag", re.IGNORECASE)
OF_A_CHECKER = re.compile(
    r"compil|(^|[/_.-])(unit)?_?tests?([/_.-]|$)|pass(ed|_rate)?|verif|correct|accura|(^|[/_.-])acc([/_.-]|$)|exec|solved",
    re.IGNORECASE,
)
A_REWARD = re.compile(
    r"reward|score|(^|[/_.-])(rm|orm|prm|acc|passed|compiled)([/_.-]|$)|pass_rate|accuracy", re.IGNORECASE
)
QUANTITIES = ("reward_component_mean", "format_reward_mean", "accuracy")
TOTALS = ("score_mean", "reward_mean")
SPREAD = re.compile(r"(^|[/_.-])(std|max|min|median|p\d+|var|time|count|num)$", re.IGNORECASE)
MOST = 12


@dataclass(frozen=True)
class Reward:
    """One reward of a run. kind: who gives it, by its name. drift: None where the rows are too few."""

    metric: Metric
    kind: Kind
    curve: Series
    level: Level | None
    drift: Drift | None

    @property
    def name(self) -> str:
        return self.metric.name


@dataclass(frozen=True)
class Rewards:
    """rewards: checkers first, then models, rules, unknown; parted: pairs (model's, checker's) that went apart."""

    rewards: tuple[Reward, ...]
    parted: tuple[tuple[str, str], ...]
    sentence: str

    def of(self, kind: Kind) -> list[Reward]:
        return [one for one in self.rewards if one.kind == kind]


def rewards(connection: sa.Connection, run_id: int) -> Rewards:
    """Every reward that the run logs while it trains, at most twelve."""
    logged = [metric for metric, _, _ in series.metrics_of(connection, run_id) if _is_reward(metric)]
    parts = [metric for metric in logged if metric.quantity not in TOTALS]
    chosen = [metric for metric in (*parts, *logged) if metric.quantity not in TOTALS or not parts][:MOST]
    curves = series.series(connection, [run_id], [metric.id for metric in chosen])
    made = [_reward(curve) for curve in {id: curves[run_id, id] for _, id in sorted(curves)}.values()]
    order = {"checker": 0, "model": 1, "rule": 2, "unknown": 3}
    found = tuple(sorted(made, key=lambda one: (order[one.kind], one.name)))
    parted = tuple((m.name, c.name) for m in found for c in found if _part(m, c))
    return Rewards(found, parted, _sentence(found, parted))


def _is_reward(metric: Metric) -> bool:
    if metric.evaluation:
        return False
    if metric.quantity in (*QUANTITIES, *TOTALS):
        return True
    said = OF_A_MODEL.search(metric.name) or OF_A_CHECKER.search(metric.name)
    return metric.quantity is None and bool(said and A_REWARD.search(metric.name)) and not SPREAD.search(metric.name)


def _reward(curve: Series) -> Reward:
    kind = kind_of(curve.metric, curve.values)
    return Reward(curve.metric, kind, curve, level(curve.values), drift(curve.steps, curve.values))


def kind_of(metric: Metric, values: np.ndarray) -> Kind:
    """Who gives a reward. A mean of zeros and ones lies between them: what does not is no checker's, by any name."""
    finite = values[np.isfinite(values)]
    if OF_A_MODEL.search(metric.name):
        return "model"
    if metric.quantity == "format_reward_mean" or OF_A_RULE.search(metric.name):
        return "rule"
    if metric.quantity == "accuracy" or OF_A_CHECKER.search(metric.name):
        return "checker" if len(finite) and finite.min() >= 0 and finite.max() <= 1 else "unknown"
    return "unknown"


def _part(one: Reward, other: Reward) -> bool:
    """The model's reward surely rises while the checker's surely does not (99 % intervals of the slopes)."""
    if one.kind != "model" or other.kind != "checker" or one.drift is None or other.drift is None:
        return False
    return one.drift.low > 0 and other.drift.high <= 0


def _sentence(found: Sequence[Reward], parted: Sequence[tuple[str, str]]) -> str:
    if not found:
        return "This run logs no reward."
    kinds = {one.kind for one in found}
    if not {"model", "checker"} <= kinds:
        names = "one reward" if len(found) == 1 else f"{len(found)} rewards"
        return f"This run logs {names}: {_listed(found)}."
    if parted:
        model, checker = parted[0]
        by_name = {one.name: one for one in found}
        return (
            f"Only the reward model says so: {_went(by_name[model])}, while {_went(by_name[checker])}. "
            "A model that is pleased while the checker is not may be gamed."
        )
    return f"{_listed([one for one in found if one.kind in ('model', 'checker')])}. They do not part."


def _listed(found: Sequence[Reward]) -> str:
    return "; ".join(_went(one) for one in found[:4]) + (f"; {len(found) - 4} more" if len(found) > 4 else "")


def _went(one: Reward) -> str:
    if one.level is None:
        return f"{one.name} has no finite value"
    share = one.kind == "checker"
    told = f"{one.name} is at {percent(one.level.value) if share else number(one.level.value)}"
    if one.drift is None or not one.drift.clear:
        return told + (", with no clear trend" if one.drift is not None else "")
    way = "up" if one.drift.slope > 0 else "down"
    moved = f"{abs(100 * one.drift.moved):.2g} points" if share else number(abs(one.drift.moved))
    return f"{told}, {way} {moved} over {one.drift.span:,} steps"
