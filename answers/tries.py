"""What do more tries buy? pass@N over N, unbiased, for scores that tell question by question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from analyses import evaluations as analysis
from answers.evaluations import once
from db import evaluations as stored
from db.evaluations import Evaluation

FEWEST = 4  # samples a question, below which there is no curve


@dataclass(frozen=True, slots=True)
class Tries:
    """pass@N of one system on one benchmark: k, value, low, high (m,), in percent; the interval is of the questions."""

    said: Evaluation
    k: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def name(self) -> str:
        step = "" if self.said.step is None else f", step {self.said.step:,}"
        return f"{self.said.run or self.said.system}{step}"

    @property
    def errors(self) -> np.ndarray:
        """About one standard error."""
        return np.asarray((self.high - self.low) / 2 / 1.96)


def tries(connection: sa.Connection, benchmark: str | None = None) -> list[Tries]:
    """A curve for each evaluation of at least FEWEST samples a question; N goes no further than the samples do."""
    held = [one for one in once(stored.evaluations(connection, benchmark=benchmark)) if one.has_questions]
    told = stored.questions_of(connection, [one.id for one in held])
    made: dict[tuple[int, str], Tries] = {}
    for one in held:
        asked, key = told[one.id], (one.document_id, one.benchmark)
        if len(asked.samples) and int(asked.samples.min()) >= FEWEST and key not in made:
            curve = analysis.pass_curve(asked.right, asked.samples)
            levels = (100 * part for part in (curve.value, curve.low, curve.high))
            made[key] = Tries(one, curve.k, *levels)
    return list(made.values())
