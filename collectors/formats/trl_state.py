"""transformers' trainer_state.json, as TRL and every other Trainer leaves it in each checkpoint.

{"global_step": 80, "log_history": [{"epoch": 0.02, "grad_norm": 0.63, "loss": 0.0021, "reward": -0.87, "step": 1}, ...
 {"epoch": 0.33, "eval_reward": -0.31, "eval_runtime": 402.5, "step": 20}, ...], "logging_steps": 1, "max_steps": 480}

An evaluation repeats the step and the epoch of the row before it; the epoch is left out there.
The last entry (train_runtime ...) sums up the whole run: it is kept in the config under "summary".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import BOM, Records, as_float, is_plain_row, number, place

NAME = "trl-state"
WHOLE = True
RUN_PER_FILE = False
TRAINER = "trl"

SETTINGS = ("eval_steps", "logging_steps", "max_steps", "num_train_epochs", "save_steps", "train_batch_size")
CLOCKS = frozenset({"epoch", "num_input_tokens_seen"})

SCALAR = rb'(?:"(?:[^"\\]|\\.)*+"|[-+.\w]++)'
OPENING = re.compile(rb'\s*+\{(?:\s*+"[^"\\]*+"\s*+:\s*+' + SCALAR + rb'\s*+,)*+\s*+"log_history"\s*+:\s*+\[\s*+[{\]]')
BETWEEN = re.compile(r"[\s,]*")


def recognises(sample: Sample) -> bool:
    """An object whose log_history is a list; only numbers and texts stand before it."""
    return bool(OPENING.match(sample.head.removeprefix(BOM)))


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    """The whole document; one that is not whole yet says nothing."""
    document = whole_document(data)
    if isinstance(document, Unread):
        return Part(unread=[document])
    history = document.get("log_history") if isinstance(document, dict) else None
    if not isinstance(history, list):
        return Part(used=len(data), unread=[Unread(1, "no log_history in this document")])
    part = read_history(history, data, data.find(b"[", data.find(b'"log_history"')))
    settings = {name: document.get(name) for name in SETTINGS}
    part.config |= {name: value for name, value in settings.items() if isinstance(value, int | float)}
    return part


def whole_document(data: bytes) -> Any:
    """The JSON document, with bare NaN and Infinity allowed; an Unread where it is none, or only half of one."""
    data = data.removeprefix(BOM)
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        return Unread(error.lineno, f"no whole JSON document: {error.msg}")
    except UnicodeDecodeError as error:
        return Unread(1 + data.count(b"\n", 0, error.start), "no UTF-8")
    except (ValueError, RecursionError) as error:
        return Unread(1, f"no JSON document that can be read: {error}"[:200])


def read_history(history: Sequence[object], data: bytes, opening: int) -> Part:
    """The records of a list that begins at data[opening]."""
    part = Part(used=len(data))
    odd: dict[int, str] = {}
    records = Records(part, is_plain_row)
    for step, wall, values in clocked_once(numbered(history, part, odd)):
        records.add(1, list(values), step, np.array(list(values.values()), np.float64), wall)
    records.close()
    if odd:
        lines = list(record_lines(data, opening))
        part.unread += [Unread(lines[i] if i < len(lines) else 1, why) for i, why in odd.items()]
    return part


def numbered(
    history: Sequence[object], part: Part, odd: dict[int, str]
) -> Iterator[tuple[int, float, dict[str, float]]]:
    """(step, wall time, numbers) of each record; `odd` gets the place and the reason of what is set aside."""
    memory: Memory = {}
    told: set[str] = set()
    for i, record in enumerate(history):
        if not isinstance(record, dict):
            odd[i] = "no object"
            continue
        if "train_runtime" in record:
            part.config["summary"] = numbers(record)[0]
            continue
        found = place(record, memory)
        rest = record.keys() - {found.step_name, found.wall_name}
        values, others = numbers({name: cell for name, cell in record.items() if name in rest})
        if others - told:
            odd[i] = f"no numbers: {', '.join(sorted(others - told))[:200]!r}"
            told |= others
        if values:
            yield found.step, found.wall, values


def numbers(record: dict[str, Any]) -> tuple[dict[str, float], set[str]]:
    """What is a number, as number or as text, and the names of what is none. A null is as good as absent."""
    values: dict[str, float] = {}
    others: set[str] = set()
    for name, cell in record.items():
        if isinstance(cell, int | float):
            values[name] = as_float(cell)
        elif isinstance(cell, str) and (value := number(cell)) is not None:
            values[name] = value
        elif cell is not None:
            others.add(name)
    return values, others


def clocked_once(
    records: Iterator[tuple[int, float, dict[str, float]]],
) -> Iterator[tuple[int, float, dict[str, float]]]:
    """The epoch need not be said twice at one step: it would look like a restart.

    Records stay apart although they share a step, so that a later save of the same history only adds to it.
    """
    here, said = None, set[str]()
    for step, wall, values in records:
        if step != here:
            here, said = step, set()
        rest = {name: value for name, value in values.items() if name not in said}
        if rest:
            yield step, wall, rest
        said |= CLOCKS & values.keys()


def record_lines(data: bytes, opening: int) -> Iterator[int]:
    """The line on which each entry of the JSON list at data[opening] begins."""
    text = data.decode("utf-8", "replace")
    here = len(data[: opening + 1].decode("utf-8", "replace"))
    line, counted = 1, 0
    decoder = json.JSONDecoder()
    while True:
        here = BETWEEN.match(text, here).end()  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, here), here
        try:
            _, here = decoder.raw_decode(text, here)
        except (ValueError, RecursionError):
            return
        yield line
