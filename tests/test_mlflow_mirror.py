"""What MLflow shows after the mirror has passed, as MLflow's own client sees it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from mlflow import MlflowClient
from mlflow_stores import LOSS, PATH, SCORE, all_of, empty_mlflow, grpo, history, more, named, steps
from stores import MODIFIED, make_run, points, ramp

from db import documents, runs
from db.block import block_of
from db.documents import Document
from db.engine import open_store, writing
from db.evaluations import Entry, Score
from db.mlflow_mirror import default_uri, mirror, ui_command
from db.schema import tail


@pytest.fixture
def target(tmp_path: Path) -> str:
    return empty_mlflow(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield engine
    engine.dispose()


def test_a_run_of_each_project_appears_with_its_points(engine: sa.Engine, target: str) -> None:
    with writing(engine) as connection:
        make_run(connection, "maths", "grpo", [ramp(1, 300)])
        make_run(connection, "code", "dapo", [ramp(5, 6)])
    done = mirror(engine, target)
    assert (done.runs, done.points, done.problems) == (2, 604, ())
    client = MlflowClient(target)
    assert {one.name for one in client.search_experiments()} == {"Default", "maths", "code"}
    run = named(target)
    assert client.get_experiment(run.info.experiment_id).name == "maths"
    found = client.get_metric_history(run.info.run_id, SCORE)
    assert [(one.step, one.value) for one in found] == [(step, step + 0.1) for step in range(1, 301)]
    assert [one.timestamp for one in found[:2]] == [int(MODIFIED - 99_990) * 1000, int(MODIFIED - 99_980) * 1000]
    assert run.data.metrics == {LOSS: 300.0, SCORE: 300.1}


def test_params_are_the_config_and_the_settings(store: sa.Engine, target: str) -> None:
    run_id = grpo(store, ramp(1, 2))
    with writing(store) as connection:
        flat = {"actor.lr": 1e-6, "note": "长" * 7000, "who@where": "x", "who_at_where": None, "none": "", "on": True}
        runs.set_config(connection, run_id, flat, {"context_limit": 8192})
    mirror(store, target)
    run = named(target)
    assert run.data.params == {
        "actor.lr": "1e-06",
        "note": "长" * 6000,
        "who_at_where": "null",
        "who_at_where_2": "x",
        "none": '""',
        "on": "true",
        "setting/context_limit": "8192",
    }
    assert run.data.tags["stepwell.param.who_at_where_2"] == "who@where"


def test_a_param_that_changes_becomes_a_tag(store: sa.Engine, target: str) -> None:
    run_id = grpo(store, ramp(1, 2))
    for value in (1, 2, 1):
        with writing(store) as connection:
            runs.set_config(connection, run_id, {"lr": value, f"new{value}": 0}, {})
        mirror(store, target)
    run = named(target)
    assert run.data.params == {"lr": "1", "new1": "0", "new2": "0"}
    assert run.data.tags["stepwell.changed.lr"] == "1"


def test_tags_say_where_it_comes_from(store: sa.Engine, target: str) -> None:
    run_id = grpo(store, ramp(1, 9), ramp(6, 12))
    mirror(store, target)
    tags = named(target).data.tags
    assert (tags["stepwell.run_id"], tags["stepwell.trainer"]) == (str(run_id), "verl")
    assert (tags["stepwell.source"], tags["stepwell.attempts"]) == (PATH, "2")
    assert tags["stepwell.verdict"] == "not judged"


def test_scores_of_the_run_stand_in_a_tag_that_follows_them(store: sa.Engine, target: str) -> None:
    run_id = grpo(store, ramp(1, 2))
    paper = Document("/e/scores.csv", "evaluation", "scores-csv", "a", 1, 1.0, run_id=run_id)
    score = Score(system="m", benchmark="数学", metric="pass@k", k=1, value=0.43, unit="fraction", eval_context=32768)
    for value in (0.43, 0.5):
        with writing(store) as connection:
            documents.put(connection, paper, [Entry(replace(score, value=value), 1)])
        mirror(store, target)
        told = named(target).data.tags["stepwell.evaluations"]
        assert told == f"数学 pass@1: {value} fraction, limit 32768"


def test_twice_adds_nothing(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 300), points(301, {LOSS: math.nan, SCORE: math.inf}))
    first = mirror(store, target)
    before = [run.to_dictionary() for run in all_of(target)]
    second = mirror(store, target)
    assert (first.points, second.points, second.runs) == (602, 0, 0)
    assert repr([run.to_dictionary() for run in all_of(target)]) == repr(before)
    assert steps(target, named(target)) == list(range(1, 302))


def test_only_what_is_new_is_sent(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 500))
    mirror(store, target)
    for last in (501, 502, 900):
        more(store, ramp(last if last < 900 else 503, last))
        assert mirror(store, target).points == 2 * (1 if last < 900 else 398)
    assert steps(target, named(target)) == list(range(1, 901))


def test_only_the_runs_that_were_asked_for(store: sa.Engine, target: str) -> None:
    with writing(store) as connection:
        make_run(connection, "maths", "grpo", [ramp(1, 2)])
        wanted = make_run(connection, "maths", "dapo", [ramp(1, 2)])
    assert mirror(store, target, run_ids=[wanted]).runs == 1
    assert [run.info.run_name for run in all_of(target)] == ["dapo"]


def test_sparse_and_wide_records_keep_their_steps(store: sa.Engine, target: str) -> None:
    wide = {f"wide/{i}": float(i) for i in range(2500)}
    grpo(store, block_of([1, 2, 3], [{LOSS: 1.0}, {LOSS: 2.0, **wide}, {LOSS: 3.0}], [1e9, 2e9, 3e9]))
    assert mirror(store, target).points == 2503
    run = named(target)
    assert steps(target, run) == [1, 2, 3]
    assert history(target, run, "wide/2499") == [(2, 2499.0)]


def test_a_point_without_a_time_bears_that_of_its_file(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 3))
    with writing(store) as connection:
        connection.execute(sa.update(tail).values(walls=np.full(3, np.nan).tobytes()))
    mirror(store, target)
    found = MlflowClient(target).get_metric_history(named(target).info.run_id, LOSS)
    assert [one.timestamp for one in found] == [int(MODIFIED * 1000)] * 3


def test_a_time_beyond_any_clock_is_no_time(store: sa.Engine, target: str) -> None:
    grpo(store, block_of([1, 2, 3], [{LOSS: 1.0}] * 3, [-5.0, 1e300, 60.0]))
    assert mirror(store, target).problems == ()
    found = MlflowClient(target).get_metric_history(named(target).info.run_id, LOSS)
    assert [one.timestamp for one in sorted(found, key=lambda one: one.step)] == [int(MODIFIED * 1000)] * 2 + [60_000]


def test_a_quiet_run_is_finished_and_a_growing_one_is_running(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 3))
    mirror(store, target)
    info = named(target).info
    assert (info.status, info.start_time, info.end_time) == (
        "FINISHED",
        int(MODIFIED - 99_990) * 1000,
        int(MODIFIED - 99_970) * 1000,
    )
    more(store, ramp(4, 4), modified=4e9)
    mirror(store, target)
    assert named(target).info.status == "RUNNING"


def test_infinities_are_marked_and_do_not_flatten_the_chart(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 3), points(4, {LOSS: math.inf}), points(5, {LOSS: -math.inf}), points(6, {LOSS: math.nan}))
    mirror(store, target)
    more(store, points(7, {LOSS: math.inf}))
    mirror(store, target)
    run = named(target)
    values = dict(history(target, run, LOSS))
    assert values.keys() == {1, 2, 3, 4, 5, 6, 7}
    assert all(math.isnan(values[step]) for step in (4, 5, 6, 7))
    assert json.loads(run.data.tags[f"stepwell.nonfinite.{LOSS}"]) == {"+inf": [4, 7], "-inf": [5]}
    assert math.isnan(run.data.metrics[LOSS])


def test_the_list_of_infinities_is_bounded(store: sa.Engine, target: str) -> None:
    many = range(10**17, 10**17 + 3000)
    grpo(store, block_of(list(many), [{LOSS: math.inf if step % 2 else -math.inf} for step in many], [1e9] * 3000))
    mirror(store, target)
    told = json.loads(named(target).data.tags[f"stepwell.nonfinite.{LOSS}"])
    assert (len(told["+inf"]), len(told["-inf"]), told["and more"]) == (150, 150, True)


def test_progress_is_told_after_every_batch(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 1200))
    told: list[tuple[str, int, int]] = []
    mirror(store, target, progress=lambda *what: told.append(what))
    assert told == [
        ("maths/grpo", 500, 1200),
        ("maths/grpo", 1000, 1200),
        ("maths/grpo", 1024, 1200),
        ("maths/grpo", 1200, 1200),
    ]


def test_an_empty_store_needs_no_mlflow(store: sa.Engine) -> None:
    assert mirror(store, "http://127.0.0.1:9").points == 0


def test_the_default_is_mlflows_own_variable_or_a_file_in_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert default_uri() == "http://tracking:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_uri().startswith("sqlite:////") and default_uri().endswith("/stepwell/mlflow.db")


@pytest.mark.filterwarnings("ignore")  # MLflow's own, while its command is imported
def test_the_command_of_the_ui() -> None:
    from click import Context
    from mlflow.cli import cli

    command = ui_command("sqlite:////data/mlflow.db", 5001)
    assert command[1:5] == ["-P", "-m", "mlflow", "ui"]
    server = cli.get_command(Context(cli), "ui")  # type: ignore[no-untyped-call]
    assert server is not None
    given = server.make_context("ui", command[5:]).params
    assert (given["backend_store_uri"], given["host"], given["port"]) == (
        "sqlite:////data/mlflow.db",
        "127.0.0.1",
        5001,
    )
    assert (given["serve_artifacts"], given["default_artifact_root"]) == (False, "file:///data/mlflow-artifacts")
    with pytest.raises(ValueError, match="UI of its own"):
        ui_command("http://tracking:5000", 5001)


def test_mlflow_is_not_imported_with_the_mirror() -> None:
    code = "import sys, db.mlflow_mirror; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0
