"""A JSON list of flat rows of numbers, as scripts dump a Trainer's log_history (step_logs.json).

[{"loss": 0.047, "grad_norm": 0.02, "reward": 0.125, "epoch": 0.0027, "step": 5}, {"loss": 0.058, ...}, ...]
"""

from __future__ import annotations

import json
import re

from collectors.contract import Memory, Part, Sample, Unread
from collectors.formats.trl_state import BETWEEN, numbers, read_history, whole_document
from collectors.lines import BOM, is_plain_row, place

NAME = "json-rows"
WHOLE = True
RUN_PER_FILE = False
TRAINER = None

OPENING = re.compile(rb"\s*\[\s*\{")
ROWS_TO_SEE = 3


def recognises(sample: Sample) -> bool:
    """The first entries must be flat, all numbers, and carry a step and a metric: no rollouts, no data sets."""
    head = sample.head.removeprefix(BOM)
    return bool(OPENING.match(head)) and all_rows(first_entries(head))


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    """The whole document; one that is not whole yet says nothing."""
    history = whole_document(data)
    if isinstance(history, Unread):
        return Part(unread=[history])
    if not isinstance(history, list):
        return Part(used=len(data), unread=[Unread(1, "no list of rows")])
    return read_history(history, data, data.find(b"["))


def first_entries(head: bytes) -> list[object]:
    """The entries that stand as a whole in the first bytes, a few of them."""
    text = head.decode("utf-8", "replace")
    here = text.find("[") + 1
    entries: list[object] = []
    while len(entries) < ROWS_TO_SEE:
        here = BETWEEN.match(text, here).end()  # type: ignore[union-attr]
        try:
            entry, here = json.JSONDecoder().raw_decode(text, here)
        except (ValueError, RecursionError):
            break
        entries.append(entry)
    return entries


def all_rows(entries: list[object]) -> bool:
    return bool(entries) and all(isinstance(entry, dict) and is_row(entry) for entry in entries)


def is_row(entry: dict[str, object]) -> bool:
    """Whether an entry could be a logged record; the first may be an evaluation, so any number will do."""
    found = place(entry, {})
    values, others = numbers({name: cell for name, cell in entry.items() if name != found.wall_name})
    return not others and bool(found.step_name) and (is_plain_row(list(values)) or len(values) > 2)
