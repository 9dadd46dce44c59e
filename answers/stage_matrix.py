"""What the runs of a chain score at which evaluation limit: the rows of the train x eval matrix that are theirs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import sqlalchemy as sa

from answers.context_matrix import Matrix, matrix
from answers.evaluations import evaluations


def matrices(connection: sa.Connection, run_ids: Collection[int]) -> list[Matrix]:
    """One matrix per benchmark on which these runs were scored at two limits or more, each run a line in its order."""
    order = {run_id: place for place, run_id in enumerate(run_ids)}
    mine = [one.said for one in evaluations(connection, list(run_ids)).scores if one.said.eval_context]
    found = []
    for benchmark in sorted({one.benchmark for one in mine}):
        whole = matrix(connection, benchmark)
        lines = tuple(
            sorted((one for one in whole.lines if one.run_id in order), key=lambda one: order[one.run_id or 0])
        )
        limits = tuple(sorted({limit for line in lines for limit in line.cells}))
        if any(len(line.cells) > 1 for line in lines):
            found.append(replace(whole, lines=lines, limits=limits))
    return found
