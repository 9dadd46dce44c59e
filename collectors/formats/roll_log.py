"""ROLL's logs of a rank (log_rank_DRIVER_0_1.log) and its console: JSON objects behind a long prefix.

[2026-08-19 10:02:11] [tracking.py (146)] [INFO] [DRIVER 0 / 1][PID 4021] metrics_tag: {"step": 3, "metrics": {...}}
[2026-08-19 10:02:11] [rlvr_pipeline.py (74)] [INFO] [DRIVER 0 / 1][PID 4021] {"system/global_step": 3, "actor/lr": 1}

The second line is written with any tracker, the first by the tracker `stdout`: where both stand, one is an echo of the
other. On resume the whole history is written once more (and the file emptied before): it makes an attempt that repeats
all that was. Names lose the reducer that is written behind them (actor/pg_loss@sum). Steps count from 0. The clock has
no zone, so it is left aside.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from collectors.console import add_numbers, could_hold, lines_with
from collectors.contract import Memory, Part, Sample, Unread
from collectors.formats.plain_jsonl import flattened, loads
from collectors.lines import Records, is_plain_row, step_of, whole_lines

NAME = "roll-log"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "roll"

LINE = re.compile(rb"(?:metrics_tag: |\[PID \d{1,9}\] )(\{\".*)")
REDUCER = re.compile(r"@(?:sum|mean|max|min)$")
STEP_NAMES = ("system/global_step", "system/step", "global_step", "step")
ITS_OWN = ("critic/", "actor/", "system/", "token/", "time/", "scheduler/", "group/", "val_correct/")


def recognises(sample: Sample) -> bool:
    if not could_hold(sample):
        return False
    found = (metrics(loads(line[1])) for _, line, _ in lines_with(sample.more, 1, LINE))
    return any(said and sum(name.startswith(ITS_OWN) for name in said.record) > 1 for said in found)


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    text, first, part = whole_lines(data, memory, torn=torn)
    records = Records(part, is_plain_row)
    for at, line, unfinished in lines_with(text, first, LINE):
        found = metrics(loads(line[1]))
        if found is not None:
            take(at, found, memory, records)
        elif unfinished or line[0].startswith(b"metrics_tag"):
            part.unread.append(Unread(at, "the line has no end" if unfinished else "no metrics as JSON"))
    records.close()
    return part


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says. tagged: it comes from the tracker.  step: as written."""

    tagged: bool
    step: Any
    record: dict[str, Any]


def metrics(message: Any) -> Said | None:
    """Either kind of object; None where it is no metrics at all."""
    if not isinstance(message, dict):
        return None
    tagged = message.keys() == {"step", "metrics"} and isinstance(message["metrics"], dict)
    record = {REDUCER.sub("", name): cell for name, cell in flattened(message["metrics"] if tagged else message)}
    if tagged:
        return Said(tagged, message["step"], record)
    step = next((record[name] for name in STEP_NAMES if name in record), None)
    return None if step is None else Said(tagged, step, record)


def take(at: int, said: Said, memory: Memory, records: Records) -> None:
    """memory["tracked"]: the last step that the tracker wrote.  ["said"]: the last record, to know its echo."""
    step = step_of(said.step)
    if step is None:
        records.part.unread.append(Unread(at, "metrics without a step"))
        return
    digest = hashlib.blake2b(repr((step, sorted(said.record.items()))).encode(), digest_size=12).hexdigest()
    if memory.get("said") == digest or (not said.tagged and memory.get("tracked") == step):
        return
    memory["said"] = digest
    if said.tagged:
        memory["tracked"] = step
    add_numbers(at, step, said.record, memory, records)
