"""W&B's own file of a run, on disk whether online or offline: `wandb/run-20250302_100938-w4i7jexi/run-w4i7jexi.wandb`.

Each record is a protobuf message and holds one of these (or system figures, console text and more, passed over here):

    run { run_id: "w4i7jexi"  project: "sums"  display_name: "r"  config { update { key: "lr"  value_json: "1e-6" } } }
    history { item { nested_key: "actor/entropy"  value_json: "0.31" }  item { nested_key: "_step"  value_json: "12" } }

The step is `_step`, but for trainers that give W&B none (transformers and TRL, OpenRLHF): there it counts calls, and
`train/global_step` is the step. The items of a record come in any order. No history is a run that logged nothing.

Messages: github.com/wandb/wandb/blob/main/wandb/proto/wandb_internal.proto. The wandb library is not needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import nan
from typing import Any

import numpy as np

from collectors import leveldb_log
from collectors.contract import Memory, Part, Sample, Unread
from collectors.formats.plain_jsonl import flattened
from collectors.lines import LONGEST_NAME, Records, as_float, epoch_seconds, is_plain_row, number, step_of
from collectors.records import fields, signed

NAME = "wandb"
WHOLE = False
RUN_PER_FILE = True
TRAINER = None

HISTORY, CONFIG, RUN = 2, 5, 17  # fields of Record
ITEM, HISTORY_STEP = 1, 2  # of HistoryRecord; 1 is `update` of ConfigRecord
KEY, NESTED_KEY, VALUE = 1, 2, 16  # of HistoryItem and ConfigItem
VALUE_TAG = b"\x82\x01"  # field 16, bytes
RUN_ID, PROJECT, RUN_CONFIG, DISPLAY_NAME = 1, 3, 4, 8  # of RunRecord

OWN_STEPS = ("train/global_step", "eval/global_step", "trainer/global_step")
PRIVATE = "_wandb"
MOST_REMEMBERED = 200  # names

Field = tuple[int, int, int]
"""number, where its bytes begin, where they end"""


def recognises(sample: Sample) -> bool:
    """The magic, and a first record whose checksum is true (or that is not all here)."""
    head = sample.head
    if not head.startswith(leveldb_log.MAGIC + b"\xe1\xbe") or len(head) < leveldb_log.OPENING:
        return False
    fragments = leveldb_log.Fragments(head, 0, torn=False)
    fragments.used = leveldb_log.OPENING
    return len(head) == leveldb_log.OPENING or next(iter(fragments), None) is not None


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    part = Part()
    began = int(memory.get("at", 0))
    history = Records(part, is_plain_row)
    for at, body in leveldb_log.records(data, memory, part.unread, torn=torn):
        try:
            take(at, body, memory, history)
        except (ValueError, RecursionError):
            part.unread.append(Unread(at, "no message as W&B writes it"))
    history.close()
    part.used = memory["at"] - began
    return part


def take(at: int, body: bytes, memory: Memory, history: Records) -> None:
    """One record. Raises ValueError where its bytes are no message."""
    for field, here, end in messages(body, 0, len(body)):
        if field == HISTORY:
            take_history(at, body, here, end, memory, history)
        elif field == CONFIG:
            take_config(body, here, end, history.part.config)
        elif field == RUN:
            take_run(body, here, end, history.part)


def messages(data: bytes, here: int, end: int) -> Iterator[Field]:
    """The fields that hold bytes: texts and messages."""
    return ((field, value, stop) for field, wire, value, stop in fields(data, here, end) if wire == 2)


# --- the run -------------------------------------------------------------------------------------------------------


def take_run(body: bytes, here: int, end: int, part: Part) -> None:
    texts: dict[int, str] = {}
    for field, begin, stop in messages(body, here, end):
        if field == RUN_CONFIG:
            take_config(body, begin, stop, part.config)
        elif field in (RUN_ID, PROJECT, DISPLAY_NAME):
            texts[field] = body[begin:stop].decode("utf-8", "replace").replace("\0", "").strip()
    part.run = texts.get(DISPLAY_NAME) or texts.get(RUN_ID) or part.run
    part.project = texts.get(PROJECT) or part.project


def take_config(body: bytes, here: int, end: int, config: dict[str, Any]) -> None:
    for field, begin, stop in messages(body, here, end):
        path, cell = item(body, begin, stop) if field == ITEM else ([], b"")
        if path and path[0] != PRIVATE:
            inner = config
            for name in path[:-1]:
                below = inner.setdefault(name, {})
                inner = below if isinstance(below, dict) else {}
            inner[path[-1]] = json.loads(cell)


def item(body: bytes, here: int, end: int) -> tuple[list[str], bytes]:
    """(its name, as nested names; its value as JSON)"""
    if plain := plain_item(body[here:end]):
        return plain
    path: list[str] = []
    cell = b"null"
    for field, begin, stop in messages(body, here, end):
        if field == VALUE:
            cell = body[begin:stop]
        elif field in (KEY, NESTED_KEY):
            path.append(body[begin:stop].decode("utf-8", "replace"))
    return path, cell


def plain_item(data: bytes) -> tuple[list[str], bytes] | None:
    """The usual item, quickly: one name and one value, each shorter than 128 bytes."""
    if len(data) > 5 and data[0] in (KEY << 3 | 2, NESTED_KEY << 3 | 2):
        middle = 2 + data[1]
        length = int.from_bytes(data[middle + 2 : middle + 3])
        if data[middle : middle + 2] == VALUE_TAG and middle + 3 + length == len(data) <= 0x7F:
            return [data[2:middle].decode("utf-8", "replace")], data[middle + 3 :]
    return None


# --- history -------------------------------------------------------------------------------------------------------


def take_history(at: int, body: bytes, here: int, end: int, memory: Memory, history: Records) -> None:
    values: dict[str, float] = {}
    for field, wire, begin, stop in fields(body, here, end):
        if wire == 2 and field == ITEM:
            path, cell = item(body, begin, stop)
            add_numbers(values, "/".join(path), cell)
        elif wire == 2 and field == HISTORY_STEP:
            values.setdefault("_step", counted(body, begin, stop))
    step, values = placed(at, values, memory, history.part)
    wall = epoch_seconds(values.pop("_timestamp", None))
    if step is not None and values:
        names = sorted(values)
        history.add(at, names, step, np.array([values[name] for name in names]), nan if wall is None else wall)


def add_numbers(values: dict[str, float], name: str, cell: bytes) -> None:
    """What is a number under this name; text and media are left aside."""
    try:
        values[name] = float(cell)
    except ValueError:
        try:
            found = json.loads(cell)
        except ValueError:
            return
        cells = flattened(found, f"{name}/") if isinstance(found, dict) and "_type" not in found else [(name, found)]
        for key, one in cells:
            value = number(one) if isinstance(one, str) and len(one) < LONGEST_NAME else one
            if isinstance(value, int | float):
                values[key] = as_float(value)


def counted(body: bytes, here: int, end: int) -> float:
    """The number that a HistoryStep holds; protobuf leaves out a zero."""
    return next(
        (float(signed(value)) for field, wire, value, _ in fields(body, here, end) if field == 1 and not wire), 0.0
    )


def placed(at: int, values: dict[str, float], memory: Memory, part: Part) -> tuple[int | None, dict[str, float]]:
    """The step of a record, and its values without what said it.

    memory["own"]: the trainer's own step, once a record has carried it; a record without one belongs to it.
    ["told"]: names of such records at that step: TRL logs timings there again and again, but a file has no restarts.
    """
    counted_by_wandb = values.pop("_step", None)
    own = next((name for name in OWN_STEPS if name in values), None)
    if own is not None and (step := step_of(values[own])) is not None:
        if step != memory.get("own"):
            memory.update(own=step, told=[])
        return step, {name: value for name, value in values.items() if name != own}
    if "own" not in memory:
        step = step_of(counted_by_wandb)
        if step is None:
            part.unread.append(Unread(at, "a record without a step"))
        return step, values
    told = memory["told"]
    rest = {name: value for name, value in values.items() if name not in told}
    memory["told"] = (told + [name for name in rest if name not in ("_timestamp", "_runtime")])[:MOST_REMEMBERED]
    return int(memory["own"]), rest if rest.keys() - {"_timestamp", "_runtime"} else {}
