"""What the readers of line formats share: whole lines and their numbers, records into blocks, cells into numbers."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import inf, nan
from typing import Any, TypeVar

import numpy as np

from collectors.contract import Memory, Part, Unread
from db.block import Block, Floats

T = TypeVar("T")

LONGEST_LINE = 2 << 20  # bytes; a longer line is no metric line, and waiting for its end would fill the memory
LONGEST_NAME = 500  # characters; more is prose that was taken for a name
STEP_RANGE = 1 << 62
PADDING = b"\0 \r"  # NUL: a file system pads with it after a crash; a tab may be an empty cell
BOM = b"\xef\xbb\xbf"

NO_LOGS = frozenset([".py", ".md", ".rst", ".ipynb", ".sh", ".toml", ".yaml", ".yml", ".html", ".js", ".ts"])
"""Suffixes of files that quote log lines without being logs."""

NUMBER = re.compile(r"\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf(?:inity)?)\s*", re.ASCII | re.IGNORECASE)
WORDS = {"true": 1.0, "false": 0.0}
FRACTION = re.compile(r"\s*(-?\d{1,18})\s*(?:/\s*\d+\s*)?", re.ASCII)

STEP_NAMES = (
    "step",
    "global_step",
    "training/global_step",
    "train/global_step",
    "_step",
    "iteration",
    "iter",
    "update",
    "trainer/global_step",
    "progress/batch",
    "global_step/max_steps",  # ms-swift: "12/500"
    "current_steps",  # LLaMA-Factory's trainer_log.jsonl
)
TIME_NAMES = ("_timestamp", "timestamp", "wall_time", "time", "created_at")
EVALUATIONS = ("eval/", "eval_", "test/", "test_", "val/", "val_", "validation/", "validation_")
SUMMARIES = frozenset(
    """train_runtime train_samples_per_second train_steps_per_second train_tokens_per_second train_loss total_flos
    num_input_tokens_seen best_metric best_global_step memory""".split()
)


# --- lines ---------------------------------------------------------------------------------------------------------


def whole_lines(data: bytes, memory: Memory, *, torn: bool) -> tuple[bytes, int, Part]:
    """(the text to read now, the number of its first line, a Part whose `used` is set).

    The text ends with a newline, but for torn=True, where its last line may lack one. memory["lines"] counts the
    lines that are done. A line longer than LONGEST_LINE is skipped and reported.
    """
    done = int(memory.get("lines", 0))
    skipping = bool(memory.get("skipping", False))
    end = len(data) if torn else data.rfind(b"\n") + 1
    if not end and (skipping or len(data) >= LONGEST_LINE):
        memory["skipping"] = True
        why = [] if skipping else [Unread(done + 1, f"a line longer than {LONGEST_LINE >> 20} MiB")]
        return b"", done + 1, Part(used=len(data), unread=why)
    start = 0
    if skipping and end:
        start = data.find(b"\n") + 1 or end
        done += data.count(b"\n", 0, start)
        memory["skipping"] = start == end and data[end - 1 : end] != b"\n"
    text = data[start:end] if done else data[start:end].removeprefix(BOM)
    memory["lines"] = done + text.count(b"\n")
    return text, done + 1, Part(used=end)


def numbered(text: bytes, first: int) -> Iterator[tuple[int, bytes, bool]]:
    """(line number, the line without its end and its padding, whether its end is missing); no empty lines."""
    lines = text.split(b"\n")
    unfinished = first + len(lines) - 1
    for at, line in enumerate(lines, first):
        bare = line.strip(PADDING)
        if bare.startswith(BOM):
            bare = bare[len(BOM) :].strip(PADDING)
        if bare:
            yield at, bare, at == unfinished


# --- records -------------------------------------------------------------------------------------------------------


class Records:
    """Takes records in the order in which they were logged; each stretch of equal names becomes one block."""

    def __init__(self, part: Part, is_row: Callable[[Sequence[str]], bool]) -> None:
        self.part = part
        self.is_row = is_row
        self.names: list[str] = []
        self._line = 0
        self._steps: list[int] = []
        self._walls: list[float] = []
        self._values: list[Floats] = []

    def add(self, line: int, names: list[str], step: int, values: Floats, wall: float = nan) -> None:
        """names, values: (m,); the names are not copied. wall: seconds since the epoch."""
        if names != self.names:
            self.close()
            self.names, self._line = names, line
        self._steps.append(step)
        self._walls.append(wall)
        self._values.append(values)

    def close(self) -> None:
        """Ends the stretch. To be called once more after the last record."""
        if self._steps and self.names:
            self._count()
            names, columns = _storable(tuple(self.names))
            values = np.array(self._values, np.float64).reshape(len(self._steps), len(self.names))
            if len(columns) < len(self.names):
                values = values[:, columns]
                self.part.unread.append(Unread(self._line, "a name that is empty or far too long was left out"))
            axis = np.array(self._steps, np.int64)
            self.part.blocks.append(Block(names, axis, np.array(self._walls, np.float64), values))
        self._steps, self._walls, self._values = [], [], []

    def _count(self) -> None:
        if not self.is_row(self.names):
            return
        part = self.part
        part.rows += len(self._steps)
        part.first_step = self._steps[0] if part.first_step is None else part.first_step
        part.last_step = self._steps[-1]


@lru_cache(64)  # a live log comes line by line, with the same names again and again
def _storable(names: tuple[str, ...]) -> tuple[tuple[str, ...], list[int]]:
    """The names as a database takes them (no lone surrogates, no NUL), and the columns they stand for."""
    column: dict[str, int] = {}
    for i, name in enumerate(names):
        plain = name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
        if 0 < len(plain) <= LONGEST_NAME:
            column[plain] = i
    return tuple(column), list(column.values())


def evaluation_only(names: Iterable[str], prefixes: tuple[str, ...]) -> bool:
    return all(name.startswith(prefixes) for name in names)


def is_verl_row(names: Sequence[str]) -> bool:
    """Whether a verl record is a row. val/ and test_score/ (verl <= 0.3) alone are none; a record of val-core/ and
    val-aux/ alone counts, because that is how the reference readings of real verl logs count step 0."""
    return not evaluation_only(names, ("val/", "val_", "test_score/", "test/", "eval/"))


def is_plain_row(names: Sequence[str]) -> bool:
    """Whether a record of a plain JSONL or CSV holds more than evaluations, a summary and its position."""
    return any(not (_is_bookkeeping(name) or name in SUMMARIES or name.startswith(EVALUATIONS)) for name in names)


def _is_bookkeeping(name: str) -> bool:
    key = canonical(name)
    return key in STEP_NAMES or key in TIME_NAMES or key in ("epoch", "_runtime") or key.startswith("progress/")


# --- cells ---------------------------------------------------------------------------------------------------------


def number(text: str) -> float | None:
    """The number that a text says, else None: decimals, nan, inf, Infinity, True, False in any case."""
    if NUMBER.fullmatch(text):
        return float(text)
    return WORDS.get(text.strip().lower())


def as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def step_of(value: Any) -> int | None:
    """An integer step from 12, 12.0, "12" or "12/500"; None where it is no integer that fits."""
    if isinstance(value, str):
        found = FRACTION.fullmatch(value)
        value = int(found[1]) if found else number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -STEP_RANGE < value < STEP_RANGE:
        return None
    return int(value) if value == int(value) else None


def epoch_seconds(value: Any) -> float | None:
    """Seconds since the epoch from seconds, milliseconds or ISO 8601; None where that is not plausible."""
    if isinstance(value, str):
        value = number(value) if NUMBER.fullmatch(value) else _iso_seconds(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if 1e9 <= value <= 4e9:
        return float(value)
    return value / 1e3 if 1e12 <= value <= 4e12 else None


def _iso_seconds(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


# --- positions of plain records ------------------------------------------------------------------------------------


@lru_cache(1 << 14)
def canonical(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands, and the columns that said so ("" where none did)."""

    step: int
    wall: float
    step_name: str
    wall_name: str


