"""TensorBoard event files: `events.out.tfevents.1766306229.host.13809.0`.

One record is one event, and most events hold one number:

    wall_time: 1766306257.853168  step: 1  summary { value { tag: "train/loss"  simple_value: 0.0021 } }

Consecutive events of one step are gathered into one record as long as their tags are new to it. Several step
axes may be interleaved in one file (slime: train/step and rollout/step); steps are taken as they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from collectors import alike
from collectors.contract import Memory, Part, Sample, Unread
from collectors.events import decoded
from collectors.records import HEADER, Records, lengths_agree, records
from db.block import Block, Bools, Floats, Ints

NAME = "tensorboard"
WHOLE = False
RUN_PER_FILE = False
TRAINER = None

EVALUATIONS = ("eval/", "test/", "val/", "validation/")
SUMMARY = {
    "train_runtime", "train_loss", "total_flos", "train_samples",
    "train_samples_per_second", "train_steps_per_second",
}  # fmt: skip
CLOCKS = {"epoch", "num_input_tokens_seen"}
"""transformers repeats these with every evaluation and with the summary, at a step that has them already:
a second one at the same step says nothing new, and would look like a restart."""

LOWEST = -(2**63)


def recognises(sample: Sample) -> bool:
    """The first record must have a true length and say that it is an event file."""
    head = sample.head
    if len(head) <= HEADER or not lengths_agree(head, np.zeros(1, np.int64))[0]:
        return False
    size = int.from_bytes(head[:8], "little")
    return b"\x1a\x0dbrain.Event:" in head[HEADER : HEADER + size]


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    """Whole records only: a half one at the end waits for the rest of it. What is damaged is set aside."""
    if torn:
        return Part()
    found = records(data, memory)
    part = Part(used=found.used, unread=found.unread)
    tags = Tags()
    points = gathered(data, found, tags, part)
    row = rows_of(points, tags, memory)
    points, row = points.where(row >= 0), row[row >= 0]
    part.blocks = list(blocks(points, row, tags.names))
    count(points, tags.names, memory, part)
    return part


class Tags(dict[bytes, int]):
    """Tag as written -> its column; a tag that is met for the first time gets the next one."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.columns: dict[str, int] = {}

    def __missing__(self, raw: bytes) -> int:
        name = raw.decode("utf-8", "replace").replace("\0", "")
        column = self.columns.setdefault(name, len(self.names))
        if column == len(self.names):
            self.names.append(name)
        self[raw] = column
        return column


@dataclass(slots=True)
class Points:
    """n numbers in the order in which they were written: (n,) each."""

    steps: Ints
    walls: Floats
    tags: Ints
    values: Floats

    def where(self, chosen: Bools | slice) -> Points:
        return Points(self.steps[chosen], self.walls[chosen], self.tags[chosen], self.values[chosen])


def gathered(data: bytes, found: Records, tags: Tags, part: Part) -> Points:
    """Every number of these records. Events that are alike are decoded all at once, others one by one."""
    opened = alike.openings(data, found)
    columns, values = alike.numbers(data, opened, tags.__getitem__)
    known = columns != alike.UNKNOWN
    place = opened.which[known]
    points = Points(opened.steps[known], opened.walls[known], columns[known], values[known])
    others = np.setdiff1d(np.arange(len(found.starts)), place, assume_unique=True)
    if not len(others):
        return points
    theirs, rest = one_by_one(data, found, others, tags, part)
    order = np.argsort(np.concatenate([place, theirs]), kind="stable")
    return Points(
        np.concatenate([points.steps, rest.steps])[order],
        np.concatenate([points.walls, rest.walls])[order],
        np.concatenate([points.tags, rest.tags])[order],
        np.concatenate([points.values, rest.values])[order],
    )


