"""Scores as JSON: an object per line, or a list of flat objects.

{"model": "my-run", "step": 120, "benchmark": "AIME 2024", "pass@1": 0.43, "n_samples": 16, "max_tokens": 32768}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, broken, parsed
from collectors.documents.scores import columns, read_rows
from collectors.lines import BOM

NAME = "scores-jsonl"
KIND = "evaluation"
FIRST = re.compile(rb"\s*(?:\[\s*)?(\{[^{}]{1,8000}\})")


def recognises(sample: Sample) -> bool:
    """By the names of its first object, which is flat."""
    found = FIRST.match(sample.head.removeprefix(BOM))
    if found is None:
        return False
    try:
        return _is_scores(parsed(found[1]))
    except Broken:
        return False


def _is_scores(record: Any) -> bool:
    """A score that is a number; a rollout that names its data set has a score, too, and texts."""
    if not isinstance(record, dict) or any(isinstance(cell, list | dict) for cell in record.values()):
        return False
    found = columns(list(record))
    return found is not None and not {"prompt", "response", "completion", "output", "answer"} & record.keys()


def read(path: Path, data: bytes) -> Document:
    """A last line that is cut makes the document torn: it is read when it is whole."""
    text = data.removeprefix(BOM)
    try:
        records = _list(text) if text.lstrip().startswith(b"[") else _lines(text)
    except Broken as error:
        return broken(error)
    rows = [(line, record) for line, record in records if isinstance(record, dict)]
    names = list(dict.fromkeys(name for _, record in rows for name in record))
    found = columns(names) if names else None
    if found is None:
        return Document(unread=[Unread(1, "no names that tell of scores")])
    document = read_rows(path, rows, found)
    document.unread += [Unread(line, "no JSON object") for line, record in records if not isinstance(record, dict)]
    return document


def _list(text: bytes) -> list[tuple[int, Any]]:
    found = parsed(text)
    return list(enumerate(found, 1)) if isinstance(found, list) else []


def _lines(text: bytes) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for line, raw in enumerate(text.split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            record = parsed(raw)
        except Broken:
            record = None
        found.append((line, record))
    return found
