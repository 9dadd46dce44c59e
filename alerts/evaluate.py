"""The rules of the team's own over what is new in each source: from where each stopped to the last whole row."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sqlalchemy as sa

from alerts.expressions import Baseline, Elsewhere, cells, scan
from alerts.rules import Book, Expression, Rule
from analyses.contract import Finding, Rows
from analyses.moments import stretches
from db import alerts, findings, runs
from db.alerts import Position, RuleState, Statement
from db.engine import StoreError, reading, writing
from db.metrics import named
from db.rows import SourceRows, rows_of
from db.runs import Attempt, Run, Source
from db.series import by_quantity, metrics_of, newest, series


@dataclass(frozen=True, slots=True)
class Task:
    """A source to be judged. torn: its provisional records start there. known: it was judged before this pass."""

    run: Run
    source: Source
    attempts: Sequence[Attempt]
    torn: tuple[int, int] | None
    known: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """A finding and the attempt of the row at which it was said; None where the clock said it."""

    finding: Finding
    attempt: int | None = None


class Places:
    """Where and when the rows of a pass are. before: the last row that was judged until then."""

    def __init__(self, parts: Sequence[SourceRows], before: Position | None) -> None:
        self._parts = [rows for rows in parts if len(rows)]
        self._before = before

    @cached_property
    def _walls(self) -> dict[tuple[int, int], float]:
        return {
            (attempt, step): wall
            for rows in self._parts
            for attempt, step, wall in zip(
                rows.attempts.tolist(), rows.steps.tolist(), rows.walls.tolist(), strict=True
            )
        }

    def of(self, one: Heard) -> tuple[int, float | None]:
        """(step, wall) of the row at which it was said. What a restart ended was over at the last row before that."""
        said = one.finding
        if one.attempt is not None and one.attempt != said.attempt:
            last = self._last_of(said.attempt)
            return (said.detected_step, None) if last is None else (last.step, last.wall)
        step = said.detected_step if said.state == "firing" or said.resolved_step is None else said.resolved_step
        wall = self._walls.get((said.attempt, step))
        return step, self._newest() if wall is None else finite(wall)

    def last(self) -> Position | None:
        """The last whole row."""
        rows = self._parts[0] if self._parts else None
        return self._before if rows is None else _position(rows, len(rows) - 1)

    def _last_of(self, attempt: int) -> Position | None:
        for rows in self._parts:
            at = np.flatnonzero(rows.attempts == attempt)
            if len(at):
                return _position(rows, int(at[-1]))
        return self._before if self._before is not None and self._before.attempt == attempt else None

    def _newest(self) -> float | None:
        return finite(float(self._parts[-1].walls[-1])) if self._parts else None


def _position(rows: SourceRows, at: int) -> Position:
    return Position(int(rows.attempts[at]), int(rows.steps[at]), finite(float(rows.walls[at])))


def statements(run_id: int, source_id: int, heard: Iterable[Heard], places: Places, *, late: bool) -> list[Statement]:
    """Findings as they are kept word for word."""
    found = []
    for each in heard:
        one, (step, wall) = each.finding, places.of(each)
        text = json.dumps(one.as_dict(), default=float, ensure_ascii=False)
        place = (run_id, source_id, one.attempt, one.trouble, one.detected_step)
        found.append(Statement(*place, one.severity, one.state, step, wall, late, text))
    return found


def evaluate(
    engine: sa.Engine, tasks: Sequence[Task], book: Book, now: float | None, errors: dict[int, dict[str, str]]
) -> None:
    """Fold every rule that looks at a metric over the new rows of the runs that it watches.

    errors: run id -> rule -> why it could not be evaluated; added to. Raises db.engine.StoreError.
    """
    rules = book.expressions
    if not rules:
        return
    with reading(engine) as connection:
        states = alerts.rule_states_of(connection, [task.source.id for task in tasks])
        run_ids = {task.run.id for task in tasks}
        tags = alerts.tags_of(connection, run_ids) if any(rule.tags for rule in rules) else {}
        watched = alerts.watched_runs(connection, run_ids)
    for task in tasks:
        mine = [rule for rule in rules if rule.applies(task.run.project, task.run.name, tags.get(task.run.id, ()))]
        for (start, fresh), together in _by_place(task, mine, states).items():
            late = fresh and task.known and task.run.id in watched
            _evaluate(engine, task, together, states, start, now, errors, late=late)


def _by_place(
    task: Task, rules: Sequence[Rule], states: dict[tuple[int, str], RuleState]
) -> dict[tuple[tuple[int, int], bool], list[Rule]]:
    """((attempt id, record), whether it starts anew) -> the rules that go on from there; (0, 0) is the beginning."""
    found: dict[tuple[tuple[int, int], bool], list[Rule]] = defaultdict(list)
    tries = {one.id for one in task.attempts}
    for rule in rules:
        state = states.get((task.source.id, rule.name))
        known = state is not None and state.definition == rule.definition and state.attempt_id in tries
        place = (state.attempt_id, state.seq) if state and known else (0, 0)
        found[place, not known].append(rule)
    return found


def _evaluate(
    engine: sa.Engine,
    task: Task,
    rules: Sequence[Rule],
    states: dict[tuple[int, str], RuleState],
    start: tuple[int, int],
    now: float | None,
    errors: dict[int, dict[str, str]],
    *,
    late: bool,
) -> None:
    end = (task.attempts[-1].id, task.attempts[-1].records)
    clocked = now is not None and any(rule.expression and rule.expression.no_data_for for rule in rules)
    if start == end and not clocked:
        return
    looks = [rule.expression for rule in rules if rule.expression]
    quantities = {one.quantity for one in looks if one.quantity}
    names = {one.metric for one in looks if one.metric}
    with reading(engine) as connection:
        rows = rows_of(
            connection, task.source.trainer, task.attempts, quantities, after=start, until=task.torn, names=names
        )
        ahead = {rule.name: _elsewhere(connection, task.run, rule) for rule in rules if clocked}
    for rule in rules:
        try:
            before, others = states.get((task.source.id, rule.name)), ahead.get(rule.name)
            _fold(engine, task, rule, before, rows, now, start, others, late=late)
        except StoreError:
            raise
        except Exception as error:
            errors.setdefault(task.run.id, {})[rule.name] = str(error) or repr(error)


def _fold(
    engine: sa.Engine,
    task: Task,
    rule: Rule,
    before: RuleState | None,
    rows: SourceRows,
    now: float | None,
    start: tuple[int, int],
    others: Elsewhere | None,
    *,
    late: bool,
) -> None:
    anew = start == (0, 0)
    memory = {} if anew or before is None else before.state
    places = Places([rows], Position(*memory["last"]) if "last" in memory else None)
    state, heard = hear(rule, memory, rows, base(engine, rule), now, others)
    if others is not None and _of(rule).column and not state.get("seen"):
        state["open"], heard = None, []  # another file of the run logs it, and speaks of it
    if (last := places.last()) is not None:
        state["last"] = [last.attempt, last.step, last.wall]
    if not len(rows) and not heard and not anew:
        return
    run_id, source_id = task.run.id, task.source.id
    with writing(engine) as connection:
        if anew and before is not None:
            alerts.unsay(connection, source_id, rule.name)
        alerts.state(connection, statements(run_id, source_id, heard, places, late=late))
        findings.keep(connection, run_id, source_id, [_row(one.finding) for one in heard])
        alerts.set_rule_state(connection, source_id, rule.name, RuleState(rule.definition, *rows.at, state))


def _elsewhere(connection: sa.Connection, run: Run, rule: Rule) -> Elsewhere | None:
    """How far the run has come with what a no_data_for rule looks at; None where it never logs it."""
    one = _of(rule)
    if one.no_data_for is None or run.wall is None:
        return None
    if one.column is None:
        return Elsewhere(None, run.wall)
    if one.quantity is not None:
        steps = [step for _, step, _ in newest(connection, [run.id], [one.quantity]).values()]
    else:
        steps = [step for metric, step, _ in metrics_of(connection, run.id) if metric.name == one.metric]
    return Elsewhere(max(steps), run.wall) if steps else None


def hear(
    rule: Rule,
    state: dict[str, Any],
    rows: SourceRows,
    baseline: Baseline | None,
    now: float | None,
    others: Elsewhere | None = None,
) -> tuple[dict[str, Any], list[Heard]]:
    """Fold one rule over rows, attempt by attempt."""
    every, heard = cells(rule, rows, baseline), []
    spans = stretches(Rows(rows.steps, rows.walls, rows.attempts, {}, {}))
    for start, stop in spans:
        state, said = scan(rule, state, every.part(start, stop), None)
        heard += [Heard(one, int(rows.attempts[start])) for one in said]
    state, said = scan(rule, state, every.part(len(rows), len(rows)), now, others)
    return state, [*heard, *map(Heard, said)]


def base(engine: sa.Engine, rule: Rule) -> Baseline | None:
    """The baseline's curve. Raises LookupError where the store has no such run or curve."""
    one = rule.expression
    if one is None or one.baseline is None:
        return None
    with reading(engine) as connection:
        try:
            run = runs.find(connection, [one.baseline])[-1]
        except KeyError:
            raise LookupError(f"there is no run {one.baseline!r} to compare with") from None
        if one.quantity is not None:
            curves = list(by_quantity(connection, [run.id], [one.quantity]).values())
        else:
            ids = [metric.id for metric in named(connection, run.trainer, [str(one.metric)])]
            curves = list(series(connection, [run.id], ids).values())
    if not curves:
        raise LookupError(f"the baseline {one.baseline} has no {one.subject}")
    return Baseline(one.baseline, curves[0].steps, np.asarray(curves[0].values))


def _of(rule: Rule) -> Expression:
    assert rule.expression is not None
    return rule.expression


def _row(one: Finding) -> dict[str, object]:
    """As the store's columns: there `source` is a file, so the rule's source is its origin."""
    return {"origin" if name == "source" else name: value for name, value in one.as_dict().items()}


def finite(wall: float) -> float | None:
    return wall if math.isfinite(wall) else None
