"""CPU time side by side: subjects take turns in one process, so that what else the machine does meets all of them."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import uuid4

import sqlalchemy as sa

from db.engine import engine_for, open_store

POSTGRES = os.environ.get("STEPWELL_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table. met: None where there is no target."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def at_least(what: str, value: float, target: float, form: str = "{:.0%}", beside: str = "") -> Line:
    return Line(what, form.format(value) + beside, f"≥ {form.format(target)}", value >= target)


def at_most(what: str, value: float, target: float, form: str = "{:.1f} ms", beside: str = "") -> Line:
    return Line(what, form.format(value) + beside, f"≤ {form.format(target)}", value <= target)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process, user and system."""
    gc.collect()
    begin = time.process_time()
    work()
    return time.process_time() - begin


def taking_turns(rounds: int, times: int = 1, **subjects: Callable[[], object]) -> dict[str, float]:
    """subject -> the median of its CPU seconds over the rounds; one turn before them warms caches and imports.

    times: calls in one turn, for work that is too short to be timed alone.
    """
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(rounds + 1):
        for name, work in subjects.items():
            seconds = cpu(lambda: [work() for _ in range(times)]) / times  # noqa: B023
            if turn:
                taken[name].append(seconds)
    return {name: median(seconds) for name, seconds in taken.items()}


def of_process(command: Sequence[str], bytecode: Path, *, codes: Sequence[int] = (0,)) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of a whole process, its start included. Raises RuntimeError for another exit code.

    bytecode: where Python keeps its compiled modules, which an installed program has beside it from its first start on.
    """
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**own, "PYTHONPYCACHEPREFIX": str(bytecode)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in codes:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-500:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def written() -> int:
    """Bytes that this process has handed to the kernel so far (Linux)."""
    counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counters["wchar"])


# --- stores --------------------------------------------------------------------------------------------------------


def sqlite_store(folder: Path) -> sa.Engine:
    """An empty store in a file of its own."""
    return open_store(str(folder / f"{uuid4().hex}.db"))


@contextmanager
def postgres_stores(count: int) -> Iterator[list[sa.Engine]]:
    """So many empty stores, each in a schema of its own, dropped at the end; none where no server answers."""
    admin, schemas = engine_for(POSTGRES), [f"stepwell_bench_{uuid4().hex}" for _ in range(count)]
    try:
        with admin.begin() as connection:
            for schema in schemas:
                connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
    except sa.exc.OperationalError:
        yield []
        return
    engines = [open_store(f"{POSTGRES}?options=-csearch_path%3D{schema}") for schema in schemas]
    try:
        yield engines
    finally:
        for engine in engines:
            engine.dispose()
        with admin.begin() as connection:
            for schema in schemas:
                connection.execute(sa.text(f"DROP SCHEMA {schema} CASCADE"))


def size_of(engine: sa.Engine) -> int:
    """Bytes on disk of an SQLite store."""
    engine.dispose()  # the last connection to close writes the log back into the file
    return Path(str(engine.url.database)).stat().st_size
