"""What a verdict costs: a run from scratch, a new row of a live run, and a store of a thousand runs."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from analyses import synthetic
from analyses.contract import Context, Rows
from analyses.judge import judge, quantities
from analyses.planted import restless
from benchmarks.command import NO_CRASH, STEPWELL
from benchmarks.measure import Line, at_most, cpu, of_process
from benchmarks.workload import METRICS, jsonl_lines

TITLE = "Verdicts: every detector over a run, and a check of a store of 1,000 runs"
STEPS, COLUMNS, ROUNDS = 5_000, 60, 5
ROWS, SAMPLE, MANY = 200, 40, 1_000
LIVE, LIVE_STEPS, OLD_STEPS = 50, 100, 20
LAST_WEEK = 7 * 86_400.0


def lines(folder: Path) -> Iterator[Line]:
    whole, short = wide(STEPS), wide(1_000)
    scratch = median(cpu(lambda: judge({}, whole, Context())) for _ in range(ROUNDS))
    yield at_most(f"all detectors over {STEPS:,} steps x {COLUMNS} metrics, from scratch", scratch, 1.5, "{:.2f} s")
    yield at_most("a new row of a live run for all of them, from the stored state", 1e3 * row(whole), 5.0, "{:.1f} ms")
    each = cpu(lambda: [judge({}, short, Context()) for _ in range(SAMPLE)]) / SAMPLE
    what = f"{MANY:,} runs of 1,000 steps, from scratch ({SAMPLE} of them measured)"
    yield at_most(what, each * MANY / 60, 5.0, "{:.1f} min")
    yield from _thousand(folder)


def wide(steps: int) -> Rows:
    """A restless run in which every quantity that a detector reads is logged, and no other: the most there is to do."""
    base = restless(steps, seed=1)
    rng = np.random.default_rng(2)
    others = sorted(quantities() - base.columns.keys() - {"context_limit", "val_n", "val_k"})[: COLUMNS - 10]
    made = {name: synthetic.noisy(np.full(steps, 0.2), 0.1, int(rng.integers(1 << 30))) for name in others}
    return synthetic.changed(base, **made)


def row(rows: Rows) -> float:
    """CPU seconds of one new row, its state read from and written to JSON not counted."""
    start = len(rows) - ROWS
    state, _ = judge({}, rows.part(0, start), Context())
    held = [json.loads(json.dumps(state))]

    def walk() -> None:
        for i in range(start, len(rows)):
            held[0], _ = judge(held[0], rows.part(i, i + 1), Context())

    return cpu(walk) / ROWS


def _thousand(folder: Path) -> Iterator[Line]:
    """A line is added to every live log before each check."""
    logs = [folder / "many" / f"run_{run:04d}" / "train.jsonl" for run in range(MANY)]
    text = [jsonl_lines(LIVE_STEPS + ROUNDS, METRICS, run) for run in range(LIVE)]
    over = b"".join(jsonl_lines(OLD_STEPS, 20))
    for run, log in enumerate(logs):
        log.parent.mkdir(parents=True)
        log.write_bytes(b"".join(text[run][:LIVE_STEPS]) if run < LIVE else over)
        if run >= LIVE:
            then = log.stat().st_mtime - LAST_WEEK
            os.utime(log, (then, then))
    check = [STEPWELL, "check", str(folder / "many"), "--store", str(folder / "many.db")]
    of_process(check, folder / "bytecode", codes=NO_CRASH)
    taken = []
    for turn in range(ROUNDS):
        for run in range(LIVE):
            with logs[run].open("ab") as file:
                file.write(text[run][LIVE_STEPS + turn])
        taken.append(of_process(check, folder / "bytecode", codes=NO_CRASH))
    wall, spent = (median(one) for one in zip(*taken, strict=True))
    what = f"`stepwell check` on {MANY:,} runs of which {LIVE} are live, a new step of {METRICS} metrics in each"
    yield at_most(what, spent, 3.0, "{:.2f} s", f" CPU ({wall:.2f} s on the clock)")
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    yield at_most("the most memory that a process of it held", peak / 1e6, 300, "{:.0f} MB")
