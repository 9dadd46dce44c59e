"""The guard: only where asked for, dry first, recorded, never twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerts.guard import _filled, guard
from alerts.rules import Book
from db import outbox
from db.alerts import Alert
from db.engine import reading
from db.outbox import Act
from db.runs import Run
from tests.alerting import START, book, collect, dying, look, row

RULE = '[rules.mine]\nquantity = "reward_mean"\nbelow = 0.2\nseverity = "critical"\n'


def passes(engine: sa.Engine, log: Path, rules: Book, rewards: list[float], *, twice: bool = False) -> list[str]:
    """A check after each row (or two of them); what the guard said."""
    said = []
    for step, reward in enumerate(rewards, len(log.read_bytes().splitlines()) + 1 if log.exists() else 1):
        with log.open("ab") as file:
            file.write(row(step, reward))
        collect(engine, log)
        for _ in range(2 if twice else 1):
            report = look(engine, rules, minute=step + 0.5)
            said += guard(engine, rules, report.runs, START + 60 * step)
    return said


def acts(engine: sa.Engine) -> list[Act]:
    with reading(engine) as connection:
        return outbox.acts_of(connection)


def test_it_acts_once_after_so_many_critical_evaluations(engine: sa.Engine, tmp_path: Path) -> None:
    stop = tmp_path / "STOP"
    guards = f'[guards.g]\nafter = 3\ndry_run = false\nstop_file = "{stop}"\n'
    rules, log = book(RULE + 'guard = "g"\n' + guards), tmp_path / "metrics.jsonl"
    assert passes(engine, log, rules, [0.5, 0.1, 0.1], twice=True) == []
    assert not stop.exists()
    [said] = passes(engine, log, rules, [0.1, 0.1, 0.1], twice=True)
    assert said.endswith("done") and "mine" in stop.read_text()
    stop.unlink()
    assert passes(engine, log, rules, [0.1, 0.1]) == []
    assert not stop.exists()
    assert [(one.dry_run, one.result) for one in acts(engine)] == [(False, "done")]
    assert len(passes(engine, log, rules, [0.5, 0.1, 0.1, 0.1])) == 1  # another episode


def test_calm_in_between_starts_the_count_again(engine: sa.Engine, tmp_path: Path) -> None:
    guards = f'[guards.g]\nafter = 3\nstop_file = "{tmp_path}/STOP"\n'
    rules = book(RULE + 'keep_firing_for = "5 steps"\nguard = "g"\n' + guards)
    assert passes(engine, tmp_path / "metrics.jsonl", rules, [0.1, 0.1, 0.5, 0.1, 0.1]) == []


def test_dry_run_is_the_default_and_only_records(engine: sa.Engine, tmp_path: Path) -> None:
    guards = f'[guards.g]\nafter = 1\nstop_file = "{tmp_path}/STOP"\n'
    rules = book(RULE + 'guard = "g"\n' + guards)
    assert len(passes(engine, tmp_path / "metrics.jsonl", rules, [0.1, 0.1])) == 1
    assert not (tmp_path / "STOP").exists()
    assert [(one.dry_run, one.what, one.result) for one in acts(engine)] == [
        (True, f"write {tmp_path}/STOP", "dry run")
    ]


def test_nothing_is_done_where_no_rule_asks_for_it(engine: sa.Engine, tmp_path: Path) -> None:
    rules = book(RULE + f'[guards.g]\nafter = 1\ndry_run = false\nstop_file = "{tmp_path}/STOP"\n')
    assert passes(engine, tmp_path / "metrics.jsonl", rules, [0.1, 0.1]) == []


@pytest.mark.parametrize("kill", range(0, 12, 2))
def test_a_pass_that_dies_never_lets_it_happen_twice(engine: sa.Engine, tmp_path: Path, kill: int) -> None:
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x')"
    command = f'[guards.g]\nafter = 1\ndry_run = false\ncommand = ["{sys.executable}", "-c", "{code}"]\n'
    rules, log = book(RULE + 'guard = "g"\n' + command), tmp_path / "metrics.jsonl"
    log.write_bytes(row(1, 0.1))
    collect(engine, log)
    report = look(engine, rules, minute=1.5)
    with dying(engine, kill):
        guard(engine, rules, report.runs, START)
    guard(engine, rules, report.runs, START)
    done = count.read_text() if count.exists() else ""
    assert len(acts(engine)) == 1
    assert done in ("", "x")
    assert done == "x" or acts(engine)[0].result == ""  # begun, and nobody knows how it ended


def test_a_process_is_sent_a_signal(engine: sa.Engine, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (tmp_path / "pid").write_text(f"{process.pid}\n")
    guards = f'[guards.g]\nafter = 1\ndry_run = false\npid_file = "{tmp_path}/pid"\n'
    rules = book(RULE + 'guard = "g"\n' + guards)
    passes(engine, tmp_path / "metrics.jsonl", rules, [0.1])
    assert process.wait(timeout=30) == -signal.SIGTERM


@pytest.mark.parametrize("text", ["1", "0", "-1", "", "12 34", "x", "99999999999"])
def test_no_pid_file_can_name_what_must_not_be_killed(engine: sa.Engine, tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    guards = f'[guards.g]\nafter = 1\ndry_run = false\npid_file = "{tmp_path}/pid"\n'
    rules = book(RULE + 'guard = "g"\n' + guards)
    [said] = passes(engine, tmp_path / "metrics.jsonl", rules, [0.1])
    assert "holds no process id" in said


def test_a_name_from_a_log_is_no_path_and_no_option() -> None:
    alert = Alert(1, 1, "r", "e", "firing", "critical", 1, 1, 7, 7, None, 0.0)
    names = {"../../etc/passwd": "_.._etc_passwd", "-rf": "rf", "数学 7b": "数学_7b", "..": "_", "a;b$(c)": "a_b__c_"}
    for name, expected in names.items():
        run = Run(1, "p", name, "t", 7, None, 1)
        assert _filled("{run}", run, alert) == expected
