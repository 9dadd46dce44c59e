"""The mirror passes again: after it was killed, after MLflow was away, after runs restarted or moved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType
from mlflow.exceptions import MlflowException
from mlflow_stores import LOSS, SCORE, all_of, empty_mlflow, grpo, history, more, named, refuse_after, steps
from stores import MODIFIED, make_run, points, ramp

from db import mlflow_mirror, mlflow_server, mlflow_state, runs
from db.engine import open_store, reading, writing
from db.mlflow_mirror import MirrorAway, mirror
from db.schema import mirrors, sources, tail
from db.series import metrics_of, series


@pytest.fixture
def target(tmp_path: Path) -> str:
    return empty_mlflow(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield engine
    engine.dispose()


class Killed(BaseException):
    """The process dies here."""


def kill_before_record(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Die when the so-many-th batch is in MLflow and before that is recorded."""
    whole: Callable[..., bool] = mlflow_state.advance
    left = [number]

    def advance(*arguments: Any) -> bool:
        left[0] -= 1
        if not left[0]:
            raise Killed
        return whole(*arguments)

    monkeypatch.setattr(mlflow_mirror, "advance", advance)


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("dated", [True, False])
def test_killed_between_write_and_record_doubles_nothing(
    store: sa.Engine, target: str, monkeypatch: pytest.MonkeyPatch, number: int, dated: bool
) -> None:
    grpo(store, *(points(step, {LOSS: math.nan, SCORE: 0.5, **WIDE}, 1e9 + step) for step in range(1, 6)))
    if not dated:
        with writing(store) as connection:
            connection.execute(sa.update(tail).values(walls=np.full(1, np.nan).tobytes()))
    with monkeypatch.context() as patch:
        kill_before_record(patch, number)
        with pytest.raises(Killed):
            mirror(store, target)
    more(store, points(6, {LOSS: 1.0, **WIDE}, 2e9), modified=MODIFIED + 500)
    mirror(store, target)
    run = named(target)
    assert steps(target, run) == [1, 2, 3, 4, 5, 6]
    assert steps(target, run, SCORE) == [1, 2, 3, 4, 5]
    assert all(steps(target, run, name) == [1, 2, 3, 4, 5, 6] for name in list(WIDE)[::50])


WIDE = {f"wide/{i:03}": 1.0 for i in range(600)}  # so that two records are more than a batch


def test_killed_before_the_new_run_is_recorded_makes_no_second_one(
    store: sa.Engine, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(*_arguments: Any) -> None:
        raise Killed

    grpo(store, ramp(1, 3))
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_mirror, "begin", begin)
        with pytest.raises(Killed):
            mirror(store, target)
    mirror(store, target)
    assert len(all_of(target)) == 1
    assert steps(target, named(target)) == [1, 2, 3]


def test_the_sql_store_of_mlflow_drops_the_copy_of_a_point(target: str) -> None:
    client = MlflowClient(target)
    run_id = client.create_run("0").info.run_id
    for _ in range(2):
        batch = [Metric("x", value, 5, 7) for value in (1.0, math.nan)]
        client.log_batch(run_id, metrics=[*batch, Metric("y", float(_), 5, 7)])
    assert len(client.get_metric_history(run_id, "x")) == 2
    assert len(client.get_metric_history(run_id, "y")) == 2


