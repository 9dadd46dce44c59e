"""What did the reports show? The published figures and phases of the store, system by system."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import sqlalchemy as sa

from answers.context_matrix import Matrix, matrix
from answers.evaluations import Scored, limit_words, scored
from db import documents
from db import evaluations as stored

LIVECODE = "LiveCodeBench v5"
KIND = "phases"


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a training. tokens, context (tokens), steps, batch (sequences): None where not stated."""

    system: str
    phase: str
    tokens: int | None
    context: int | None
    steps: int | None
    batch: int | None
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class Reports:
    """figures: every published score. limits: of LiveCodeBench v5, DeepCoder and its base."""

    figures: tuple[Scored, ...]
    phases: tuple[Phase, ...]
    limits: Matrix
    sentence: str

    def of(self, system: str, benchmark: str | None = None) -> list[Scored]:
        """The figures of the systems whose name begins so, on one benchmark or on all."""
        mine = (one for one in self.figures if one.said.system.startswith(system))
        return [one for one in mine if benchmark is None or one.said.benchmark == benchmark]

    def phases_of(self, system: str) -> list[Phase]:
        return [phase for phase in self.phases if phase.system == system]


def reports(connection: sa.Connection) -> Reports:
    """The published figures that were collected, as they stand in their files."""
    held = tuple(scored(one) for one in stored.evaluations(connection) if one.published)
    phases = [phase for one in documents.of_kind(connection, KIND) for phase in _phases(one.content)]
    limits = matrix(connection, LIVECODE)
    told = [text for text in (_climb(_stages(held, "DeepScaleR", "AIME 2024")), limits.sentence) if text]
    return Reports(held, tuple(phases), limits, " ".join(told))


def _phases(content: str) -> list[Phase]:
    return [Phase(**one) for one in json.loads(content)["phases"]] if content else []


def stages(found: Reports, system: str, benchmark: str) -> list[Scored]:
    """The scores of a system's stages on a benchmark: by training limit, the evaluation's not stated."""
    return _stages(found.figures, system, benchmark)


def _stages(held: Sequence[Scored], system: str, benchmark: str) -> list[Scored]:
    mine = [one for one in held if one.said.system.startswith(system) and one.said.benchmark == benchmark]
    staged = [one for one in mine if one.said.train_context and "comparison" not in one.said.note]
    bare = [one for one in staged if one.said.eval_context is None]
    return sorted(bare, key=lambda one: one.said.train_context or 0)


def _climb(staged: Sequence[Scored]) -> str:
    if len(staged) < 2:
        return ""
    scores = " → ".join(one.printed for one in staged)
    limits = " → ".join(limit_words(one.said.train_context) for one in staged)
    return f"DeepScaleR reached {scores} % of AIME 2024 as its training limit went {limits}."


def climbed(staged: Sequence[Scored]) -> str:
    """Gain per stage, and why it is not the limit's alone."""
    values = [one.percent or 0.0 for one in staged]
    steps = ", ".join(f"+{b - a:.3g}" for a, b in pairwise(values))
    return (
        f"{steps} points from stage to stage. The stages differ in steps as well as in limit; the limit of these "
        "evaluations, their samples and questions are not stated, so no standard error can be given."
    )