def place(record: Mapping[str, Any], memory: Memory) -> Place:
    """A record without a step is counted from 1, unless the file has had steps: then it belongs to the last one.

    memory["step"], memory["rows"]: the last step that a record carried, the rows that were counted.
    """
    step_name, step = _first(STEP_NAMES, record, step_of)
    rest = {name: cell for name, cell in record.items() if name != step_name}
    wall_name, wall = _first(TIME_NAMES, rest, epoch_seconds)
    if step is not None:
        memory["step"] = step
    elif "step" in memory:
        step = int(memory["step"])
    else:
        memory["rows"] = int(memory.get("rows", 0)) + int(is_plain_row(list(rest)))
        step = max(int(memory["rows"]), 1)
    return Place(step, nan if wall is None else wall, step_name, wall_name)


def _first(
    wanted: tuple[str, ...], record: Mapping[str, Any], meaning: Callable[[Any], T | None]
) -> tuple[str, T | None]:
    """The most wanted name whose cell has the meaning, and that meaning."""
    known: dict[str, str] = {}
    for name in record:
        known.setdefault(canonical(name), name)
    for key in wanted:
        if key in known and (found := meaning(record[known[key]])) is not None:
            return known[key], found
    return "", None


class Plan:
    """What was found out about the columns of one record, for those after it that have the same columns.

    names: the columns that held numbers, in their order; the others held text, nothing, or said the place.
    """

    def __init__(self, columns: Sequence[str] = (), where: Place | None = None, names: Sequence[str] = ()) -> None:
        self.columns = list(columns)
        position = {name: i for i, name in enumerate(self.columns) if name}
        self._step = position.pop(where.step_name, None) if where else None
        self._wall = position.pop(where.wall_name, None) if where else None
        self._names = list(names)
        self._kept = [position.pop(name) for name in names]
        self._left = list(position.values())

    def add(self, line: int, cells: list[Any], memory: Memory, records: Records) -> bool:
        """Adds a record. False, and nothing done, where one of its cells needs a closer look."""
        step = None if self._step is None else step_of(cells[self._step])
        wall = nan if self._wall is None else epoch_seconds(cells[self._wall])
        if step is None or wall is None or any(_may_be_a_number(cells[i]) for i in self._left):
            return False
        try:
            values = array("d", [cells[i] for i in self._kept])  # stricter than numpy: neither None nor text
        except (TypeError, OverflowError):
            return False
        memory["step"] = step
        records.add(line, self._names, step, np.array(values), wall)
        return True


def _may_be_a_number(cell: Any) -> bool:
    return number(cell) is not None if isinstance(cell, str) else not (cell is None or isinstance(cell, list))
