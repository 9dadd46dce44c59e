"""Runs of a store through today's rules, as they would have been seen live: nothing is kept, no verdict is changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa

from alerts.elsewhere import GOES_ON, elsewhere, goes_on_at
from analyses.contract import Context, Finding, Rows
from analyses.judge import end, judge, quantities
from db import runs
from db.engine import reading
from db.rows import SourceRows, rows_of
from db.runs import Run, Source

CLOCK = "wall_time"
"""A time that a log carries as a column of its own; it may count from the start of the run."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a source beside its rows. settings: canonical, over those that its run printed.
    waited: seconds after the last row at which somebody still looked; None where the log simply ends."""

    settings: dict[str, Any] = field(default_factory=dict)
    waited: float | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """One source, judged from its first row to its last. steps: of every record, in emission order."""

    run: Run
    source: Source
    steps: tuple[int, ...]
    findings: tuple[Finding, ...]


def replay(
    engine: sa.Engine,
    run_ids: Collection[int] | None = None,
    tell: Callable[[Source], Told] = lambda source: Told(),
) -> Iterator[Replayed]:
    """Every source of these runs (of all when None), by run. Raises db.engine.StoreError."""
    with reading(engine) as connection:
        chosen = {run.id: run for run in runs.all_runs(connection, run_ids)}
        sources = runs.sources_of(connection, chosen)
    for source in sources:
        yield _replay(engine, chosen[source.run_id], source, tell(source))


def _replay(engine: sa.Engine, run: Run, source: Source, told: Told) -> Replayed:
    with reading(engine) as connection:
        every = runs.attempts_of(connection, [run.id])
        tries = [one for one in every if one.source_id == source.id]
        others = elsewhere(connection, every, source, quantities())
        settings = {**runs.settings_of(connection, run.id), **told.settings}
        found = rows_of(connection, source.trainer, tries, {*quantities(), CLOCK})
    rows = Rows(found.steps, _clock(found), found.attempts, found.columns, found.logged)
    times = rows.walls[np.isfinite(rows.walls)]
    now = float(times[-1]) + told.waited if len(times) and told.waited is not None else None
    state, said = judge({}, rows, Context(settings, source.trainer, now, others))
    if (goes_on := goes_on_at(tries)) is not None:
        said = [*said, *end(state, goes_on, GOES_ON)[1]]
    return Replayed(run, source, tuple(rows.steps.tolist()), tuple(said))


def _clock(rows: SourceRows) -> Any:
    """Seconds at each record: the log's own column where it has one."""
    own = rows.columns.get(CLOCK)
    return rows.walls if own is None or not np.isfinite(own).any() else own
