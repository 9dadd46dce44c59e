"""The command as a cron job meets it, start-up included, and what it costs to look at files in which nothing is new."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.measure import Line, at_most, of_process, sqlite_store, taking_turns
from benchmarks.workload import METRICS, jsonl_lines
from collectors.follow import Collector

TITLE = "The command: whole processes, and a pass in which nothing is new"
ROUNDS = 5
LIVE, STEPS = 20, 300  # runs, and the steps that each has before the first check
IDLE = 1_000  # files
NO_CRASH = (0, 1, 3)  # a made-up run may well set off an alarm
STEPWELL = str(Path(sys.executable).with_name("stepwell"))


def lines(folder: Path) -> Iterator[Line]:
    yield from _checks(folder)
    yield from _idle(folder)


def _checks(folder: Path) -> Iterator[Line]:
    """A line is added to every log before each check, as if a step had passed."""
    empty, store, compiled = folder / "empty.db", folder / "live.db", folder / "bytecode"
    logs = [folder / "logs" / f"run_{run}" / "train.jsonl" for run in range(LIVE)]
    text = [jsonl_lines(STEPS + ROUNDS, METRICS, run) for run in range(LIVE)]
    for log, told in zip(logs, text, strict=True):
        log.parent.mkdir(parents=True)
        log.write_bytes(b"".join(told[:STEPS]))
    start, check = (
        [STEPWELL, "check", "--store", str(empty)],
        [STEPWELL, "check", str(folder / "logs"), "--store", str(store)],
    )
    of_process(start, compiled)
    first = of_process(check, compiled, codes=NO_CRASH)
    starts, checks = [], []
    for turn in range(ROUNDS):
        for log, told in zip(logs, text, strict=True):
            with log.open("ab") as file:
                file.write(told[STEPS + turn])
        starts.append(of_process(start, compiled))
        checks.append(of_process(check, compiled, codes=NO_CRASH))
    yield _process("`stepwell check`, an empty store: start-up alone", starts)
    yield _process(f"`stepwell check` on {LIVE} live runs, one new step of 200 metrics in each", checks, 1.0)
    yield _process(f"the first check of those runs, {LIVE * STEPS * METRICS:,} points", [first])


def _process(what: str, times: list[tuple[float, float]], target: float | None = None) -> Line:
    wall, spent = (median(one) for one in zip(*times, strict=True))
    beside = f" CPU ({wall:.2f} s on the clock)"
    if target is None:
        return Line(what, f"{spent:.2f} s{beside}")
    return at_most(what, spent, target, "{:.2f} s", beside)


def _idle(folder: Path) -> Iterator[Line]:
    line = b"".join(jsonl_lines(3, 5))
    for run in range(IDLE):
        log = folder / "idle" / f"run_{run}" / "train.jsonl"
        log.parent.mkdir(parents=True)
        log.write_bytes(line)
    store = sqlite_store(folder)
    collector = Collector(store, [folder / "idle"])
    for found, place in collector.pending():
        collector.read(found, place)
    taken = taking_turns(
        ROUNDS, following=lambda: look(collector), first=lambda: look(Collector(store, collector.paths))
    )
    beside = f" (of a collector that has just been started: {1e3 * taken['first']:.0f})"
    yield at_most(
        f"a pass over {IDLE:,} files in which nothing is new", 1e3 * taken["following"], 100, "{:.0f} ms", beside
    )


def look(collector: Collector) -> None:
    if collector.pending():
        raise RuntimeError("something is new in a file that nobody touched")
