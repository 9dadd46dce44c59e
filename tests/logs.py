"""Small logs in every text container, and what a store says of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from collectors.follow import Collector
from db.engine import reading
from db.export import points
from db.runs import all_runs

Point = tuple[str, int, int, str, str]  # run, attempt, step, metric, value


def jsonl(steps: Sequence[int], *, seed: float = 0.0) -> bytes:
    """verl's `file` logger."""
    rows = [{"step": s, "data": {"actor/entropy": 1 / (s + 1) + seed, "critic/score/mean": s * 0.125}} for s in steps]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def console(steps: Sequence[int], *, seed: float = 0.0) -> bytes:
    """verl's console line, in a Ray prefix, among what else a job prints."""
    lines = []
    for s in steps:
        metrics = f"actor/entropy:np.float64({1 / (s + 1) + seed!r}) - critic/score/mean:{s * 0.125!r}"
        lines.append(f"\x1b[36m(TaskRunner pid=7)\x1b[0m  {s}%|▏ | {s}/9\r step:{s} - {metrics} - 数学/acc@8:0.5\n")
    return "".join(lines).encode()


def plain(steps: Sequence[int], *, seed: float = 0.0) -> bytes:
    """A hand-written loop: every third row an evaluation too, one NaN."""
    rows = []
    for s in steps:
        row = {"step": s, "entropy": math.nan if s == 2 else 1 / (s + 1) + seed, "reward_mean": s / 8}
        rows.append(row | ({"val_score": 0.5} if s % 3 == 0 else {}))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def csv(steps: Sequence[int], *, seed: float = 0.0) -> bytes:
    head = b'step,entropy,reward_mean,"val score, greedy"\n'
    return head + b"".join(
        f"{s},{1 / (s + 1) + seed!r},{s / 8!r},{'0.5' if s % 3 == 0 else ''}\n".encode() for s in steps
    )


def trl_console(steps: Sequence[int], *, seed: float = 0.0) -> bytes:
    told = [{"loss": 0.1 + seed, "reward": s / 8, "entropy": 1 / (s + 1), "epoch": s / 100} for s in steps]
    return b"\r 10%|#\r" + b"".join(repr(row).encode() + b"\n" for row in told)


LINES: dict[str, Callable[..., bytes]] = {
    "verl.jsonl": jsonl,
    "train.log": console,
    "metrics.jsonl": plain,
    "progress.csv": csv,
    "trl.log": trl_console,
}


def collect(engine: sa.Engine, *paths: Path) -> Collector:
    """One pass, as `stepwell collect` makes it."""
    collector = Collector(engine, paths)
    for found, place in collector.pending():
        collector.read(found, place)
    return collector


def told(engine: sa.Engine, run_id: int | None = None) -> list[Point]:
    """Everything in the store (or of one run), every attempt, values exact to the last bit."""
    with reading(engine) as connection:
        ids = [run.id for run in all_runs(connection)] if run_id is None else [run_id]
        batches = points(connection, ids, history=True)
        rows = [row for batch in batches for row in batch.to_pylist()]
    return sorted((r["run"], r["attempt"], r["step"], r["metric"], float(r["value"]).hex()) for r in rows)


def live(engine: sa.Engine, metric: str) -> list[tuple[int, float]]:
    """(step, value) of the live line of one metric over all runs."""
    with reading(engine) as connection:
        batches = points(connection, [run.id for run in all_runs(connection)])
        return [(r["step"], r["value"]) for b in batches for r in b.to_pylist() if r["metric"] == metric]
