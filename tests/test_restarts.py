"""A trainer that opens a new file at every launch restarts its run all the same."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from alerts.check import check
from alerts.rehearsal import rehearse
from alerts.rules import load
from analyses import synthetic
from analyses.contract import Context, Finding, Rows, Stretch
from analyses.judge import detectors, end, judge
from db.engine import reading
from db.findings import findings_of
from stepwell.cli import cli
from tests.logs import collect
from tests.test_cli import Stepwell, stepwell  # noqa: F401

NOW = 1_760_000_000.0


def launch(folder: Path, name: str, first: int, last: int, *, at: float = NOW, entropy: float = 0.3) -> Path:
    """One launch: steps first..last, a minute each, in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    rng = np.random.default_rng([first, int(at)])
    rows = [
        {
            "step": step,
            "timestamp": at + 60 * (step - first),
            "entropy": entropy * (1 + 0.02 * rng.standard_normal()),
            "reward_mean": 0.6 + 0.01 * rng.standard_normal(),
            "grad_norm": 0.2 * (1 + 0.05 * rng.standard_normal()),
        }
        for step in range(first, last + 1)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def kept(engine: sa.Engine) -> list[tuple[str, str, str, int, int]]:
    with reading(engine) as connection:
        found = findings_of(connection)
    return sorted((one.trouble, one.severity, one.state, one.detected_step, one.attempt) for one in found)


def test_a_launch_that_steps_back_is_a_restart_with_what_it_lost(engine: sa.Engine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(run, "log.jsonl", 1, 60)
    collect(engine, run)
    assert check(engine, now=NOW, live_for=None).findings == []
    launch(run, "metrics.jsonl", 51, 55, at=NOW + 7200)
    collect(engine, run)
    [one] = check(engine, now=NOW, live_for=None).findings
    assert (one.trouble, one.severity, one.state, one.detected_step, one.attempt) == (
        "restart",
        "info",
        "firing",
        51,
        2,
    )
    assert one.evidence == {"reached": 60, "lost_steps": 10, "lost_s": pytest.approx(600)}
    assert one.message == "Restarted at step 51 after step 60: 10 steps are walked again, about 10 min of work."


def test_it_is_said_once_and_over_at_the_first_new_step(engine: sa.Engine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(run, "log.jsonl", 1, 60)
    launch(run, "metrics.jsonl", 51, 55, at=NOW + 7200)
    for _ in range(2):
        collect(engine, run)
        check(engine, now=NOW, live_for=None)
    launch(run, "metrics.jsonl", 51, 70, at=NOW + 7200)
    for _ in range(2):
        collect(engine, run)
        check(engine, now=NOW, live_for=None)
    assert kept(engine) == [("restart", "info", "resolved", 51, 2)]


def test_a_file_that_goes_on_where_the_last_one_stopped_lost_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for i, name in enumerate(["history.jsonl", "log.jsonl", "metrics.jsonl", "out.jsonl", "train.jsonl"]):
        launch(run, name, 1 + 5 * i, 5 + 5 * i, at=NOW + 3600 * i)
    collect(engine, run)
    assert check(engine, now=NOW, live_for=None).findings == []


NAMES = ["history.jsonl", "log.jsonl", "metrics.jsonl", "out.jsonl", "train.jsonl"]


def test_launches_that_get_nowhere_are_a_loop_whichever_file_they_are_in(engine: sa.Engine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for i, (first, last) in enumerate([(1, 40), (31, 42), (31, 44), (31, 43), (31, 80)]):
        launch(run, NAMES[i], first, last, at=NOW + 7200 * i)
        collect(engine, run)
        check(engine, now=NOW, live_for=None)
    loops = [one for one in kept(engine) if one[0] == "restart_loop"]
    assert loops == [("restart_loop", "warning", "resolved", 31, 5)]
    assert [one[4] for one in kept(engine) if one[0] == "restart"] == [2, 3, 4, 5]


def test_tries_from_the_beginning_that_get_somewhere_are_no_loop(engine: sa.Engine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for i, last in enumerate([300, 60, 50, 70, 40]):
        launch(run, NAMES[i], 1, last, at=NOW + 7200 * i)
    collect(engine, run)
    assert {one.trouble for one in check(engine, now=NOW, live_for=None).findings} == {"restart"}


def test_a_copy_that_goes_on_tells_anew_and_restarts_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    """As the trainer_state.json of every checkpoint does."""
    run = tmp_path / "run"
    first = launch(run, "log.jsonl", 1, 40)
    launch(run, "metrics.jsonl", 1, 60)
    copied = first.read_text().splitlines()
    rest = (run / "metrics.jsonl").read_text().splitlines()[40:]
    (run / "metrics.jsonl").write_text("\n".join(copied + rest) + "\n")
    collect(engine, run)
    assert check(engine, now=NOW, live_for=None).findings == []


def test_what_the_old_file_had_open_is_over_and_nobody_waits_for_it(engine: sa.Engine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch(run, "log.jsonl", 1, 60, at=NOW - 90_000)
    rows = (run / "log.jsonl").read_text().splitlines()
    rows[-2:] = [json.dumps(json.loads(row) | {"grad_norm": float("nan")}) for row in rows[-2:]]
    (run / "log.jsonl").write_text("\n".join(rows) + "\n")
    collect(engine, run)
    check(engine, now=NOW, live_for=1e6)
    assert {one[:3] for one in kept(engine)} >= {("non_finite", "critical", "firing"), ("stalled", "warning", "firing")}
    launch(run, "metrics.jsonl", 51, 70, at=NOW - 1200)
    collect(engine, run)
    for _ in range(2):
        report = check(engine, now=NOW, live_for=1e6, book=load())
        assert [one.trouble for one in report.firing()] == []
        assert report.alarms() == []
    over = [one for one in report.findings if one.trouble == "non_finite"]
    assert [(one.resolved_step, one.message) for one in over] == [(51, "The run goes on in another file.")]


def test_the_rehearsal_says_the_same(engine: sa.Engine, tmp_path: Path) -> None:
    launch(tmp_path / "run", "log.jsonl", 1, 60)
    launch(tmp_path / "run", "metrics.jsonl", 51, 55, at=NOW + 7200)
    collect(engine, tmp_path)
    [told] = list(rehearse(engine, load()))
    assert [(one.rule.name, one.first.detected_step) for one in told.episodes] == [("restart", 51)]


def test_a_backtest_of_a_folder_knows_it_too(tmp_path: Path) -> None:
    launch(tmp_path / "run", "log.jsonl", 1, 60)
    launch(tmp_path / "run", "metrics.jsonl", 51, 75, at=NOW + 7200)
    result = CliRunner().invoke(cli, ["backtest", "--json", str(tmp_path)], catch_exceptions=False)
    told: dict[str, Any] = {Path(one["path"]).name: one["findings"] for one in json.loads(result.stdout)["files"]}
    assert told["log.jsonl"] == []
    [one] = told["metrics.jsonl"]
    assert (one["trouble"], one["detected_step"], one["resolved_step"]) == ("restart", 51, 61)


def test_check_says_it_on_the_command_line(stepwell: Stepwell, tmp_path: Path) -> None:  # noqa: F811
    now = time.time()
    launch(tmp_path / "run", "log.jsonl", 1, 60, at=now - 9000)
    launch(tmp_path / "run", "metrics.jsonl", 51, 55, at=now - 400)
    code, out, _ = stepwell("check", tmp_path)
    assert code == 0 and "INFO     run: restart since step 51" in out


def test_the_fold_is_pure_whether_files_or_one_log_tell_it() -> None:
    """Attempt 2 in a file of its own says what it says in a log that goes on; row by row the same as at once."""
    rows = synthetic.restarted(120, died=80, resumed=70)
    cut = int(np.argmax(rows.attempts == 2))
    context = Context(elsewhere=(Stretch(1, 0, 80, synthetic.STEP_SECONDS),))
    for trouble in ("restart", "restart_loop"):
        scan = detectors()[trouble].scan
        whole = scan({}, rows, Context())[1]
        assert scan({}, rows.part(cut, len(rows)), context)[1] == whole
        state, said = {}, list[Finding]()
        for i in range(cut, len(rows)):
            state, found = scan(json.loads(json.dumps(state)), rows.part(i, i + 1), context)
            said += found
        assert said == whole


def test_the_end_closes_every_episode_and_leaves_the_rest() -> None:
    rows = synthetic.entropy_blowup(300)
    state, said = judge({}, rows, Context())
    after, over = end(state, 310, "…")
    firing = {one.trouble for one in said if one.state == "firing"} - {o.trouble for o in said if o.state == "resolved"}
    assert {one.trouble for one in over} >= firing and all(one.resolved_step == 310 for one in over)
    assert end(after, 320, "…")[1] == []
    more = Rows(rows.steps + 300, rows.walls, rows.attempts, rows.columns, rows.logged)
    assert judge(json.loads(json.dumps(after)), more.part(0, 3), Context())[0].keys() == after.keys()
