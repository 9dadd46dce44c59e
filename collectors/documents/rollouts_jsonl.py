"""Responses as verl dumps them (`trainer.rollout_data_dir`), one per line, and other trainers' files like it.

{"input": "F3G4=", "output": "F33G42#2", "gts": "2", "score": 1.0, "step": 3}

Kept are length, outcome and prompt's number of each, not the texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, parsed
from collectors.documents.rollouts import Row, read_rows
from collectors.rollout_files import kind_of

NAME = "rollouts"
KIND = "rollouts"
KINDS = frozenset(["verl rollouts", "completions", "open-instruct rollouts"])


def recognises(sample: Sample) -> bool:
    """By the keys of the first line."""
    first = sample.more.lstrip().partition(b"\n")[0]
    if not first.startswith(b"{"):
        return False
    try:
        record = parsed(first)
    except Broken:
        return False
    return isinstance(record, dict) and kind_of(record) in KINDS


def read(path: Path, data: bytes) -> Document:
    """A last line that is cut is read when it is whole."""
    unread: list[Unread] = []
    document = read_rows(_rows(data, unread), unread)
    document.torn = not data.endswith(b"\n") and any(one.line == data.count(b"\n") + 1 for one in unread)
    return document


def _rows(data: bytes, unread: list[Unread]) -> Iterator[tuple[int, Row]]:
    for line, raw in enumerate(data.split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            row = parsed(raw)
        except Broken as error:
            unread.append(Unread(line, f"no JSON: {error}"))
            continue
        if isinstance(row, dict):
            yield line, row
        else:
            unread.append(Unread(line, "no object"))
