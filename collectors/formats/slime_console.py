"""slime's console: Python dicts per rollout, from several processes; several of them belong to one rollout.

[2026-08-21 10:02:11] rollout.py:512 - rollout 3: {'rollout/response_len/mean': 812.5, 'rollout/truncated_ratio': 0.1}
[2026-08-21 10:02:12] rollout.py:530 - perf 3: {'perf/rollout_time': 61.2}
[2026-08-21 10:02:40] rollout.py:498 - eval 3: {'eval/aime': 0.31}

Rollouts count from 0. The losses of optimiser steps are not printed. The clock has no zone, so it is left aside.
"""

from __future__ import annotations

import re

from collectors.console import add_numbers, could_hold, lines_with
from collectors.contract import Memory, Part, Sample
from collectors.lines import Records, is_plain_row, step_of, whole_lines
from collectors.printed_dict import printed_dict

NAME = "slime-console"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "slime"

LINE = re.compile(rb"- (?:rollout|perf|eval|multi_turn|passrate|train|step) (\d{1,18}): (\{.*)")
ITS_OWN = ("rollout/", "perf/", "eval/", "multi_turn/", "passrate/", "train/")


def recognises(sample: Sample) -> bool:
    if not could_hold(sample):
        return False
    found = (printed_dict(line[2], 1, cut=unfinished)[0] for _, line, unfinished in lines_with(sample.more, 1, LINE))
    return any(record and all(name.startswith(ITS_OWN) for name in record) for record in found)


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    text, first, part = whole_lines(data, memory, torn=torn)
    records = Records(part, is_plain_row)
    for at, line, unfinished in lines_with(text, first, LINE):
        record, unread = printed_dict(line[2], at, cut=unfinished)
        part.unread += [unread] if unread else []
        step = step_of(int(line[1]))
        if step is not None:
            add_numbers(at, step, record, memory, records)
    records.close()
    return part
