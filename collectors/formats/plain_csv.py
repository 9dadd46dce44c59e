"""A table of numbers with a line of names above it, as hand-written loops, Lightning and W&B's export write them.

step,loss,reward/mean,note
1,0.52,-0.10,warm-up
2,0.47,,

An empty cell was not logged; columns of text are left aside. A second line of names (a restart) takes over.
"""

from __future__ import annotations

import csv
import re
from typing import Any

import numpy as np

from collectors.contract import Memory, Part, Sample, Unread
from collectors.documents.scores import columns
from collectors.lines import (
    BOM,
    STEP_NAMES,
    Plan,
    Records,
    canonical,
    is_plain_row,
    number,
    numbered,
    place,
    whole_lines,
)

NAME = "plain-csv"
WHOLE = False
RUN_PER_FILE = False
TRAINER = None

SEPARATORS = ",;\t"
QUOTED = re.compile(r'"[^"]*"')
ABSENT = frozenset(["", "null", "none", "na", "n/a", "-"])
LONGEST_WORDING = 8  # words in a column's name; more is prose
LONG_TEXT = 400  # characters in a cell


def recognises(sample: Sample) -> bool:
    whole, newline, _ = sample.head.removeprefix(BOM).rpartition(b"\n")
    lines = [line.decode("utf-8", "replace").strip("\r\f\v ") for line in whole.split(b"\n")[:40]]
    lines = [line for line in lines if line.strip()]
    if not newline or len(lines) < 2 or "\0" in lines[0] or lines[0].lstrip().startswith(("{", "[")):
        return False
    separator = _separator(lines[0])
    names = _cells(lines[0], separator)
    if not _are_names(names) or columns(names) is not None:
        return False
    rows = [_cells(line, separator) for line in lines[1:]]
    return _is_table(names, [row for row in rows if row != names], len(rows))


def _is_table(names: list[str], rows: list[list[str]], lines: int) -> bool:
    """Whether the rows are as wide as the names, without long texts, and numbers where a metrics file has them."""
    fitting = [row for row in rows if len(row) == len(names)]
    if not fitting or len(fitting) < 0.8 * lines or any(len(cell) > LONG_TEXT for row in fitting for cell in row):
        return False
    columns = [[cell for cell in column if not _is_absent(cell)] for column in zip(*fitting, strict=True)]
    filled = [column for column in columns if column]
    numeric = sum(all(number(cell) is not None for cell in column) for column in filled)
    has_step = any(canonical(name) in STEP_NAMES for name in names)
    return numeric > 0 and (numeric > len(filled) / 2 if has_step else numeric == len(filled))


def _separator(line: str) -> str:
    return max(SEPARATORS, key=QUOTED.sub("", line).count)


def _cells(line: str, separator: str) -> list[str]:
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _are_names(cells: list[str]) -> bool:
    """Whether a line reads as names of columns; pandas leaves the name of its index empty."""
    return (
        len(cells) > 1
        and all(cells[1:])
        and all(number(cell) is None and len(cell.split()) <= LONGEST_WORDING for cell in cells)
    )


def _is_absent(cell: str) -> bool:
    return cell.lower() in ABSENT


def _all_numbers(cells: list[str]) -> list[float]:
    """The usual case, quickly; empty where a cell is no number."""
    try:
        return list(map(float, cells))
    except ValueError:
        return []


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    text, first, part = whole_lines(data, memory, torn=torn)
    table = Table(memory, part)
    for at, raw, unfinished in numbered(text, first):
        table.take(at, raw.decode("utf-8", "replace"), unfinished)
    table.close()
    return part


class Table:
    """The rows under one line of names.

    memory["names"], ["separator"]: that line ("" for a column without a name of its own).
    memory["numeric"]: the columns that have held a number: text in one of them is reported, elsewhere it is a note.
    """

    def __init__(self, memory: Memory, part: Part) -> None:
        self.memory, self.part = memory, part
        self.names: list[str] = memory.get("names", [])
        self.separator: str = memory.get("separator", ",")
        self.numeric: set[str] = set(memory.get("numeric", []))
        self.records = Records(part, is_plain_row)
        self.plan = Plan()

    def close(self) -> None:
        self.memory.update(names=self.names, separator=self.separator, numeric=sorted(self.numeric))
        self.records.close()

    def take(self, at: int, line: str, unfinished: bool) -> None:
        cells = _cells(line, self.separator if self.names else _separator(line))
        if self._is_heading(cells) or not self.names:
            self._head(at, line, cells, unfinished)
            return
        if unfinished:
            self._leave_out(at, f"the line has no end yet: {cells[-1:]} was left out")
            cells = (cells[:-1] + [""] * len(self.names))[: len(self.names)]
        elif len(cells) != len(self.names):
            cells = self._fitted(at, cells)
        if cells:
            self._row(at, cells, "_" in line)  # float() reads 1_000, which is more likely a name

    def _is_heading(self, cells: list[str]) -> bool:
        """Names again, as a restart writes them: among them one that was there before."""
        return bool(set(cells) & set(self.names) - {""}) and _are_names(cells)

    def _head(self, at: int, line: str, cells: list[str], unfinished: bool) -> None:
        if unfinished or not _are_names(cells):
            self._leave_out(at, "a line before the names of the columns")
            return
        if len(set(cells)) < len(cells):
            self._leave_out(at, "a column's name stands twice: the first one is read")
        if not self.names:
            self.separator = _separator(line)
        self.names = [name if name not in cells[:i] else "" for i, name in enumerate(cells)]

    def _fitted(self, at: int, cells: list[str]) -> list[str]:
        if len(cells) == len(self.names) + 1 and not cells[-1]:
            return cells[:-1]
        self._leave_out(at, f"{len(cells)} cells under {len(self.names)} names")
        return []

    def _row(self, at: int, cells: list[str], odd: bool) -> None:
        numbers = [] if odd else _all_numbers(cells)
        if numbers and self.names == self.plan.columns and self.plan.add(at, numbers, self.memory, self.records):
            return
        record = self._mixed(cells)
        where = place(record, self.memory)
        for name in (where.step_name, where.wall_name):
            record.pop(name, None)
        for name in [name for name, cell in record.items() if isinstance(cell, str)]:
            if name in self.numeric:
                self._leave_out(at, f"no number under {name!r}: {record[name][:40]!r}")
            del record[name]
        self.numeric.update(record)
        self.plan = Plan(self.names, where, list(record)) if numbers else Plan()
        if record:
            row = np.array(list(record.values()), np.float64)
            self.records.add(at, list(record), where.step, row, where.wall)

    def _mixed(self, cells: list[str]) -> dict[str, Any]:
        """Numbers where the cells are numbers, else their text; absent cells and unnamed columns left out."""
        filled = [(n, c) for n, c in zip(self.names, cells, strict=True) if n and not _is_absent(c)]
        return {name: cell if (value := number(cell)) is None else value for name, cell in filled}

    def _leave_out(self, at: int, why: str) -> None:
        self.part.unread.append(Unread(at, why))
