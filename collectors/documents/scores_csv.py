"""A table of scores, one figure or several per line, as spreadsheets and evaluation scripts write them.

model,benchmark,metric,value,unit,eval_context,k,source
DeepCoder-14B-Preview,LiveCodeBench v5,accuracy,60.6,percent,65536,1,the report

Told from a log of metrics by its columns: a benchmark and a score, and nothing that only training has.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from collectors.contract import Sample, Unread
from collectors.documents.contract import Document
from collectors.documents.scores import Columns, Row, columns, read_rows
from collectors.lines import BOM

NAME = "scores-csv"
KIND = "evaluation"
SEPARATORS = ",;\t"
RLLM = re.compile(r"model_path,dataset,pass@1(,pass@\d+)?")
MOST_CELLS = 200


def recognises(sample: Sample) -> bool:
    """By its line of names."""
    first, newline, _ = sample.head.removeprefix(BOM).lstrip().partition(b"\n")
    return (
        bool(newline)
        and len(first) < 8000
        and first[:1] not in (b"{", b"[")
        and how(first.decode("utf-8", "replace")) is not None
    )


def how(first: str) -> Columns | None:
    """How to read a table under this line of names; None where it is no table of scores, or rLLM's own."""
    if "\0" in first or RLLM.fullmatch(first.strip()):
        return None
    names = cells_of(first, separator(first))
    return columns(names) if 1 < len(names) < MOST_CELLS else None


def separator(line: str) -> str:
    return max(SEPARATORS, key=line.count)


def cells_of(line: str, mark: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=mark), [])]
    except csv.Error:
        return []


def read(path: Path, data: bytes) -> Document:
    whole = data.removeprefix(BOM).decode("utf-8", "replace").replace("\0", "").lstrip()
    first, _, _ = whole.partition("\n")
    found = how(first)
    if found is None:
        return Document(unread=[Unread(1, "no line of names that tells of scores")])
    names = cells_of(first, separator(first))
    rows, unread = rows_of(whole, names, separator(first))
    document = read_rows(path, rows, found)
    document.unread = sorted([*unread, *document.unread], key=lambda one: one.line)
    return document


def rows_of(whole: str, names: list[str], mark: str) -> tuple[list[Row], list[Unread]]:
    """The lines under the names; one with another number of cells is set aside. A cell in quotes may hold a newline."""
    rows: list[Row] = []
    unread: list[Unread] = []
    table = csv.reader(io.StringIO(whole, newline=""), delimiter=mark)
    while True:
        try:
            cells = next(table)
        except StopIteration:
            return rows, unread
        except csv.Error as error:
            unread.append(Unread(table.line_num, str(error)))
            continue
        if not any(cell.strip() for cell in cells) or [cell.strip() for cell in cells] == names:
            continue
        if len(cells) != len(names):
            unread.append(Unread(table.line_num, f"{len(cells)} cells under {len(names)} names"))
            continue
        rows.append((table.line_num, dict(zip(names, cells, strict=True))))
