"""The rules of the team's own over what is new in each source: from where each stopped to the last whole row."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from alerts.expressions import Baseline, cells, scan
from alerts.rules import Book, Rule
from analyses.contract import Finding
from db import alerts, findings, runs
from db.alerts import Position, RuleState, Statement
from db.engine import StoreError, reading, writing
from db.metrics import named
from db.rows import SourceRows, rows_of
from db.runs import Attempt, Run, Source
from db.series import by_quantity, series


@dataclass(frozen=True, slots=True)
class Task:
    """A source to be judged. torn: its provisional records start there. known: it was judged before this pass."""

    run: Run
    source: Source
    attempts: Sequence[Attempt]
    torn: tuple[int, int] | None
    known: bool


class Walls:
    """The wall time of the row at which something was said."""

    def __init__(self, parts: Sequence[SourceRows]) -> None:
        self._parts = parts
        self._of: dict[tuple[int, int], float] | None = None

    def at(self, attempt: int, step: int) -> float | None:
        """s since the epoch; the newest row's where that row is not among them."""
        if self._of is None:
            self._of = {
                (attempt_, step_): wall
                for rows in self._parts
                for attempt_, step_, wall in zip(
                    rows.attempts.tolist(), rows.steps.tolist(), rows.walls.tolist(), strict=True
                )
            }
        return _finite(self._of.get((attempt, step), math.nan)) or self._newest()

    def last(self) -> Position:
        """The last whole row. Raises IndexError where there is none."""
        rows = self._parts[0]
        return Position(int(rows.attempts[-1]), int(rows.steps[-1]), _finite(float(rows.walls[-1])))

    def _newest(self) -> float | None:
        return next((_finite(float(rows.walls[-1])) for rows in reversed(self._parts) if len(rows)), None)


def statements(run_id: int, source_id: int, said: Iterable[Finding], walls: Walls, *, late: bool) -> list[Statement]:
    """Findings as they are kept word for word."""
    found = []
    for one in said:
        step = one.detected_step if one.state == "firing" or one.resolved_step is None else one.resolved_step
        found.append(
            Statement(
                run_id=run_id,
                source_id=source_id,
                attempt=one.attempt,
                trouble=one.trouble,
                detected_step=one.detected_step,
                severity=one.severity,
                state=one.state,
                step=step,
                wall=walls.at(one.attempt, step),
                late=late,
                said=json.dumps(one.as_dict(), default=float, ensure_ascii=False),
            )
        )
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
    walls = Walls([rows])
    for rule in rules:
        try:
            _fold(engine, task, rule, states.get((task.source.id, rule.name)), rows, walls, now, start, late=late)
        except (StoreError, TimeoutError):
            raise
        except Exception as error:
            errors.setdefault(task.run.id, {})[rule.name] = str(error) or repr(error)


def _fold(
    engine: sa.Engine,
    task: Task,
    rule: Rule,
    before: RuleState | None,
    rows: SourceRows,
    walls: Walls,
    now: float | None,
    start: tuple[int, int],
    *,
    late: bool,
) -> None:
    anew = start == (0, 0)
    state, said = scan(rule, {} if anew or before is None else before.state, cells(rule, rows, base(engine, rule)), now)
    if not len(rows) and not said and not anew:
        return
    run_id, source_id = task.run.id, task.source.id
    with writing(engine) as connection:
        if anew and before is not None:
            alerts.unsay(connection, source_id, rule.name)
        alerts.state(connection, statements(run_id, source_id, said, walls, late=late))
        findings.keep(connection, run_id, source_id, [_row(one) for one in said])
        alerts.set_rule_state(connection, source_id, rule.name, RuleState(rule.definition, *rows.at, state))


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


def _row(one: Finding) -> dict[str, object]:
    """As the store's columns: there `source` is a file, so the rule's source is its origin."""
    return {"origin" if name == "source" else name: value for name, value in one.as_dict().items()}


def _finite(wall: float) -> float | None:
    return wall if math.isfinite(wall) else None
