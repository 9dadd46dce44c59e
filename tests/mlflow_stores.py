"""MLflow stores for tests, and what its own client sees in them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import mlflow.tracking.client
import pytest
import sqlalchemy as sa
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType
from mlflow.entities import Run as MlflowRun
from stores import log_more, make_run

from db.block import Block
from db.engine import writing

LOSS, SCORE = "actor/loss", "critic/score/mean"
PATH = "/logs/maths/grpo/train.log"


@functools.cache
def _empty() -> bytes:
    """An MLflow database without runs: making its tables takes seconds, copying it does not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{path}").search_experiments()
        return path.read_bytes()


def empty_mlflow(folder: Path) -> str:
    """The URI of a new MLflow store."""
    path = folder / "mlflow.db"
    path.write_bytes(_empty())
    return f"sqlite:///{path}"


def grpo(store: sa.Engine, *blocks: Block, **options: Any) -> int:
    """The run of most tests: one console log."""
    with writing(store) as connection:
        return make_run(connection, "maths", "grpo", blocks, **options)


def more(store: sa.Engine, *blocks: Block, **options: Any) -> None:
    with writing(store) as connection:
        log_more(connection, PATH, blocks, **options)


def all_of(target: str, view: int = ViewType.ACTIVE_ONLY) -> list[MlflowRun]:
    client = MlflowClient(target)
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()], run_view_type=view))


def named(target: str, name: str = "grpo") -> MlflowRun:
    (found,) = [run for run in all_of(target) if run.info.run_name == name]
    return found


def history(target: str, run: MlflowRun, key: str) -> list[tuple[int, float]]:
    """(step, value) of a metric in the order of steps, every copy of it."""
    return sorted((one.step, one.value) for one in MlflowClient(target).get_metric_history(run.info.run_id, key))


def steps(target: str, run: MlflowRun, key: str = LOSS) -> list[int]:
    return [step for step, _ in history(target, run, key)]


def refuse_after(monkeypatch: pytest.MonkeyPatch, calls: int, error: Exception) -> None:
    """Let so many batches of points through to MLflow, and then none."""
    whole, left = MlflowClient.log_batch, [calls]

    def log_batch(self: MlflowClient, run_id: str, metrics: list[Metric] = [], **others: Any) -> None:  # noqa: B006
        left[0] -= bool(metrics)
        if left[0] < 0:
            raise error
        whole(self, run_id, metrics=metrics, **others)

    monkeypatch.setattr(mlflow.tracking.client.MlflowClient, "log_batch", log_batch)
