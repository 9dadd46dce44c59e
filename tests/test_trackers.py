"""MLflow and trackio as sources: everything once, whatever comes later."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow_stores import empty_mlflow, grpo

from collectors.follow import Collector
from db import mlflow_mirror, runs
from db.engine import reading
from stepwell.collecting import one_pass
from tests.logs import live, plain, told
from tests.stores import ramp


def collected(engine: sa.Engine, *paths: Path | str) -> Collector:
    collector = Collector(engine, paths)
    one_pass(collector)
    return collector


def a_run(client: MlflowClient, name: str = "grpo-plus") -> str:
    known = client.get_experiment_by_name("sums")
    experiment = known.experiment_id if known else client.create_experiment("sums")
    return str(client.create_run(experiment, run_name=name).info.run_id)


def log(client: MlflowClient, run: str, steps: range, *, seed: float = 0.0, at: int = 1_760_000_000_000) -> None:
    """As verl logs there: one batch a step, `@` as `_at_`."""
    for step in steps:
        when = at + 1000 * step
        values = {"actor/entropy": 1 / (step + 1) + seed, "val-core/数学/acc/mean_at_8": 0.5}
        names = {name.replace("数学", "math"): value for name, value in values.items()}
        client.log_batch(run, metrics=[Metric(name, value, when, step) for name, value in names.items()])


def test_mlflow_comes_once_and_what_is_new_comes_later(engine: sa.Engine, tmp_path: Path) -> None:
    uri = empty_mlflow(tmp_path)
    client = MlflowClient(uri)
    run = a_run(client)
    client.log_batch(
        run, params=[Param("data/max_response_length", "24576"), Param("x/api_key", "sk-abcdef0123456789ab")]
    )
    log(client, run, range(1, 6))
    collector = collected(engine, f"mlflow:{uri}")
    with reading(engine) as connection:
        [one] = runs.all_runs(connection)
        assert (one.project, one.name, one.trainer, one.step) == ("sums", "grpo-plus", "verl", 5)
        assert runs.settings_of(connection, one.id) == {"context_limit": 24576}
        assert runs.config_of(connection, one.id)["x/api_key"] == "[redacted]"
    assert live(engine, "actor/entropy") == [(s, 1 / (s + 1)) for s in range(1, 6)]
    before = told(engine)
    assert [report.new_points for report in one_pass(collector)] == []
    log(client, run, range(6, 9))
    client.log_metric(run, "late/one", 2.5, step=5)
    client.log_metric(run, "system/gpu_0_memory", 9.0, step=700)
    one_pass(Collector(engine, [f"mlflow:{uri}"]))
    assert [step for step, _ in live(engine, "actor/entropy")] == list(range(1, 9))
    assert live(engine, "late/one") == [(5, 2.5)]
    assert live(engine, "system/gpu_0_memory") == []
    assert set(before) < set(told(engine))
    [report] = Collector(engine, [f"mlflow:{uri}"]).known() or collected(engine, tmp_path).known()
    assert report.place.rows == 8


@pytest.fixture
def mlruns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file store that MLflow itself writes, as it did by default up to 3.6."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return tmp_path / "runs" / "grpo" / "mlruns"


def test_the_file_store_comes_once_and_what_is_new_comes_later(
    engine: sa.Engine, mlruns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(mlruns.as_uri())
    run = a_run(client, "数学")
    client.log_batch(
        run, params=[Param("data/max_response_length", "24576"), Param("x/api_key", "sk-abcdef0123456789ab")]
    )
    log(client, run, range(1, 6))
    client.log_metric(run, "actor/grad_norm", float("nan"), timestamp=1_760_000_003_000, step=3)
    client.log_metric(run, "system/gpu_0_memory", 9.0, step=700)
    deleted = a_run(client, "deleted")
    log(client, deleted, range(1, 3))
    client.delete_run(deleted)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    collector = collected(engine, mlruns.parents[1])  # it lies deeper than the folder that was named
    assert collector.unreadable == {}
    with reading(engine) as connection:
        [one] = runs.all_runs(connection)
        assert (one.project, one.name, one.trainer, one.step) == ("sums", "数学", "verl", 5)
        assert runs.settings_of(connection, one.id) == {"context_limit": 24576}
        assert runs.config_of(connection, one.id)["x/api_key"] == "[redacted]"
    assert live(engine, "actor/entropy") == [(s, 1 / (s + 1)) for s in range(1, 6)]
    [(step, norm)] = live(engine, "actor/grad_norm")
    assert step == 3 and math.isnan(norm)
    assert live(engine, "system/gpu_0_memory") == []
    assert [report.new_points for report in one_pass(collector)] == []
    metric = next(mlruns.glob(f"*/{run}/metrics/actor/entropy"))
    with metric.open("a", encoding="utf-8") as file:
        file.write("1760000006000 0.5 6\n1760000007000 0.")
    one_pass(collector)
    assert live(engine, "actor/entropy")[5:] == [(6, 0.5)]
    with metric.open("a", encoding="utf-8") as file:
        file.write("25 7\nno number 8\n")
    assert [report.place.rows for report in one_pass(Collector(engine, [f"mlflow:{mlruns.as_uri()}"]))] == [7]
    assert live(engine, "actor/entropy")[5:] == [(6, 0.5), (7, 0.25)]


def test_a_folder_of_artifacts_alone_is_no_trouble(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "1" / "abc" / "artifacts").mkdir(parents=True)
    (tmp_path / "mlruns" / "2").mkdir()
    (tmp_path / "mlruns" / "2" / "meta.yaml").write_bytes(b"\xff{: no yaml")
    collector = collected(engine, tmp_path)
    assert (collector.unreadable, collector.known()) == ({}, [])


def test_a_restart_under_the_same_name_is_an_attempt(engine: sa.Engine, tmp_path: Path) -> None:
    uri = empty_mlflow(tmp_path)
    client = MlflowClient(uri)
    log(client, a_run(client), range(1, 9))
    log(client, a_run(client), range(6, 12), seed=0.5, at=1_760_001_000_000)
    collected(engine, tmp_path)  # the file is found in the folder
    curve = [(s, 1 / (s + 1)) for s in range(1, 6)] + [(s, 1 / (s + 1) + 0.5) for s in range(6, 12)]
    assert live(engine, "actor/entropy") == curve
    with reading(engine) as connection:
        assert [run.attempts for run in runs.all_runs(connection)] == [2]


def test_what_stepwell_itself_put_there_is_not_read_back(engine: sa.Engine, tmp_path: Path) -> None:
    uri = empty_mlflow(tmp_path)
    grpo(engine, ramp(1, 5))
    mlflow_mirror.mirror(engine, uri)
    before = told(engine)
    collected(engine, f"mlflow:{uri}")
    assert told(engine) == before


def test_a_tracker_that_is_away_is_said(engine: sa.Engine, tmp_path: Path) -> None:
    collector = collected(engine, "mlflow:http://user:geheim@127.0.0.1:9/x")
    [(where, why)] = collector.unreadable.items()
    assert why and "geheim" not in f"{where} {why}"


def trackio(path: Path, *, run_id: bool = True) -> Path:
    """The tables as trackio 0.43 makes them, or as the first versions did."""
    own, text = ("run_id TEXT NOT NULL, ", "BLOB") if run_id else ("", "TEXT")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            f"CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, {own}timestamp TEXT NOT NULL,"
            f" run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics {text} NOT NULL)"
        )
        if run_id:
            connection.execute(
                f"CREATE TABLE configs (id INTEGER PRIMARY KEY, {own}run_name TEXT, config BLOB, created_at TEXT)"
            )
            said = json.dumps({"max_completion_length": 512, "_Username": None}).encode()
            connection.execute("INSERT INTO configs (run_id, run_name, config) VALUES ('r1', 'grpo-1', ?)", [said])
        connection.commit()
    return path


def put(path: Path, steps: range, run: str = "r1") -> None:
    with closing(sqlite3.connect(path)) as connection:
        own = len(connection.execute("PRAGMA table_info(metrics)").fetchall()) == 6
        for step in steps:
            row = json.dumps(
                {"reward": step / 8, "reward_std": "NaN", "kl": 0.1, "note": "text", "completions": {"mean_length": 7}}
            )
            names = ("run_id, " if own else "") + "timestamp, run_name, step, metrics"
            values = [
                *([run] if own else []),
                f"2026-11-20T12:11:{step:02}+00:00",
                "grpo-1",
                step,
                row.encode() if own else row,
            ]
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO metrics ({names}) VALUES ({marks})", values)
        connection.commit()


@pytest.mark.parametrize("run_id", [True, False])
def test_trackio(engine: sa.Engine, tmp_path: Path, *, run_id: bool) -> None:
    path = trackio(tmp_path / "sums.db", run_id=run_id)
    put(path, range(1, 5))
    collector = collected(engine, tmp_path)
    put(path, range(5, 7))
    one_pass(collector)
    assert live(engine, "reward") == [(s, s / 8) for s in range(1, 7)]
    assert [step for step, _ in live(engine, "completions/mean_length")] == list(range(1, 7))
    assert len([1 for point in told(engine) if point[3] == "reward_std"]) == 6
    with reading(engine) as connection:
        [run] = runs.all_runs(connection)
        assert (run.project, run.name, run.step) == ("sums", "grpo-1", 6)
        assert runs.settings_of(connection, run.id) == ({"context_limit": 512} if run_id else {})


def test_other_databases_are_left_alone(engine: sa.Engine, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE metrics (x)")
        connection.commit()
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"garbage" * 100)
    (tmp_path / "text.db").write_bytes(b"no database")
    (tmp_path / "metrics.jsonl").write_bytes(plain(range(3)))
    collector = collected(engine, tmp_path)
    assert [Path(report.place.path).name for report in collector.known()] == ["metrics.jsonl"]
