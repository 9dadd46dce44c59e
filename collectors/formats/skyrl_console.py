"""SkyRL's console: a pretty-printed dict per step, every float as a text of four decimals (so that rates read 0.0000).

(skyrl_entrypoint pid=4021) 2026-08-21 10:02:11.123 | INFO     | skyrl.train.utils.tracking:log:176 - Step 3:
(skyrl_entrypoint pid=4021) {'generate/avg_num_tokens': '512.2500',
(skyrl_entrypoint pid=4021)  'policy/policy_lr': '0.0000',
(skyrl_entrypoint pid=4021)  'trainer/global_step': 3}

The clock has no zone, so it is left aside.
"""

from __future__ import annotations

import re

from collectors.console import Entry, Grammar, Next, add_numbers, could_hold, entries, read_entries
from collectors.contract import Memory, Part, Sample, Unread
from collectors.formats.plain_jsonl import flattened
from collectors.lines import Records, is_plain_row, step_of
from collectors.printed_dict import printed_dict

NAME = "skyrl-console"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "skyrl"

OPENING = re.compile(rb"(?:^|\s)Step (\d{1,18}): ?$")


def goes_on(entry: Entry, said: bytes) -> Next:
    """The dict begins on the next line and ends where its brackets do."""
    if not entry.lines and not said.startswith(b"{"):
        return Next.OVER
    if entry.lines and not said.startswith(b" "):
        return Next.FOREIGN
    depth = sum(line.count(b"{") - line.count(b"}") for line in [*entry.lines, said])
    return Next.PART if depth > 0 else Next.LAST


GRAMMAR = Grammar(OPENING, re.compile(rb"Step \d+:"), goes_on)


def recognises(sample: Sample) -> bool:
    """A dict behind "Step n:" whose names are SkyRL's: all of the form group/name, and some numbers as texts."""
    return could_hold(sample) and any(_is_own(entry) for entry in entries(sample.more, 1, GRAMMAR))


def _is_own(entry: Entry) -> bool:
    record = printed_dict(b" ".join(entry.lines), 1, cut=not entry.ended)[0] if entry.lines else {}
    return any(isinstance(cell, str) for cell in record.values()) and all("/" in name for name in record)


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    return read_entries(data, memory, GRAMMAR, take, is_plain_row, torn=torn)


def take(entry: Entry, memory: Memory, records: Records) -> None:
    step = step_of(int(entry.opened[1]))
    text = b" ".join(entry.lines)
    whole = text.count(b"{") == text.count(b"}")
    record, unread = printed_dict(text, entry.line, cut=not whole) if text else ({}, None)
    records.part.unread += [unread] if unread else []
    if not text and entry.ended:
        records.part.unread.append(Unread(entry.line, "a step without its dict"))
    if step is not None:
        add_numbers(entry.line, step, dict(flattened(record)), memory, records)
