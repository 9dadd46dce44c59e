"""Everything that a page reads, cached: the only use of st.cache_data.

Reads are keyed by the store's URL and a cursor: the number that moves when something new about a run was written.
So a page that is shown again costs nothing until there is news, and all viewers share one read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa
import streamlit as st

from analyses.odd import MOST_METRICS, Odd, odd_steps
from charts.sparkline import spark
from db import findings, runs, schema, series, settings
from db import understood as understanding
from db.engine import open_store, open_view, reading
from db.findings import Finding
from db.metrics import Metric, names_of_tables
from db.runs import Attempt, Run, Source
from db.series import Series
from db.understood import Understood

T = TypeVar("T")

KEEP = 512  # results of each read
ROOM = "256MB"  # for curves

TABLE = (
    "reward_mean",
    "entropy_token_mean",
    "entropy_estimate",
    "response_length_mean",
    "truncation_fraction",
    "time_step",
)
SPARKS = ("reward_mean", "entropy_token_mean", "entropy_estimate", "truncation_fraction")


def store_url() -> str:
    """Which store: `stepwell dash` says so in the environment; without it the usual settings hold."""
    return settings.load()["store"].value


@st.cache_resource(show_spinner=False)
def engine(url: str) -> sa.Engine:
    """The store for looking: nothing can be written through it. Raises db.engine.StoreError."""
    return open_view(url)


@st.cache_resource(show_spinner=False)
def writable(url: str) -> sa.Engine:
    """The store for what an editor does: only dashboard.person gives it away. Raises db.engine.StoreError."""
    return open_store(url)


@dataclass(frozen=True, slots=True)
class Pulse:
    """How far the store is. versions: run id -> a number that moves with its data, and with what its names mean;
    said: moves with the findings; noted: moves with documents, evaluations and what people do."""

    versions: dict[int, int]
    said: int
    noted: int = 0

    def of(self, run_ids: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """The cursor of these runs: (run id, version) of each."""
        return tuple((run_id, self.versions.get(run_id, 0)) for run_id in run_ids)

    def moves(self, about: Sequence[int] | None) -> Hashable:
        """What changes when there is something to show anew on a page about these runs (about all when None)."""
        return self.all if about is None else (self.of(about), self.said, self.noted)

    @property
    def all(self) -> int:
        """The cursor of everything."""
        return hash((tuple(self.versions.items()), self.said, self.noted))


@st.cache_data(show_spinner=False, ttl=1.5)
def pulse(url: str) -> Pulse:
    """Read at most every second or two, however many people look."""
    s, f = schema.sources.c, schema.findings.c
    versions = sa.select(s.run_id, sa.func.sum(s.version)).group_by(s.run_id).order_by(s.run_id)
    said = sa.select(f.id, f.state, f.severity, f.resolved_step, f.message).order_by(f.id)
    grows = (schema.documents, schema.evaluations, schema.edits, schema.flips, schema.outbox, schema.deliveries)
    newest = [sa.select(sa.func.max(table.c.id)).scalar_subquery() for table in grows]
    d = schema.documents.c  # what is replaced may get its old ids again: its time and size tell
    newest += [sa.select(sa.func.sum(column)).scalar_subquery() for column in (d.modified, d.size, d.run_id)]
    with reading(engine(url)) as connection:
        told = hash(tuple(map(tuple, connection.execute(said))))
        noted = hash(tuple(connection.execute(sa.select(*newest)).one()))
        meaning = zlib.crc32((names_of_tables(connection) or "").encode()) << 40
        moved = {run_id: meaning + int(version) for run_id, version in connection.execute(versions)}
        return Pulse(moved, told, noted)


def ask(question: Callable[..., T], cursor: Hashable, *args: Any) -> T:
    """What a function of `answers/` (or of `db/`) says: `question(connection, *args)`, kept until the cursor moves."""
    answer: T = _asked(store_url(), f"{question.__module__}.{question.__qualname__}", cursor, args, question)
    return answer


@st.cache_data(show_spinner=False, max_size=ROOM)
def _asked(url: str, name: str, cursor: Hashable, args: tuple[Any, ...], _question: Callable[..., Any]) -> Any:
    with reading(engine(url)) as connection:
        return _question(connection, *args)


@st.cache_data(show_spinner=False, max_entries=KEEP)
def all_runs(url: str, cursor: int) -> list[Run]:
    """Every run, by project and name."""
    with reading(engine(url)) as connection:
        return runs.all_runs(connection)


def every_run(url: str) -> list[Run]:
    """Every run, as new as the pulse."""
    return all_runs(url, pulse(url).all)


def newest_wall(runs: Iterable[Run]) -> float | None:
    """When the newest record of these runs was written, s since the epoch; None where no log tells."""
    return max((run.wall for run in runs if run.wall is not None), default=None)


@st.cache_data(show_spinner=False, max_entries=KEEP)
def found(url: str, run_ids: tuple[int, ...] | None, cursor: int, *, firing: bool = False) -> list[Finding]:
    """Findings of these runs (of all when None), newest first; what two files of a run both tell is said once."""
    with reading(engine(url)) as connection:
        said = findings.findings_of(connection, run_ids, firing=firing)
    once = {(f.run_id, f.trouble, f.onset_step, f.state, f.message): f for f in said}
    return list(once.values())


@dataclass(frozen=True, slots=True)
class Newest:
    """Newest values of a run, by quantity, and the step at which it is to end (None: not said)."""

    values: dict[str, float]
    end: float | None


@st.cache_data(show_spinner=False, max_entries=KEEP)
def newest(url: str, cursor: int) -> dict[int, Newest]:
    """run id -> what the overview's table shows of it; one read for all runs."""
    column = schema.settings.c
    ends = sa.select(column.run_id, column.value).where(column.name == "max_steps")
    with reading(engine(url)) as connection:
        values: dict[int, dict[str, float]] = {}
        for (run_id, quantity), (_, _, value) in series.newest(connection, None, TABLE).items():
            values.setdefault(run_id, {})[quantity] = value
        end = {run_id: _number(value) for run_id, value in connection.execute(ends)}
    return {run_id: Newest(values.get(run_id, {}), end.get(run_id)) for run_id in {*values, *end}}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) and value > 0 else None


