"""One step of 200 metrics, as a trainer writes it: what it costs to notice, read and store it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.measure import Line, at_most, sqlite_store, written
from benchmarks.workload import METRICS, console_lines, jsonl_lines
from collectors.follow import Collector
from db.points import SEAL

TITLE = "A live step of 200 metrics: one line appended, one pass of the collector"
ROUNDS, FIRST = 7, 10  # rounds of as many steps as make a seal, so that each bears one; steps before them


class Clocked(Collector):
    """Also keeps the CPU seconds that passed within the store's transactions."""

    stored = 0.0

    def _store(self, *what: Any) -> Any:
        begin = time.process_time()
        place = super()._store(*what)
        self.stored += time.process_time() - begin
        return place


@dataclass
class Follower:
    """A log that grows and its collector. passes, stored: CPU seconds per step of each round; size: bytes written."""

    log: Path
    text: list[bytes]
    collector: Clocked
    passes: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)

    def round(self, first: int, count: int) -> None:
        spent, self.collector.stored, size = 0.0, 0.0, -sum(map(len, self.text[first : first + count]))
        before = written()
        for line in self.text[first : first + count]:
            with self.log.open("ab") as file:
                file.write(line)
            begin = time.process_time()
            for found, place in self.collector.pending():
                self.collector.read(found, place)
            spent += time.process_time() - begin
        self.passes.append(spent / count)
        self.stored.append(self.collector.stored / count)
        self.sizes.append((size + written() - before) / count)


def lines(folder: Path) -> Iterator[Line]:
    steps = FIRST + ROUNDS * SEAL
    jsonl = follower(folder / "jsonl" / "run", jsonl_lines(steps, METRICS))
    console = follower(folder / "console" / "run", console_lines(steps, METRICS))
    for start in range(FIRST, steps, SEAL):
        jsonl.round(start, SEAL)
        console.round(start, SEAL)
    for name, one in (("verl JSONL", jsonl), ("verl console", console)):
        inside = f" ({1e3 * median(one.stored):.2f} of it in the store's transaction)"
        yield at_most(f"{name}, CPU per step", 1e3 * median(one.passes), 0.6, "{:.2f} ms", inside)
        yield at_most(f"{name}, written per step", mean(one.sizes) / 1e3, 80, "{:.0f} kB")


def follower(folder: Path, text: list[bytes]) -> Follower:
    """The first steps are read already."""
    folder.mkdir(parents=True)
    log, collector = folder / "train.log", Clocked(sqlite_store(folder.parent.parent), [folder.parent])
    log.write_bytes(b"".join(text[:FIRST]))
    for found, place in collector.pending():
        collector.read(found, place)
    return Follower(log, text, collector)
