"""What the same work costs elsewhere: MLflow's client and TensorBoard's loader, on stores and files of their own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from benchmarks.workload import PACE, START, curves, metric_names


def mlflow_client(folder: Path) -> Any:
    """An MlflowClient on an SQLite store of its own."""
    from mlflow import MlflowClient

    logging.getLogger("alembic").setLevel(logging.ERROR)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return MlflowClient(mlflow_uri(folder))


def mlflow_uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def mlflow_run(client: Any, steps: int, metrics: int, run: int = 0, experiment: str = "0") -> str:
    """Log a made-up run in batches of 1,000, MLflow's largest. Returns its id. MLflow refuses "@" in a name."""
    from mlflow.entities import Metric

    run_id: str = client.create_run(experiment).info.run_id
    names = [name.replace("@", "_at_") for name in metric_names(metrics)]
    points = [
        Metric(name, value, int(1000 * (START + PACE * step)), step)
        for step, row in enumerate(curves(steps, metrics, run).tolist(), 1)
        for name, value in zip(names, row, strict=True)
    ]
    for start in range(0, len(points), 1000):
        client.log_batch(run_id, points[start : start + 1000])
    return run_id


def tensorboard_points(folder: Path) -> int:
    """Load a folder with TensorBoard's own loader, keeping every point. Returns how many it holds."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loaded = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    loaded.Reload()
    tags = loaded.Tags()
    return sum(len(loaded.Scalars(tag)) for tag in tags["scalars"]) + sum(
        len(loaded.Tensors(tag)) for tag in tags["tensors"]
    )
