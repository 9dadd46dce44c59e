"""AReaL's console: after each training step a table of four pairs of columns, `%.4e` throughout.

[AReaL] 20260521-10:02:11.123 StatsLogger INFO: Epoch 1/10 Step 3/58 Train step 3/580 done.
[AReaL] 20260521-10:02:11.124 StatsLogger INFO: Stats (1/1):
╒══════════════════════════════╤════════════╤══════════════════════════════╤════════════╕
│ ppo_actor/task_reward/avg    │ 4.3750e-01 │ ppo_actor/update/entropy/avg │ 3.1000e-01 │
╘══════════════════════════════╧════════════╧══════════════════════════════╧════════════╛

Printed steps count from 1 (in W&B and TensorBoard from 0 or 1, by version). Of n tables for one training step
each gets a step of its own, as AReaL gives them when it logs elsewhere. The clock has no zone, so it is left aside.
"""

from __future__ import annotations

import re

from collectors.console import Entry, Grammar, Next, add_numbers, could_hold, entries, read_entries
from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import Records, is_plain_row, step_of

NAME = "areal-console"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "areal"

MOST_LINES = 600  # of one table, and of what other processes print meanwhile
OPENING = re.compile(rb"Train step (?P<train>\d{1,18})/\d+ done|Stats \((?P<nth>\d{1,6})/(?P<of>\d{1,6})\):$")
BAR, CLOSING = "│".encode(), "╘".encode()
FRAME = ("╒".encode(), "├".encode(), "╞".encode())


def goes_on(entry: Entry, said: bytes) -> Next:
    if entry.opened["train"] is not None:
        return Next.OVER
    if said.startswith((BAR, *FRAME)):
        return Next.PART
    return Next.LAST if said.startswith(CLOSING) else Next.FOREIGN


GRAMMAR = Grammar(OPENING, re.compile(rb"Train step \d|Stats \(\d"), goes_on, MOST_LINES)


def recognises(sample: Sample) -> bool:
    """A table behind "Stats (1/1):", with the name of a metric in it."""
    tables = (pairs(entry) for entry in entries(sample.more, 1, GRAMMAR))
    return could_hold(sample) and any(len(table) > 1 and any("/" in name for name in table) for table in tables)


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    return read_entries(data, memory, GRAMMAR, take, is_plain_row, torn=torn)


def take(entry: Entry, memory: Memory, records: Records) -> None:
    """memory["train_step"]: the training step that the next tables belong to."""
    if entry.opened["train"] is not None:
        memory["train_step"] = int(entry.opened["train"])
        return
    values = pairs(entry)
    nth, of = int(entry.opened["nth"]), int(entry.opened["of"])
    step = step_of((int(memory["train_step"]) - 1) * of + nth) if "train_step" in memory else None
    if step is None:
        records.part.unread.append(Unread(entry.line, "a table before the first training step"))
    elif values:
        add_numbers(entry.line, step, values, memory, records)


def pairs(entry: Entry) -> dict[str, str]:
    """Name and value, as printed, of every pair of cells."""
    found: dict[str, str] = {}
    for line in entry.lines:
        if line.startswith(BAR):
            cells = [cell.strip() for cell in line.decode("utf-8", "replace").strip().strip("│").split("│")]
            found |= {name: value for name, value in zip(cells[::2], cells[1::2], strict=False) if name}
    return found
