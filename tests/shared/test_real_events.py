"""The detectors on real public logs, read as the command reads them: every known event by its time, and peace."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from analyses.backtest import alarms
from analyses.contract import RANK, Context, Finding, Rows
from analyses.judge import judge, quantities
from db.engine import open_store, reading
from db.rows import rows_of
from db.runs import all_runs, attempts_of, settings_of, sources_of
from tests.logs import collect

LOGS = Path(__file__).parents[3] / "shared" / "real_logs"
BEFORE = 3  # steps that a finding may come before the onset somebody wrote down
with (LOGS / "EVENTS.csv").open(newline="", encoding="utf-8") as table:
    EVENTS = list(csv.DictReader(table))
EVENTFUL = [event for event in EVENTS if event["onset"]]
HEALTHY = sorted({event["file"] for event in EVENTS if event["kind"] == "healthy"})
RESTLESS = "cas-wordle-4070/events.out.tfevents.1767724543"
"""Limit of 16 tokens, one group a batch: truncation to 0.94 and entropy x 2.5 at 341-500, which the table excuses."""


@cache
def judged(file: str) -> tuple[Rows, list[Finding]]:
    with TemporaryDirectory() as folder:
        engine = open_store(f"sqlite:///{folder}/store.db")
        collect(engine, LOGS / file)
        with reading(engine) as connection:
            run, *more = all_runs(connection)
            source, *others = sources_of(connection, [run.id])
            assert not more and not others
            tries = attempts_of(connection, [run.id])
            found = rows_of(connection, source.trainer, tries, quantities())
            settings = settings_of(connection, run.id)
        engine.dispose()
    rows = Rows(found.steps, found.walls, found.attempts, found.columns, found.logged)
    return rows, judge({}, rows, Context(settings, source.trainer))[1]


@pytest.mark.parametrize("event", EVENTFUL, ids=lambda event: f"{event['file'].rsplit('/', 1)[-1]}-{event['kind']}")
def test_a_known_event_is_found_in_time(event: dict[str, str]) -> None:
    said = [finding for finding in alarms(judged(event["file"])[1]) if finding.trouble == event["kind"]]
    in_time = [f for f in said if int(event["onset"]) - BEFORE <= f.detected_step <= int(event["alert_by"])]
    assert in_time, [(f.detected_step, f.message) for f in said]


@pytest.mark.parametrize("file", HEALTHY)
def test_a_healthy_run_has_nothing_critical(file: str) -> None:
    assert [f.message for f in judged(file)[1] if RANK[f.severity] == RANK["critical"]] == []


def test_healthy_runs_have_at_most_one_warning_per_thousand_rows() -> None:
    quiet = [file for file in HEALTHY if RESTLESS not in file]
    rows = sum(len(judged(file)[0]) for file in quiet)
    warned = [(file, f.message) for file in quiet for f in alarms(judged(file)[1])]
    assert len(warned) <= max(1, rows / 1000), warned


def test_a_restless_healthy_run_is_warned_of_in_its_excused_stretch_only() -> None:
    file = next(file for file in HEALTHY if RESTLESS in file)
    assert [
        f.message for f in alarms(judged(file)[1]) if not 341 <= f.detected_step <= 500 and f.trouble != "stalled"
    ] == []


def test_what_recovers_is_resolved() -> None:
    surge = "trl-console/nips-grpo-dynamics-exp1a/rho1.00_seed44.log"
    over = [f for f in judged(surge)[1] if f.trouble == "truncation_surge" and f.state == "resolved"]
    assert over and over[0].resolved_step is not None and over[0].resolved_step < 40
    transient = "trl-console/nips-grpo-dynamics-exp1a/rho1.00_seed42.log"
    first = next(f for f in judged(transient)[1] if f.trouble == "entropy_blowup" and f.state == "resolved")
    assert first.resolved_step is not None and first.resolved_step < 28