def test_two_processes_at_once_make_one_run(store: sa.Engine, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mlflow_server.Server.create

    def create(*arguments: Any) -> Any:
        monkeypatch.undo()
        assert mirror(store, target).points == 6  # the other process, after both have seen that there is no run yet
        return whole(*arguments)

    grpo(store, ramp(1, 3))
    monkeypatch.setattr(mlflow_server.Server, "create", create)
    assert mirror(store, target).problems == (f"maths/grpo: {mlflow_mirror.OVERTAKEN}",)
    assert mirror(store, target) == mlflow_mirror.Mirrored(0, 0)
    assert steps(target, named(target)) == [1, 2, 3]


def test_an_attempt_that_goes_from_the_store_meanwhile(
    store: sa.Engine, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log(self: mlflow_server.Server, *_arguments: Any) -> None:
        with writing(store) as connection:
            connection.execute(sa.delete(sources))

    grpo(store, ramp(1, 3))
    monkeypatch.setattr(mlflow_server.Server, "log", log)
    assert mirror(store, target).problems == (f"maths/grpo: {mlflow_mirror.OVERTAKEN}",)


def test_mlflow_goes_away_and_comes_back(store: sa.Engine, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grpo(store, ramp(1, 1200))
    with monkeypatch.context() as patch:
        refuse_after(patch, 2, MlflowException("connection refused\nand a long story"))
        with pytest.raises(MirrorAway, match=r"^MLflow at sqlite:.*: connection refused$"):
            mirror(store, target)
    assert len(steps(target, named(target))) == 1000
    assert mirror(store, target).points == 400
    assert steps(target, named(target)) == list(range(1, 1201))


def test_a_server_that_is_not_there(store: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    grpo(store, ramp(1, 2))
    with pytest.raises(MirrorAway) as caught:
        mirror(store, "http://someone:secret@127.0.0.1:9")
    assert "127.0.0.1:9" in str(caught.value)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["gopher://x", "file:///nowhere/mlruns", "sqlite:////dev/null/mlflow.db"])
def test_what_is_no_mlflow_store(store: sa.Engine, uri: str) -> None:
    grpo(store, ramp(1, 2))
    with pytest.raises(MirrorAway, match="MLflow at "):
        mirror(store, uri)


def test_one_run_that_mlflow_refuses_does_not_hold_up_the_others(
    store: sa.Engine, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(store) as connection:
        make_run(connection, "maths", "dapo", [ramp(1, 2)])
        make_run(connection, "maths", "grpo", [ramp(1, 2)])
    refuse_after(monkeypatch, 1, MlflowException.invalid_parameter_value("too odd"))
    done = mirror(store, target)
    assert (done.runs, done.points) == (1, 4)
    assert done.problems == (f"maths/grpo: MLflow at {target}: too odd",)


def test_a_superseded_attempt_is_not_the_latest(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 100), ramp(81, 90, base=1000))
    mirror(store, target)
    run = named(target)
    assert run.data.metrics[LOSS] == 1090.0
    assert history(target, run, LOSS) == [(s, s) for s in range(1, 81)] + [(s, 1000.0 + s) for s in range(81, 91)]
    child = named(target, "grpo · attempt 1 (superseded)")
    assert child.data.tags["mlflow.parentRunId"] == run.info.run_id
    assert history(target, child, LOSS) == [(s, float(s)) for s in range(81, 101)]


def test_what_was_copied_and_then_superseded_is_not_the_latest(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 100))
    mirror(store, target)
    more(store, ramp(81, 85, base=1000))
    mirror(store, target)
    more(store, ramp(50, 60, base=2000))
    mirror(store, target)
    assert mirror(store, target).points == 0
    run = named(target)
    assert run.data.metrics[LOSS] == 2060.0
    assert history(target, run, LOSS) == [(s, s) for s in range(1, 50)] + [(s, 2000.0 + s) for s in range(50, 61)]
    first, second = (named(target, f"grpo · attempt {number} (superseded)") for number in (1, 2))
    assert steps(target, first) == list(range(50, 101))
    assert history(target, second, LOSS) == [(s, 1000.0 + s) for s in range(81, 86)]
    assert len(all_of(target)) == 3
    assert len(all_of(target, ViewType.DELETED_ONLY)) == 3  # two former runs and a former child: in MLflow's trash


def test_a_restart_without_overlap_keeps_the_mlflow_run(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 100))
    mirror(store, target)
    before = named(target).info.run_id
    with writing(store) as connection:
        make_run(connection, "maths", "grpo", [ramp(101, 120)], file="train.2.log")
    assert mirror(store, target).points == 40
    run = named(target)
    assert run.info.run_id == before
    assert steps(target, run) == list(range(1, 121))


@pytest.mark.parametrize("at", ["forget", "delete"])
def test_killed_while_starting_anew(store: sa.Engine, target: str, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    def die(*_arguments: Any) -> None:
        raise Killed

    grpo(store, ramp(1, 100))
    mirror(store, target)
    more(store, ramp(81, 85, base=1000))
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_server.Server if at == "delete" else mlflow_mirror, at, die)
        with pytest.raises(Killed):
            mirror(store, target)
    mirror(store, target)
    assert len(all_of(target)) == 2
    assert steps(target, named(target)) == list(range(1, 86))


def test_superseded_between_write_and_record(store: sa.Engine, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    grpo(store, ramp(1, 100))
    with monkeypatch.context() as patch:
        kill_before_record(patch, 1)
        with pytest.raises(Killed):
            mirror(store, target)
    more(store, ramp(81, 85, base=1000))
    mirror(store, target)
    assert named(target).data.metrics[LOSS] == 1085.0
    assert steps(target, named(target)) == list(range(1, 86))


def test_a_second_container_with_the_same_names_doubles_nothing(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 20))
    with writing(store) as connection:
        told_again = ramp(1, 20, (LOSS, "only/here"))
        make_run(connection, "maths", "grpo", [told_again], file="metrics.jsonl", container="jsonl")
    mirror(store, target)
    run = named(target)
    assert all(steps(target, run, key) == list(range(1, 21)) for key in (LOSS, SCORE, "only/here"))
    child = named(target, "grpo · attempt 2 (told by another file too)")
    assert child.data.metrics.keys() == {LOSS}


def test_mlflow_shows_the_live_line_of_our_store(store: sa.Engine, target: str) -> None:
    run_id = grpo(store, ramp(1, 700), ramp(300, 400, (LOSS, "new"), 5.0), ramp(350, 1000, base=7.0))
    mirror(store, target)
    run = named(target)
    with reading(store) as connection:
        found = {metric.name: metric.id for metric, _, _ in metrics_of(connection, run_id)}
        curves = series(connection, [run_id], list(found.values()))
    for name, metric_id in found.items():
        curve = curves[run_id, metric_id]
        assert history(target, run, name) == list(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))