def one_by_one(data: bytes, found: Records, which: Ints, tags: Tags, part: Part) -> tuple[Ints, Points]:
    """The record of each number in these records, and the numbers; the part gets settings and what is unread."""
    place: list[int] = []
    numbers: list[tuple[int, float, int, float]] = []
    starts = found.starts[which] + HEADER
    ends = starts + found.lengths[which]
    for i, start, end in zip(which.tolist(), starts.tolist(), ends.tolist(), strict=True):
        try:
            step, wall, said = decoded(data, start, end, part.config)
        except (ValueError, OverflowError) as error:
            part.unread.append(Unread(int(found.numbers[i]), f"not an event: {error}"))
            continue
        place += [i] * len(said)
        numbers += [(step, wall, tags[number.tag], number.value) for number in said]
    steps, walls, columns, values = zip(*numbers, strict=True) if numbers else ((), (), (), ())
    points = Points(
        np.array(steps, np.int64),
        np.array(walls, np.float64),
        np.array(columns, np.int64),
        np.array(values, np.float64),
    )
    return np.array(place, np.int64), points


def rows_of(points: Points, tags: Tags, memory: Memory) -> Ints:
    """The record to which each point belongs, counted from 0 and never falling; -1 for a repeated clock.

    memory: `step`, the last one, and `clocks`, those that it has already.
    """
    here = memory.get("step")
    seen = {tags[name.encode()] for name in memory.get("clocks", ())}
    clocks = [name.rsplit("/", 1)[-1] in CLOCKS for name in tags.names]
    rows: list[int] = []
    row, open_ = -1, False
    for step, tag in zip(points.steps.tolist(), points.tags.tolist(), strict=True):
        if step != here:
            here, seen, open_ = step, set(), False
        elif tag in seen:
            if clocks[tag]:
                rows.append(-1)
                continue
            seen, open_ = {other for other in seen if clocks[other]}, False
        if not open_:
            row, open_ = row + 1, True
        seen.add(tag)
        rows.append(row)
    memory["step"] = here
    memory["clocks"] = [tags.names[tag] for tag in sorted(seen) if clocks[tag]]
    return np.array(rows, np.int64)


def blocks(points: Points, row: Ints, names: Sequence[str]) -> Iterator[Block]:
    """The points as blocks; records that share few tags are halved until little of a block is empty."""
    if not len(row):
        return
    row = row - row[0]
    columns, tag = np.unique(points.tags, return_inverse=True)
    first = np.flatnonzero(np.diff(row, prepend=-1))
    cells = len(first) * len(columns)
    if cells > max(4096, 8 * len(row)) and len(first) > 1:
        half = int(first[len(first) // 2])
        yield from blocks(points.where(slice(half)), row[:half], names)
        yield from blocks(points.where(slice(half, None)), row[half:], names)
        return
    values = np.full((len(first), len(columns)), np.nan)
    present = np.zeros(values.shape, bool)
    values[row, tag] = points.values
    present[row, tag] = True
    yield Block(
        tuple(names[column] for column in columns),
        points.steps[first],
        points.walls[first],
        values,
        None if cells == len(row) else present,
    )


def is_training(name: str) -> bool:
    """Whether a tag makes its record a row: not an evaluation, a summary of the whole run or a clock."""
    return not name.startswith(EVALUATIONS) and name.rsplit("/", 1)[-1] not in SUMMARY | CLOCKS


def count(points: Points, names: Sequence[str], memory: Memory, part: Part) -> None:
    """Rows are distinct steps: one is new where it lies beyond all before it (several axes share one file).

    memory: `top`, the highest step that was counted.
    """
    training = np.array([is_training(name) for name in names], bool)[points.tags]
    steps = points.steps[training]
    if not len(steps):
        return
    top = memory.get("top", LOWEST)
    highest = np.maximum.accumulate(np.concatenate([[top], steps]))
    part.rows = int((highest[1:] > highest[:-1]).sum())
    part.first_step, part.last_step = int(steps[0]), int(steps[-1])
    memory["top"] = int(highest[-1])
