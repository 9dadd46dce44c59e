r"""The saved output of a Jupyter notebook: what a trainer printed in a cell, and the table that transformers draws.

{"cells": [{"cell_type": "code", "outputs": [{"output_type": "stream", "text": ["{'loss': 0.01, 'reward': 0.5}\n"]}, ...
<table ...><tr><th>Step</th><th>Training Loss</th><th>completions / mean_length</th></tr> <tr><td>1</td><td>0.0001 ...

The line of what could not be read is the number of its cell, from 1.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from collectors.contract import Format, Memory, Part, Sample, Unread, as_format
from collectors.formats import trl_console, verl_console
from collectors.formats.trl_state import whole_document
from collectors.lines import BOM, Records, is_plain_row, number, step_of

NAME = "notebook"
WHOLE = True
RUN_PER_FILE = True
TRAINER = None

OPENING = re.compile(rb'\s*\{\s*"(?:cells|nbformat|nbformat_minor|metadata)"\s*:')
HINT = re.compile(rb"step:-?\d+ - [\w/.\-]+:|\{'[\w/ ]+': ['\-\d]|<th>Step</th>")
TAG = re.compile(r"<(tr|td|th)\b[^<>]{0,500}>([^<]*)")
CONSOLES: tuple[Format, ...] = (as_format(verl_console), as_format(trl_console))
LOSSES = {"Training Loss": "loss", "Validation Loss": "eval_loss"}  # as transformers calls them everywhere else


def recognises(sample: Sample) -> bool:
    """A notebook in whose saved output something looks like metrics."""
    if not OPENING.match(sample.head.removeprefix(BOM)) or b'"cell_type"' not in sample.more:
        return False
    if not HINT.search(sample.more):
        return False
    whole = read(sample.more, {}, torn=False)
    return bool(whole.blocks) or not whole.used  # of a large one only the beginning can be seen


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    """The whole document; one that is not whole yet says nothing."""
    document = whole_document(data)
    if isinstance(document, Unread):
        return Part(unread=[document])
    part = Part(used=len(data))
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        part.unread.append(Unread(1, "no cells in this notebook"))
        return part
    for at, cell in enumerate(cells, 1):
        printed, tables = outputs(cell)
        _read_printed(printed, at, part)
        for table in tables:
            _read_table(table, at, part)
    return part


def outputs(cell: Any) -> tuple[bytes, list[str]]:
    """What a cell printed, and what it drew as HTML."""
    printed, drawn = [], []
    found = cell.get("outputs") if isinstance(cell, dict) else None
    for output in found if isinstance(found, list) else ():
        if isinstance(output, dict) and output.get("output_type") == "stream":
            printed.append(_text(output.get("text")))
        elif isinstance(output, dict) and isinstance(data := output.get("data"), dict):
            drawn.append(_text(data.get("text/html")))
    return "".join(printed).encode("utf-8", "replace"), [text for text in drawn if "<th>Step</th>" in text]


def _text(value: Any) -> str:
    """nbformat keeps a text as one string or as a list of its lines."""
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


def _read_printed(text: bytes, at: int, part: Part) -> None:
    sample = Sample(Path("cell.log"), text[: 1 << 16], text[: 1 << 21])
    reader = next((one for one in CONSOLES if text and one.recognises(sample)), None)
    if reader is None:
        return
    told = reader.read(text if text.endswith(b"\n") else text + b"\n", {}, torn=False)
    part.blocks += told.blocks
    part.rows += told.rows
    part.first_step = part.first_step if part.first_step is not None else told.first_step
    part.last_step = part.last_step if told.last_step is None else told.last_step
    part.config |= told.config
    part.run, part.project = part.run or told.run, part.project or told.project
    part.unread += [replace(one, line=at) for one in told.unread]


def _read_table(text: str, at: int, part: Part) -> None:
    rows = list(table_rows(text))
    names = [LOSSES.get(name, name.replace(" / ", "/")) for name in rows[0]] if rows else []
    if not names or names[0] != "Step":
        return
    records = Records(part, is_plain_row)
    for row in rows[1:]:
        step = step_of(row[0]) if len(row) == len(names) else None
        if step is None:
            part.unread.append(Unread(at, f"no row of this table: {' '.join(row)[:60]!r}"))
            continue
        cells = zip(names[1:], map(number, row[1:]), strict=True)
        values = {name: value for name, value in cells if value is not None}
        records.add(at, list(values), step, np.array(list(values.values()), np.float64))
    records.close()


def table_rows(text: str) -> Iterator[Sequence[str]]:
    """The cells of each row of the tables in a text."""
    row: list[str] = []
    for tag, cell in TAG.findall(text):
        if tag != "tr":
            row.append(html.unescape(cell).strip())
        elif row:
            yield row
            row = []
    if row:
        yield row
