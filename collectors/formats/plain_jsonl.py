"""One JSON object per step with any names, flat or nested: Tinker, prime-rl, ms-swift, EasyR1, loops written by hand.

{"step": 3, "loss": 0.21, "optim": {"lr": 4e-05}, "timestamp": 1760000000.5, "note": "text is left aside"}

A null means "not logged here", since such loops write a fixed set of columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from collectors.contract import Memory, Part, Sample, Unread
from collectors.documents.scores import columns
from collectors.lines import (
    BOM,
    Plan,
    Records,
    as_float,
    is_plain_row,
    number,
    numbered,
    place,
    whole_lines,
)
from collectors.rollout_files import kind_of

NAME = "plain-jsonl"
WHOLE = False
RUN_PER_FILE = False
TRAINER = None

DEEPEST = 8
CONFIGS = frozenset(["config", "_config", "hparams", "hyperparameters", "args"])
TEXTS = frozenset(  # the cells that rollouts and data sets are made of
    """input inputs input_prompt output outputs output_response prompt prompts messages content completion completions
    response responses trajectory traces token_ids prompt_tokens response_tokens conversations question answer solution
    chosen rejected text gts ground_truth tokens""".split()
)
LONG_TEXT = 400  # characters in one cell


def recognises(sample: Sample) -> bool:
    whole, newline, _ = sample.head.removeprefix(BOM).rpartition(b"\n")
    lines = [line for line in whole.split(b"\n")[:50] if line.strip()]
    if not newline or not lines or not lines[0].lstrip().startswith(b"{"):
        return False
    if len(lines) == 1 and sample.path.suffixes[:1] == [".json"]:
        return False  # a document that happens to stand on one line
    records = [record for line in lines if isinstance(record := loads(line), dict)]
    if not records or len(records) < 0.8 * len(lines) or any(_is_foreign(record) for record in records):
        return False
    if columns(list(records[0])) is not None:
        return False  # scores, which are no log
    return any(_measures(record) for record in records)


def _measures(record: dict[str, Any]) -> bool:
    """Whether a record is about numbers at a step; a service's log has some numbers beside its texts, too."""
    cells = dict(flattened(record))
    numeric = [name for name, cell in cells.items() if isinstance(cell, int | float)]
    texts = sum(isinstance(cell, str) for cell in cells.values())
    step_name = place(cells, {}).step_name
    return is_plain_row([name for name in numeric if name != step_name]) and (bool(step_name) or len(numeric) > texts)


def _is_foreign(record: dict[str, Any]) -> bool:
    """verl's own shape, a trainer's state, or a rollout: a record that is about texts and not about a step."""
    if "log_history" in record or (record.keys() <= {"step", "data"} and isinstance(record.get("data"), dict)):
        return True
    if kind_of(record):
        return True
    texts = [name for name, cell in record.items() if isinstance(cell, str | list) and name.lower() in TEXTS]
    long = any(isinstance(cell, str | list) and len(cell) > LONG_TEXT for cell in record.values())
    numbers = _numbers_in(record)
    return len(texts) > 1 or (bool(texts) and numbers < 8) or (long and numbers < 20)


def _numbers_in(record: dict[str, Any]) -> int:
    return sum(isinstance(cell, int | float) for _, cell in flattened(record))


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    text, first, part = whole_lines(data, memory, torn=torn)
    records = Records(part, is_plain_row)
    plan = Plan()
    for at, line, unfinished in numbered(text, first):
        record = loads(line)
        if record is None and unfinished:
            part.unread.append(Unread(at, "the line has no end yet: its last value was left out"))
            record = _loads_cut(line)
        elif not isinstance(record, dict):
            part.unread.append(Unread(at, "no JSON object"))
        if not isinstance(record, dict) or (
            list(record) == plan.columns and plan.add(at, list(record.values()), memory, records)
        ):
            continue
        plan = _carefully(at, record, memory, records)
    records.close()
    return part


def _carefully(at: int, record: dict[str, Any], memory: Memory, records: Records) -> Plan:
    """A record with text, nulls, nesting or new columns. -> how to read the next one, if it has the same columns."""
    for name in CONFIGS & record.keys():
        if isinstance(record[name], dict):
            records.part.config.update(record.pop(name))
    cells = {name: cell for name, cell in flattened(record) if cell is not None}
    where = place(cells, memory)
    taken = (where.step_name, where.wall_name)
    numbers = {
        name: value for name, cell in cells.items() if name not in taken and (value := _as_number(cell)) is not None
    }
    if numbers:
        records.add(at, list(numbers), where.step, np.array(list(numbers.values()), np.float64), where.wall)
    is_flat = bool(numbers) and not any(isinstance(cell, dict) for cell in record.values())
    return Plan(list(record), where, list(numbers)) if is_flat else Plan()


def flattened(record: dict[str, Any], before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(name, cell) with the names of nested objects joined by "/"; lists and what lies deeper than DEEPEST left out."""
    for name, cell in record.items():
        if isinstance(cell, dict):
            if depth < DEEPEST:
                yield from flattened(cell, f"{before}{name}/", depth + 1)
        elif not isinstance(cell, list) and name:
            yield before + name, cell


def _as_number(cell: Any) -> float | None:
    if isinstance(cell, str):
        return number(cell) if len(cell) < LONG_TEXT else None
    return as_float(cell)


def loads(line: bytes) -> Any:
    """The line as JSON, with bare NaN and Infinity allowed; None where it is none."""
    try:
        return orjson.loads(line)
    except ValueError:
        pass
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _loads_cut(line: bytes) -> Any:
    """What stands before the last comma of a line that was cut."""
    known = line.rpartition(b",")[0]
    return next((found for depth in range(1, 5) if (found := loads(known + b"}" * depth)) is not None), None)
