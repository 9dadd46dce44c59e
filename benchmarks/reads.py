"""What a page asks of the store: one curve, a hundred curves, a table of a thousand runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import peers
from benchmarks.measure import Line, at_most, sqlite_store, taking_turns
from benchmarks.workload import METRICS, STEPS, block
from collectors.contract import Part
from collectors.store import put
from db import runs, sources
from db.block import Block
from db.engine import reading, writing
from db.series import by_quantity, newest
from db.sources import Place

TITLE = "Reads: median CPU of a call, its transaction included"
ROUNDS, CALLS = 9, 10
CURVES, TABLE = 100, 1_000  # runs
COLUMNS = ("entropy_token_mean", "score_mean", "grad_norm", "response_length_mean", "kl_ref")


def lines(folder: Path) -> Iterator[Line]:
    one, followed = sqlite_store(folder), sqlite_store(folder)
    add_run(one, [block(STEPS, METRICS)])
    add_run(followed, step_by_step(STEPS, METRICS))
    hundred, table = sqlite_store(folder), sqlite_store(folder)
    for run in range(TABLE):
        add_run(table, [block(1, 50, run)], run)
    for run in range(CURVES):
        add_run(hundred, [block(500, 50, run)], run)
    theirs = Theirs(folder)
    taken = taking_turns(
        ROUNDS,
        CALLS,
        one=lambda: curves_of(one, 1, STEPS),
        followed=lambda: curves_of(followed, 1, STEPS),
        hundred=lambda: curves_of(hundred, CURVES, 500),
        table=lambda: table_of(table),
        their_one=theirs.one,
        their_ten=theirs.ten,
        their_table=theirs.table,
    )
    yield at_most(f"one series of {STEPS:,} points, of a collected log", 1e3 * taken["one"], 2)
    theirs_one = _beside(taken["their_one"])
    yield at_most("the same, of a log followed step by step", 1e3 * taken["followed"], 2, beside=theirs_one)
    ten = _beside(taken["their_ten"], " for 10 runs")
    yield at_most(f"one metric of {CURVES} runs x 500 points", 1e3 * taken["hundred"], 10, beside=ten)
    fewer = _beside(taken["their_table"], " for 100 runs")
    yield at_most(f"{len(COLUMNS)} latest values of {TABLE:,} runs", 1e3 * taken["table"], 10, beside=fewer)


def _beside(seconds: float, of: str = "") -> str:
    return f" (MLflow's client{of}: {1e3 * seconds:,.0f} ms)"


def step_by_step(steps: int, metrics: int) -> Iterator[Block]:
    """As a live log comes: sealed stretch after stretch, the last ones still waiting."""
    whole = block(steps, metrics)
    return (whole.rows(i, i + 1) for i in range(steps))


def add_run(store: sa.Engine, blocks: Iterator[Block] | list[Block], run: int = 0) -> None:
    with writing(store) as connection:
        run_id = runs.make(connection, "benchmark", f"run {run}", f"/run/{run}")
        place = sources.add(connection, Place(f"/run/{run}/log", "verl-console", run_id=run_id, trainer="verl"))
        put(connection, place, Part(list(blocks)), restarted=False, modified=0.0)


def curves_of(store: sa.Engine, count: int, points: int) -> None:
    with reading(store) as connection:
        curves = by_quantity(connection, list(range(1, count + 1)), COLUMNS[:1])
    if [len(curve) for curve in curves.values()] != [points] * count:
        raise RuntimeError("not every point was read")


def table_of(store: sa.Engine) -> None:
    with reading(store) as connection:
        cells = newest(connection, None, COLUMNS)
    if len(cells) != TABLE * len(COLUMNS):
        raise RuntimeError("not every run was read")


@dataclass
class Theirs:
    """The same in MLflow's store; with fewer runs where writing them would take minutes."""

    folder: Path

    def __post_init__(self) -> None:
        self.client: Any = peers.mlflow_client(self.folder)
        self.long = peers.mlflow_run(self.client, STEPS, 1)
        self.few = [peers.mlflow_run(self.client, 500, 1, run) for run in range(10)]
        self.many = self.client.create_experiment("many")
        for run in range(100):
            peers.mlflow_run(self.client, 1, 50, run, self.many)

    def one(self) -> None:
        self.client.get_metric_history(self.long, "actor/entropy")

    def ten(self) -> None:
        for run in self.few:
            self.client.get_metric_history(run, "actor/entropy")

    def table(self) -> None:
        self.client.search_runs([self.many])
