"""The detectors over what is new in each source, from where each stopped: read together, judged one by one, kept
together."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from alerts import evaluate
from alerts.elsewhere import GOES_ON, elsewhere, goes_on_at
from alerts.evaluate import Heard, Places
from analyses.contract import Context, Rows, State
from analyses.judge import any_open, code, end, judge, quantities
from analyses.moments import stretches
from db import alerts, findings, runs
from db.alerts import Position, Statement
from db.engine import StoreError, reading, writing
from db.findings import Judged, pack
from db.metrics import Metric, with_quantity
from db.rows import SourceRows, rows_of
from db.runs import Attempt, Run, Source
from db.stages import Stage

TOGETHER, ENOUGH = 50, 2000  # sources, and records, that are read and kept in one transaction


@dataclass(frozen=True, slots=True)
class Task:
    """A source to be judged from where the last pass stopped. of_run: the attempts of all files of the run. torn: its
    provisional records start there. declared: stages that people declared for the run."""

    run: Run
    source: Source
    attempts: list[Attempt]
    of_run: list[Attempt]
    judged: Judged | None
    torn: tuple[int, int] | None
    declared: tuple[Stage, ...] = ()

    @property
    def rules(self) -> str:
        """What a verdict rests on beside the rows; other rules, or stages declared since, judge afresh."""
        limits = [(one.first_step, one.context_limit) for one in self.declared if one.context_limit is not None]
        return rules_fingerprint() + (f" {limits}" if limits else "")

    @property
    def known(self) -> bool:
        """Whether the last verdict can be gone on with: by the same rules, of records that are still there."""
        before = self.judged
        ids = {one.id for one in self.attempts}
        return before is not None and before.rules == self.rules and before.attempt_id in ids

    @property
    def start(self) -> tuple[int, int]:
        """(attempt id, record) up to which it was judged."""
        return (self.judged.attempt_id, self.judged.seq) if self.judged and self.known else (0, 0)

    @property
    def fresh(self) -> int:
        """How many records are new."""
        last, (attempt_id, seq) = self.attempts[-1], self.start
        return last.records - seq if attempt_id == last.id else sum(one.records for one in self.attempts)


@dataclass(frozen=True, slots=True)
class _News:
    """What is new in a source. torn: the records of a torn end, which will be read again, whole."""

    task: Task
    state: State
    context: Context
    rows: SourceRows
    torn: SourceRows | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the detectors made of it."""

    news: _News
    state: State
    heard: list[Heard]


def judge_all(engine: sa.Engine, tasks: Sequence[Task], now: float | None) -> Iterator[tuple[Task, Exception]]:
    """Judge every source and keep what is found. Yields those at which a detector stumbled; the others are judged.

    Raises db.engine.StoreError.
    """
    if not tasks:
        return
    with reading(engine) as connection:
        known = with_quantity(connection, quantities())
        settings = runs.settings_of_each(connection, {task.run.id for task in tasks})
    for group in _groups(tasks):
        stumbled: list[tuple[Task, Exception]] = []
        verdicts: list[_Verdict] = []
        with reading(engine) as connection:
            for task in group:
                try:
                    news = _news(connection, task, now, settings.get(task.run.id, {}), known)
                    verdicts += [] if news is None else [_fold(news)]
                except (StoreError, SQLAlchemyError):
                    raise
                except Exception as error:
                    stumbled.append((task, error))
        _keep(engine, [one for one in verdicts if not one.news.task.known or one.heard or len(one.news.rows)])
        yield from stumbled