def test_what_a_torn_end_gave_waits(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 5))
    more(store, ramp(6, 6), torn=points(7, {LOSS: 0.7}))
    mirror(store, target)
    assert steps(target, named(target)) == [1, 2, 3, 4, 5, 6]
    more(store, ramp(7, 8, base=70.0))
    mirror(store, target)
    assert history(target, named(target), LOSS)[-2:] == [(7, 77.0), (8, 78.0)]


def test_an_attempt_that_a_torn_end_opened_waits(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 5))
    more(store, torn=points(3, {LOSS: 0.3}))
    mirror(store, target)
    assert named(target).data.tags["stepwell.attempts"] == "1"
    more(store, ramp(3, 4, base=30.0))
    mirror(store, target)
    assert steps(target, named(target)) == [1, 2, 3, 4]
    assert named(target).data.metrics[LOSS] == 34.0


def test_a_new_name_is_followed_and_so_is_a_new_project(store: sa.Engine, target: str) -> None:
    run_id = grpo(store, ramp(1, 5))
    mirror(store, target)
    with writing(store) as connection:
        runs.name_it(connection, run_id, None, "grpo-8k")
    mirror(store, target)
    before = named(target, "grpo-8k").info
    with writing(store) as connection:
        runs.name_it(connection, run_id, "algebra", None)
    assert mirror(store, target).points == 10
    after = named(target, "grpo-8k").info
    assert (before.run_id == after.run_id, len(all_of(target))) == (False, 1)
    assert MlflowClient(target).get_experiment(after.experiment_id).name == "algebra"


def test_a_run_deleted_in_mlflow_stays_deleted_until_restored(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 5))
    mirror(store, target)
    client, run_id = MlflowClient(target), named(target).info.run_id
    client.delete_run(run_id)
    more(store, ramp(6, 6))
    assert mirror(store, target).problems == ("maths/grpo: deleted in MLflow; restore it there to go on",)
    client.restore_run(run_id)
    assert mirror(store, target).points == 2


def test_a_deleted_experiment_is_a_problem_of_its_runs(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 5))
    mirror(store, target)
    client = MlflowClient(target)
    client.delete_experiment(named(target).info.experiment_id)
    (problem,) = mirror(store, target).problems
    assert "'maths' was deleted in MLflow" in problem


def test_an_mlflow_store_that_was_emptied_is_filled_again(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 5))
    mirror(store, target)
    with sa.create_engine(target).begin() as connection:
        for table in ("metrics", "latest_metrics", "tags", "params", "runs"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    assert mirror(store, target).points == 10
    assert steps(target, named(target)) == [1, 2, 3, 4, 5]


def test_a_store_that_was_made_anew_replaces_its_runs(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 5))
    mirror(store, target)
    with writing(store) as connection:
        connection.execute(sa.delete(sources))
        assert not connection.execute(sa.select(mirrors)).all()
    grpo(store, ramp(1, 3))
    mirror(store, target)
    assert len(all_of(target)) == 1
    assert steps(target, named(target)) == [1, 2, 3]


def test_tags_that_someone_else_wrote_over_do_no_harm(store: sa.Engine, target: str) -> None:
    grpo(store, ramp(1, 5), points(6, {LOSS: math.inf}))
    mirror(store, target)
    client, run_id = MlflowClient(target), named(target).info.run_id
    client.set_tag(run_id, "stepwell.attempt.1", "hands off")
    client.set_tag(run_id, f"stepwell.nonfinite.{LOSS}", "[1")
    more(store, points(7, {LOSS: math.inf}))
    mirror(store, target)
    assert len(all_of(target)) == 1
    assert steps(target, named(target)) == [1, 2, 3, 4, 5, 6, 7]
