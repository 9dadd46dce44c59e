"""verl's `file` logger: one record per step, flat names below "data".

{"step": 12, "data": {"actor/entropy": 0.31, "critic/score/mean": 0.55, "actor/grad_norm": null}}

verl writes it with orjson (since 0.7.1), which turns NaN and infinities into null: a null is a non-finite value here.
Before, it was json.dumps, with a bare NaN. verl truncates the file at every start.
"""

from __future__ import annotations

import json
import re
from math import nan
from typing import Any

import numpy as np
import orjson

from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import Records, as_float, is_verl_row, number, numbered, step_of, whole_lines
from db.block import Floats

NAME = "verl-jsonl"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "verl"

OPENING = re.compile(rb'\s*\{\s*"step"\s*:\s*-?\d+\s*,\s*"data"\s*:\s*\{\s*(?:"[^"]{1,500}"\s*:\s*[-\dnNI]|\}\s*\})')
MOST_REPORTED = 50


def recognises(sample: Sample) -> bool:
    head = sample.head.removeprefix(b"\xef\xbb\xbf")
    return bool(OPENING.match(head))


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    text, first, part = whole_lines(data, memory, torn=torn)
    records = Records(part, is_verl_row)
    for at, line, unfinished in numbered(text, first):
        try:
            record = orjson.loads(line)
            step, values = record["step"], record["data"]
            row = np.array(list(values.values()), np.float64)  # None becomes NaN
            quick = type(step) is int and row.ndim == 1
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            quick = False
        if quick and -(1 << 62) < step < 1 << 62:
            records.add(at, list(values), step, row)
        else:
            _carefully(at, line, unfinished, memory, records)
    records.close()
    return part


def _carefully(at: int, line: bytes, unfinished: bool, memory: Memory, records: Records) -> None:
    """A line that is not all numbers: bare NaN, text among the values, a missing end, or no record at all.

    memory["no_numbers"]: the names whose text has been reported; each is, once.
    """
    unread = records.part.unread
    record = _loads(line)
    if record is None and unfinished:
        unread.append(Unread(at, "the line has no end yet: its last value was left out"))
        record = _loads(line.rpartition(b",")[0] + b"}}") or {"step": 0, "data": {}}
    if not isinstance(record, dict):
        unread.append(Unread(at, "no JSON object"))
        return
    step, data = step_of(record.get("step")), record.get("data")
    if step is None or not isinstance(data, dict):
        unread.append(Unread(at, 'not of the form {"step": …, "data": {…}}'))
        return
    numbers = {name: value for name, cell in data.items() if (value := _as_number(cell)) is not None}
    known = memory.setdefault("no_numbers", [])
    for name in [name for name in data if name not in numbers and name not in known][: MOST_REPORTED - len(known)]:
        known.append(name)
        unread.append(Unread(at, f"no number under {name[:60]!r}"))
    if numbers:
        records.add(at, list(numbers), step, _floats(numbers))


def _loads(line: bytes) -> Any:
    """The line as JSON, with bare NaN and Infinity allowed; None where it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _as_number(cell: Any) -> float | None:
    if cell is None:
        return nan
    if isinstance(cell, int | float):
        return as_float(cell)
    return number(cell) if isinstance(cell, str) else None


def _floats(numbers: dict[str, float]) -> Floats:
    return np.array(list(numbers.values()), np.float64)
