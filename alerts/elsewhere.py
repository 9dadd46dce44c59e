"""What other files tell of a run: a trainer that opens a new file at every launch restarts the run all the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import sqlalchemy as sa

from analyses.contract import Stretch
from db.rows import pace, rows_of
from db.runs import Attempt, Source

GOES_ON = "The run goes on in another file."


def elsewhere(
    connection: sa.Connection, every: Iterable[Attempt], source: Source, quantities: frozenset[str]
) -> tuple[Stretch, ...]:
    """The attempts of a source's lines that other sources hold, by number. every: the attempts of its run, in order.

    What the source tells anew is no attempt of its own: the state of checkpoint 200 repeats that of checkpoint 100.
    """
    tries = list(every)
    mine = [one for one in tries if one.source_id == source.id]
    lines = {one.line for one in mine}
    others = [one for one in tries if one.source_id != source.id and one.line in lines]
    return tuple(
        Stretch(one.number, one.first_step, one.last_step, pace(connection, one))
        for one in others
        if not _tells_anew(connection, source.trainer, mine[0], one, quantities)
    )


def _tells_anew(
    connection: sa.Connection, trainer: str, mine: Attempt, earlier: Attempt, quantities: frozenset[str]
) -> bool:
    """Whether the first record is an earlier attempt's record of that step, number for number."""
    first = rows_of(connection, trainer, [mine], quantities, until=(mine.id, 1))
    if not len(first) or not earlier.first_step <= first.steps[0] <= earlier.last_step:
        return False
    there = rows_of(connection, trainer, [earlier], quantities)
    at = np.flatnonzero(there.steps == first.steps[0])
    both = [name for name in first.columns if name in there.columns and np.isfinite(first.columns[name][0])]
    return bool(len(at) and both and all(there.columns[name][at[0]] == first.columns[name][0] for name in both))


def goes_on_at(tries: Sequence[Attempt]) -> int | None:
    """The step from which another file goes on with the run; None where this one is its newest. tries: of one source,
    in order."""
    return tries[-1].ends_at if tries else None