@st.cache_data(show_spinner=False, max_entries=KEEP)
def sparks(url: str, cursor: tuple[tuple[int, int], ...]) -> dict[tuple[int, str], list[float]]:
    """(run id, quantity) -> at most 60 values of the live line, for these runs only."""
    with reading(engine(url)) as connection:
        curves = series.by_quantity(connection, [run_id for run_id, _ in cursor], SPARKS)
    return {key: spark(curve.values) for key, curve in curves.items()}


@st.cache_data(show_spinner=False, max_size=ROOM)
def quantities(
    url: str, cursor: tuple[tuple[int, int], ...], names: tuple[str, ...], *, history: bool = False
) -> dict[tuple[int, str], Series]:
    """(run id, quantity) -> its curve in the canonical unit."""
    with reading(engine(url)) as connection:
        return series.by_quantity(connection, [run_id for run_id, _ in cursor], names, history=history)


@st.cache_data(show_spinner=False, max_size=ROOM)
def metrics(
    url: str, cursor: tuple[tuple[int, int], ...], metric_ids: tuple[int, ...], *, history: bool = False
) -> dict[tuple[int, int], Series]:
    """(run id, metric id) -> its curve as logged."""
    with reading(engine(url)) as connection:
        return series.series(connection, [run_id for run_id, _ in cursor], metric_ids, history=history)


@st.cache_data(show_spinner=False, max_entries=KEEP)
def metrics_of(url: str, run_id: int, version: int) -> list[tuple[Metric, int, float]]:
    """(metric, newest step, newest value) of everything that the run ever logged, by name."""
    with reading(engine(url)) as connection:
        return series.metrics_of(connection, run_id)


@st.cache_data(show_spinner=False, max_entries=KEEP)
def odd(url: str, run_id: int, version: int) -> list[Odd]:
    """The steps of a run's live line that look unlike the rest over all its training metrics."""
    with reading(engine(url)) as connection:
        logged = [metric.id for metric, _, _ in series.metrics_of(connection, run_id) if not metric.evaluation]
        curves = list(series.series(connection, [run_id], logged[:MOST_METRICS]).values())
    steps = np.unique(np.concatenate([curve.steps for curve in curves] or [np.zeros(0, np.int64)]))
    table: dict[str, np.ndarray] = {}
    for curve in curves:
        values = table.setdefault(curve.metric.name, np.full(len(steps), np.nan))
        values[np.searchsorted(steps, curve.steps)] = curve.values
    return odd_steps(steps, table)


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a run beside its curves. unread: source id -> [(line, why)]."""

    settings: dict[str, Any]
    config: dict[str, Any]
    attempts: list[Attempt]
    sources: list[Source]
    unread: dict[int, list[tuple[int, str]]]
    parent: tuple[int, str] | None


@st.cache_data(show_spinner=False, max_entries=KEEP)
def about(url: str, run_id: int, version: int) -> About:
    """Settings, config, attempts, files and parent of a run."""
    with reading(engine(url)) as connection:
        sources = runs.sources_of(connection, [run_id])
        return About(
            settings=runs.settings_of(connection, run_id),
            config=runs.config_of(connection, run_id),
            attempts=runs.attempts_of(connection, [run_id]),
            sources=sources,
            unread=runs.unread_of(connection, [source.id for source in sources]),
            parent=runs.parents(connection).get(run_id),
        )


@st.cache_data(show_spinner=False, max_size=ROOM)
def understood(url: str, run_id: int, version: int) -> Understood:
    """Files of a run, the quantities its names mean, those that are missing, the names without a meaning.

    Raises LookupError for a run that went away meanwhile.
    """
    with reading(engine(url)) as connection:
        told = understanding.understood(connection, [run_id])
    if not told:
        raise LookupError(f"run {run_id} is gone")
    return told[0]
