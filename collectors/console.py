r"""Console logs of several processes: what one of them said on a line, and records that take several lines.

\x1b[36m(Runner pid=4021)\x1b[0m Step 3
\x1b[36m(WorkerDict pid=4107)\x1b[0m Saving checkpoint ...
\x1b[36m(Runner pid=4021)\x1b[0m actor:
\x1b[36m(Runner pid=4021)\x1b[0m   entropy_loss: 0.31

A record that has not ended yet is left unused: the next piece brings it again, and more of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from collectors import prefixes
from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import NO_LOGS, Records, as_float, number, whole_lines

MOST_LINES = 2000  # after the opening of a record; one that has not ended by then has lost its end
MOST_REPORTED = 50  # names
LONGEST_MESSAGE = 1 << 14  # bytes; a longer line belongs to no record


class Next(Enum):
    """What a line of the same process is to the record that is open."""

    PART = "a part of it"
    LAST = "its last part"
    FOREIGN = "no part of it, but it may go on"
    OVER = "no part of it, and it is over"


@dataclass(slots=True)
class Entry:
    """A record of several lines.

    line: number of its first line.  begin: where that line stands in the text.  opened: what told it.
    lines: what its process said after that, as far as it belongs here.  ended: False where more may come.
    """

    line: int
    begin: int
    source: bytes
    opened: re.Match[bytes]
    lines: list[bytes] = field(default_factory=list)
    passed: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a record is told.

    opening: searched in what a process says; it begins a record and ends the one that is open.
    hint: what stands in every such line, to find it quickly.
    goes_on: what a line of the same process is to the open record.
    most: how many lines, of all processes, may come until it ends.
    """

    opening: re.Pattern[bytes]
    hint: re.Pattern[bytes]
    goes_on: Callable[[Entry, bytes], Next]
    most: int = MOST_LINES


def entries(text: bytes, first: int, grammar: Grammar) -> Iterator[Entry]:
    """The records of some lines, of which the first has number `first`. A line without its end is not looked at."""
    entry: Entry | None = None
    at, line = 0, first
    while True:
        if entry is None:
            found = grammar.hint.search(text, at)
            begin = text.rfind(b"\n", at, found.start()) + 1 if found else len(text)
            at, line = max(at, begin), line + text.count(b"\n", at, begin)
        end = text.find(b"\n", at)
        if end < 0:
            break
        source, said = prefixes.said(text[at:end]) if end - at <= LONGEST_MESSAGE else (b"", b"")
        opened = grammar.opening.search(said)
        if entry is not None and (opened or _is_over(entry, source, said, grammar)):
            entry.ended = True
            yield entry
            entry = None
        if opened:
            entry = Entry(line, at, source, opened)
        at, line = end + 1, line + 1
    if entry is not None:
        yield entry


def _is_over(entry: Entry, source: bytes, said: bytes, grammar: Grammar) -> bool:
    """Adds the line to the record if it belongs there."""
    entry.passed += 1
    verdict = grammar.goes_on(entry, said) if source == entry.source else Next.FOREIGN
    if verdict in (Next.PART, Next.LAST):
        entry.lines.append(said)
    return verdict in (Next.LAST, Next.OVER) or entry.passed >= grammar.most


def read_entries(
    data: bytes, memory: Memory, grammar: Grammar, take: Callable[[Entry, Memory, Records], None],
    is_row: Callable[..., bool], *, torn: bool,
) -> Part:  # fmt: skip
    """A reader's `read` for records of several lines; `take` adds what one of them says."""
    text, first, part = whole_lines(data, memory, torn=torn)
    records = Records(part, is_row)
    for entry in entries(text, first, grammar):
        if not entry.ended and not torn:
            part.used, memory["lines"] = len(data[: part.used]) - len(text) + entry.begin, entry.line - 1
            break
        take(entry, memory, records)
        if not entry.ended and text.rpartition(b"\n")[2].strip():
            part.unread.append(Unread(entry.line, "the record has no end yet: its last line was left out"))
    records.close()
    return part


def lines_with(text: bytes, first: int, hint: re.Pattern[bytes]) -> Iterator[tuple[int, re.Match[bytes], bool]]:
    """(number, the match in what the process said, whether its end is missing) of each line in which `hint` is found.

    hint: must not match across lines; its match begins where the line's own message does, or later.
    """
    at, line = 0, first
    while found := hint.search(text, at):
        begin = text.rfind(b"\n", at, found.start()) + 1 or at
        line += text.count(b"\n", at, begin)
        end = text.find(b"\n", begin)
        raw = text[begin : end if end >= 0 else len(text)]
        if again := hint.search(prefixes.said(raw)[1]):
            yield line, again, end < 0
        if end < 0:
            return
        at, line = end + 1, line + 1


def add_numbers(at: int, step: int, record: dict[str, Any], memory: Memory, records: Records) -> None:
    """Adds what is a number in a record; what is none is reported once per name. A None was not logged.

    memory["no_numbers"]: the names that have been reported.
    """
    values: dict[str, float] = {}
    told = memory.setdefault("no_numbers", [])
    for name, cell in record.items():
        value = number(cell) if isinstance(cell, str) else cell
        if isinstance(value, int | float):
            values[name] = as_float(value)
        elif cell is not None and name not in told and len(told) < MOST_REPORTED:
            told.append(name)
            records.part.unread.append(Unread(at, f"no number under {name[:60]!r}"))
    if values:
        records.add(at, list(values), step, np.array(list(values.values()), np.float64))


def could_hold(sample: Sample) -> bool:
    """Whether a sample may be a console log at all; a binary file or a JSON document may hold one as text."""
    head = sample.head
    return not (b"\0" in head[:16] or head.startswith((b":W&B", b'{"', b"[{")) or sample.path.suffix in NO_LOGS)