def _groups(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    group: list[Task] = []
    records = 0
    for task in tasks:
        group.append(task)
        records += task.fresh
        if len(group) >= TOGETHER or records >= ENOUGH:
            yield group
            group, records = [], 0
    if group:
        yield group


def _news(
    connection: sa.Connection, task: Task, now: float | None, settings: dict[str, Any], known: list[Metric]
) -> _News | None:
    """None where nothing can have changed."""
    state = task.judged.state if task.judged and task.known else {}
    last, goes_on = task.attempts[-1], goes_on_at(task.attempts)
    now = None if goes_on is not None else now  # nobody waits for a file that another one has followed
    over = goes_on is not None and any_open(state)
    if task.known and task.torn is None and task.start == (last.id, last.records) and now is None and not over:
        return None
    trainer, wanted, start = task.source.trainer, quantities(), task.start
    others = elsewhere(connection, task.of_run, task.source, wanted) if start[0] != last.id else ()
    rows = rows_of(connection, trainer, task.attempts, wanted, after=start, until=task.torn, known=known)
    torn = rows_of(connection, trainer, task.attempts, wanted, after=task.torn, known=known) if task.torn else None
    context = Context(settings, trainer, now, others, task.run.wall)
    return _News(task, state, context, limited(rows, task.declared), torn and limited(torn, task.declared))


def limited(rows: SourceRows, declared: Sequence[Stage]) -> SourceRows:
    """The rows with the context limits that people declared in place of those that the log says."""
    limit = rows.columns.get("context_limit", np.full(len(rows), np.nan)).copy()
    for stage in declared:
        if stage.context_limit is not None:
            limit[rows.steps >= stage.first_step] = stage.context_limit
    if not np.isfinite(limit).any():
        return rows
    columns, logged = {**rows.columns, "context_limit": limit}, {**rows.logged, "context_limit": np.isfinite(limit)}
    return replace(rows, columns=columns, logged=logged)


def _fold(news: _News) -> _Verdict:
    """Rows of a torn end are judged too, but that state is not kept."""
    state, heard = hear(news.state, _rows(news.rows), news.context)
    if news.torn is not None and len(news.torn):
        heard = [*heard, *hear(copy.deepcopy(state), _rows(news.torn), news.context)[1]]
    if (goes_on := goes_on_at(news.task.attempts)) is not None:
        state, heard = gone(state, heard, goes_on)
    return _Verdict(news, state, heard)


def _keep(engine: sa.Engine, verdicts: Sequence[_Verdict]) -> None:
    if not verdicts:
        return
    with writing(engine) as connection:
        loud = [one.news.task.source.id for one in verdicts if one.heard]
        before = alerts.positions_of(connection, loud) if loud else {}
        said: list[Statement] = []
        at: dict[int, Position] = {}
        judged: dict[int, Judged] = {}
        for one in verdicts:
            task, rows = one.news.task, one.news.rows
            places = Places([rows] if one.news.torn is None else [rows, one.news.torn], before.get(task.source.id))
            if task.judged is not None and not task.known:
                findings.forget(connection, task.source.id)
            late = task.judged is not None and task.judged.rules != task.rules
            said += evaluate.statements(task.run.id, task.source.id, one.heard, places, late=late)
            if (last := places.last()) is not None and len(rows):
                at[task.source.id] = last
            findings.keep(connection, task.run.id, task.source.id, [_row(each.finding.as_dict()) for each in one.heard])
            judged[task.source.id] = Judged(rows.at[0], rows.at[1], pack(one.state), task.rules)
        alerts.state(connection, said)
        alerts.set_positions(connection, at)
        findings.set_judged(connection, judged)


def hear(state: State, rows: Rows, context: Context) -> tuple[State, list[Heard]]:
    """Every detector over new rows, attempt by attempt; the clock speaks after the last."""
    if not len(rows):
        state, said = judge(state, rows, context)
        return state, [Heard(one) for one in said]
    heard: list[Heard] = []
    for start, stop in stretches(rows):
        then = context if stop == len(rows) else replace(context, now=None)
        state, said = judge(state, rows.part(start, stop), then)
        heard += [Heard(one, int(rows.attempts[start])) for one in said]
    return state, heard


def gone(state: State, heard: list[Heard], step: int) -> tuple[State, list[Heard]]:
    """What is open when another file goes on with the run, from `step` on, was over at this one's last row."""
    state, said = end(state, step, GOES_ON)
    return state, [*heard, *(Heard(one, attempt=0) for one in said)]


def _rows(rows: SourceRows) -> Rows:
    return Rows(rows.steps, rows.walls, rows.attempts, rows.columns, rows.logged)


def _row(said: dict[str, Any]) -> dict[str, Any]:
    """A detector's finding as the store's columns: there `source` is a file, so the rule's source is its origin."""
    return {"origin" if name == "source" else name: value for name, value in said.items()}


@cache
def rules_fingerprint() -> str:
    """A hash of the detectors' code: verdicts of other rules are not continued but made afresh."""
    told = hashlib.blake2b(digest_size=8)
    for path in code():
        told.update(path.read_bytes())
    return told.hexdigest()
