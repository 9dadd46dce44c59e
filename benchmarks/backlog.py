"""A log that is there already, into an empty store, parsing included: points per second, and bytes per point."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import orjson
import sqlalchemy as sa

from benchmarks import peers
from benchmarks.measure import (
    Line,
    at_least,
    at_most,
    cpu,
    postgres_stores,
    size_of,
    sqlite_store,
    taking_turns,
)
from benchmarks.workload import METRICS, STEPS, W1, event_file, write_w1
from collectors.follow import Collector

TITLE = "A backlog: 200 metrics x 5,000 steps into an empty store"
ROUNDS = 5
POINTS = STEPS * METRICS
FEW = 100  # steps of 200 metrics for MLflow's client and TensorBoard's loader, whose price is per point


def lines(folder: Path) -> Iterator[Line]:
    files = write_w1(folder)
    stores = [sqlite_store(folder) for _ in range(5 * (ROUNDS + 1))]
    few, few_tensors = folder / "few", folder / "few-tensors"
    for path, tensors in ((few, False), (few_tensors, True)):
        path.mkdir()
        (path / files.events.name).write_bytes(event_file(FEW, METRICS, tensors=tensors))
    client = peers.mlflow_client(folder)
    taken = taking_turns(
        ROUNDS,
        loads=lambda: loads(files.jsonl),
        jsonl=lambda: collect(stores.pop(), files.jsonl),
        mlflow=lambda: peers.mlflow_run(client, FEW, METRICS),
        split=lambda: split(files.console),
        console=lambda: collect(stores.pop(), files.console),
        split_wrapped=lambda: split(files.wrapped),
        wrapped=lambda: collect(stores.pop(), files.wrapped),
        loader=lambda: peers.tensorboard_points(few),
        events=lambda: collect(stores.pop(), files.events),
        tensor_loader=lambda: peers.tensorboard_points(few_tensors),
        tensors=lambda: collect(stores.pop(), files.tensors),
    )
    yield from _ratios(taken)
    store = sqlite_store(folder)
    collect(store, files.jsonl)
    yield at_most("bytes on disk per point", size_of(store) / POINTS, 12, "{:.1f}")
    yield from _postgres(files)


def _ratios(taken: dict[str, float]) -> Iterator[Line]:
    scale = STEPS / FEW
    for ours, what, theirs, target, form in (
        ("jsonl", "verl JSONL, of the speed of `orjson.loads` alone", taken["loads"], 0.30, "{:.0%}"),
        ("jsonl", "verl JSONL, beside `MlflowClient.log_batch`", scale * taken["mlflow"], 100, "{:.0f}x"),
        ("console", "verl console, of the speed of `split` and `float` alone", taken["split"], 0.60, "{:.0%}"),
        ("wrapped", "the same, every value `np.float64(…)`", taken["split_wrapped"], 0.60, "{:.0%}"),
        ("events", "TensorBoard, beside `EventAccumulator`", scale * taken["loader"], 8, "{:.1f}x"),
        ("tensors", "the same, every number a tensor", scale * taken["tensor_loader"], 8, "{:.1f}x"),
    ):
        rates = f" ({_rate(taken[ours])} beside {_rate(theirs)} points/s)"
        yield at_least(what, theirs / taken[ours], target, form, rates)


def _rate(seconds: float) -> str:
    """Points of W1 per second, to three figures."""
    return f"{float(f'{POINTS / seconds:.3g}'):,.0f}"


def _postgres(files: W1) -> Iterator[Line]:
    with postgres_stores(3 * 3) as stores:
        for name, log in (("verl JSONL", files.jsonl), ("verl console", files.console), ("TensorBoard", files.events)):
            if stores:
                clocks = [clocked(stores.pop(), log) for _ in range(3)]
                wall, spent = (median(clock) for clock in zip(*clocks, strict=True))
                measured = f"{_rate(wall)} points/s ({_rate(spent)} per CPU second of ours)"
                yield Line(f"{name} into PostgreSQL on the same machine", measured)


def clocked(store: sa.Engine, log: Path) -> tuple[float, float]:
    """(wall seconds, CPU seconds of this process: the server's are not seen)."""
    begin = time.perf_counter()
    spent = cpu(lambda: collect(store, log))
    return time.perf_counter() - begin, spent


def collect(store: sa.Engine, log: Path) -> None:
    """Raises RuntimeError unless every point came in: a fast reader that loses some is no good."""
    collector = Collector(store, [log])
    reports = [collector.read(found, place) for found, place in collector.pending()]
    if sum(report.new_points for report in reports if report) != POINTS:
        raise RuntimeError(f"{log}: not every point was read")


def loads(log: Path) -> None:
    with log.open("rb") as file:
        for line in file:
            orjson.loads(line)


def split(log: Path) -> None:
    """The least that reads a console line; numpy's wrapping is cut off by hand."""
    start = len("np.float64(") if "wrapped" in log.name else 0
    end = -1 if start else None
    with log.open() as file:
        for line in file:
            values = {}
            for segment in line.rstrip("\n").split(" - ")[1:]:
                name, _, value = segment.rpartition(":")
                values[name] = float(value[start:end])
