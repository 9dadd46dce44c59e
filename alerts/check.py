"""One pass over the runs: judge what is new, keep the verdict, say what is firing and what could not be judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from alerts import evaluate
from alerts.judging import Task, judge_all
from alerts.lifecycle import Episode
from alerts.rules import Book
from alerts.watch import Pass, observe, stand
from analyses.contract import RANK
from analyses.judge import missing, quantities
from db import findings, runs, stages
from db.engine import reading
from db.findings import Finding
from db.rows import interval
from db.runs import Attempt, Run, Source
from db.series import newest
from db.sources import torn_ends

LEAST_PATIENCE = 600.0  # s without data before anything is called stale (dynamics 7.2)
BLIND_PATIENCE = 3600.0  # the same where neither the log's times nor its step time tell how long a step takes


@dataclass(slots=True)
class Report:
    """What one pass says. findings: every episode of the judged runs, newest first. stale: run id -> seconds without
    data, of live runs that should have logged since. missing: run id -> trouble -> quantities that it does not log.
    errors: run id -> rule -> why it could not be evaluated. episodes: run id -> what its rules make of the findings."""

    runs: dict[int, Run] = field(default_factory=dict)
    sources: dict[int, Source] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    missing: dict[int, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    stale: dict[int, float] = field(default_factory=dict)
    errors: dict[int, dict[str, str]] = field(default_factory=dict)
    episodes: dict[int, list[Episode]] = field(default_factory=dict)

    def alarms(self, at_least: str = "info") -> list[tuple[int, Episode]]:
        """(run id, episode) of every alert that is firing at this severity or above, worst first."""
        loud = [(run_id, one) for run_id, told in self.episodes.items() for one in told if one.state == "firing"]
        loud = [(run_id, one) for run_id, one in loud if RANK[one.severity] >= RANK[at_least]]
        return sorted(loud, key=lambda pair: (-RANK[pair[1].severity], pair[0], pair[1].first.detected_step))

    def firing(self, at_least: str = "info") -> list[Finding]:
        """The open findings of at least this severity, worst first."""
        loud = [one for one in self.findings if one.state == "firing" and RANK[one.severity] >= RANK[at_least]]
        return sorted(loud, key=lambda one: (-RANK[one.severity], one.run_id, one.onset_step))


def check(
    engine: sa.Engine,
    *,
    now: float,
    live_for: float | None,
    run_ids: Collection[int] | None = None,
    book: Book | None = None,
    link: str = "",
) -> Report:
    """Judge every run whose newest data is younger than live_for seconds (every run when None), or these runs.

    now: s since the epoch. With live_for=None age is not judged. book: the team's rules; with it and live_for the
    alerts are brought up to date, and what is to be told goes into the outbox. link: where the dashboard is.
    Raises db.engine.StoreError.
    """
    tasks, report = _tasks(engine, now, live_for, run_ids)
    clock = None if live_for is None else now
    for task, error in judge_all(engine, tasks, clock):
        report.errors.setdefault(task.run.id, {})["detectors"] = f"{task.source.path}: {error!r}"
    if book is not None:
        evaluate.evaluate(engine, [_bare(task) for task in tasks], book, clock, report.errors)
    with reading(engine) as connection:
        found = findings.findings_of(connection, report.runs.keys())
        report.missing = _missing(connection, tasks)
        if live_for is not None:
            report.stale = _stale(connection, tasks, now)
    report.findings = _once_per_run(found, report)
    if live_for is None:  # that a live pass once found no new rows says nothing about a run that is over
        report.findings = [one for one in report.findings if (one.trouble, one.state) != ("stalled", "firing")]
    if book is not None:
        tries = [one for task in tasks for one in task.attempts]
        old = 0.0 if live_for is None else now - live_for
        seen = Pass(report.runs, report.sources, tries, report.stale, report.errors, old)
        if live_for is not None:
            observe(engine, seen, book, now, link=link)
        report.episodes = stand(engine, seen, book, now)
        if live_for is None:
            for run_id, told in report.episodes.items():
                report.episodes[run_id] = [one for one in told if one.rule.trouble != "stalled"]
    return report


def _bare(task: Task) -> evaluate.Task:
    return evaluate.Task(task.run, task.source, task.attempts, task.torn, known=task.judged is not None)


def is_live(run: Run, now: float, live_for: float) -> bool:
    return run.wall is not None and now - run.wall <= live_for


def _tasks(
    engine: sa.Engine, now: float, live_for: float | None, run_ids: Collection[int] | None
) -> tuple[list[Task], Report]:
    with reading(engine) as connection:
        known = runs.all_runs(connection, run_ids, shelves=("archived",))
        chosen = [run for run in known if live_for is None or is_live(run, now, live_for)]
        report = Report({run.id: run for run in chosen})
        sources = runs.sources_of(connection, report.runs)
        report.sources = {source.id: source for source in sources}
        mine: dict[int, list[Attempt]] = defaultdict(list)
        of_run: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in runs.attempts_of(connection, report.runs):
            mine[attempt.source_id].append(attempt)
            of_run[attempt.run_id].append(attempt)
        judged = findings.judged(connection, report.sources)
        declared, rules = stages.declared(connection), stages.rules_said()[0]
        torn = torn_ends(connection, report.sources)
    tasks = []
    for source in sources:
        if mine[source.id]:
            run, tries = report.runs[source.run_id], mine[source.id]
            said = tuple(stages.of(run, declared, rules))
            tasks.append(Task(run, source, tries, of_run[run.id], judged.get(source.id), torn.get(source.id), said))
    return tasks, report


def _missing(connection: sa.Connection, tasks: list[Task]) -> dict[int, dict[str, tuple[str, ...]]]:
    """Run by run: a quantity that any of its sources logs is not missing."""
    logged: dict[int, set[str]] = defaultdict(set)
    for run_id, quantity in newest(connection, {task.run.id for task in tasks}, quantities()):
        logged[run_id].add(quantity)
    return {task.run.id: missing(logged[task.run.id]) for task in tasks}


def _stale(connection: sa.Connection, tasks: list[Task], now: float) -> dict[int, float]:
    """Runs without data for longer than 10 minutes and 4 of their own intervals (an hour where those are unknown)."""
    stale: dict[int, float] = {}
    pace = newest(connection, {task.run.id for task in tasks}, ["time_step"])
    for task in tasks:
        age = now - (task.run.wall or now)
        if age <= LEAST_PATIENCE or task.attempts[-1].ends_at is not None:
            continue
        seconds = interval(connection, task.attempts[-1])
        if seconds is None and (task.run.id, "time_step") in pace:
            seconds = pace[task.run.id, "time_step"][2]
        if age > (max(LEAST_PATIENCE, 4 * seconds) if seconds is not None and seconds > 0 else BLIND_PATIENCE):
            stale[task.run.id] = age
    return stale


def _once_per_run(found: list[Finding], report: Report) -> list[Finding]:
    """One history told in two containers gives each trouble twice: keep that of the one that was read furthest."""
    best: dict[tuple[int, str], tuple[tuple[int, int], str]] = {}
    for one in found:
        source = report.sources[one.source_id]
        merit = (source.last_step or 0, source.points)
        key = (one.run_id, one.trouble)
        if key not in best or merit > best[key][0]:
            best[key] = (merit, source.format)
    return [one for one in found if report.sources[one.source_id].format == best[one.run_id, one.trouble][1]]
