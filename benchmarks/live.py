"""One step of 200 metrics, as a trainer writes it: what it costs to notice, read and store it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Line, at_most, sqlite_store, written
from benchmarks.workload import METRICS, console_lines, jsonl_lines
from collectors.follow import Collector

TITLE = "A live step of 200 metrics: one line appended, one pass of the collector"
STEPS = 1_100  # more than four seals, which the mean must bear


class Clocked(Collector):
    """Also keeps the CPU seconds that passed within the store's transactions."""

    stored = 0.0

    def _store(self, *what: Any) -> Any:
        begin = time.process_time()
        place = super()._store(*what)
        self.stored += time.process_time() - begin
        return place


def lines(folder: Path) -> Iterator[Line]:
    for name, text in (("verl JSONL", jsonl_lines(STEPS, METRICS)), ("verl console", console_lines(STEPS, METRICS))):
        passes, stored, size = follow(folder, text)
        mean = sum(passes) / len(passes)
        beside = f" (median {1e3 * median(passes):.2f})"
        yield at_most(f"{name}, whole pass, mean", 1e3 * mean, 0.6, "{:.2f} ms", beside)
        yield Line(f"{name}, of that in the store's transaction", f"{1e3 * stored:.2f} ms")
        yield at_most(f"{name}, written per step", size / 1e3, 80, "{:.0f} kB")


def follow(folder: Path, text: list[bytes]) -> tuple[list[float], float, float]:
    """(CPU seconds of each pass, mean CPU seconds in the store, mean bytes written), past the first ten steps."""
    log = folder / f"{len(list(folder.iterdir()))}" / "run" / "train.log"
    log.parent.mkdir(parents=True)
    collector = Clocked(sqlite_store(folder), [log.parent.parent])
    passes: list[float] = []
    for i, line in enumerate(text):
        with log.open("ab") as file:
            file.write(line)
        if i == 10:
            passes, collector.stored, before = [], 0.0, written()
        begin = time.process_time()
        for found, place in collector.pending():
            collector.read(found, place)
        passes.append(time.process_time() - begin)
    size = (written() - before) / len(passes) - len(text[0])
    return passes, collector.stored / len(passes), size
