"""rLLM's scripts/eval/eval_model.sh: pass.csv, a line per data set, and results.json, the scores of the last one.

model_path,dataset,pass@1,pass@16
agentica-org/DeepScaleR-1.5B-Preview,aime.parquet,0.43125,0.7

[[1.0, 0.0, 1.0, …], …]: questions down, samples across, without a name: pass.csv beside it tells which data set it is.
The script samples at temperature 0.6 and top-p 0.95; the limit is an argument of it that no file keeps.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, broken, others, parsed
from collectors.documents.scores import number_of, pass_at, step_in, text
from db.evaluations import Entry, Questions, Score

NAME = "rllm-eval"
KIND = "evaluation"
HEAD = re.compile(rb"model_path,dataset,pass@1(?:,pass@(\d{1,6}))?\r?\n")
SCORES = re.compile(rb"\s*\[\s*\[\s*[01](?:\.0)?\s*[,\]]")
SCRIPT = {"temperature": 0.6, "top_p": 0.95}
NOTE = "temperature and top-p as eval_model.sh sets them; the limit is not kept"
LARGEST_TABLE = 1 << 20


def recognises(sample: Sample) -> bool:
    return bool(HEAD.match(sample.head)) or (sample.path.name == "results.json" and bool(SCORES.match(sample.head)))


def read(path: Path, data: bytes) -> Document:
    return _table(data) if HEAD.match(data) else _scores(path, data)


def _table(data: bytes) -> Document:
    """pass.csv; a line that is still being written is read when it is whole."""
    document = Document(torn=not data.endswith(b"\n"))
    for line, row in _rows(data):
        names = [name for name in row if name.startswith("pass@")]
        if None in row or len(row) < 3 or not names:
            document.unread.append(Unread(line, "not as many cells as names"))
            continue
        samples = max(int(name.removeprefix("pass@")) for name in names)
        for name in names:
            value = number_of(row[name])
            if value is None:
                document.unread.append(Unread(line, f"no number under {name}: {str(row[name])[:40]!r}"))
                continue
            k = int(name.removeprefix("pass@"))
            score = Score(metric="pass@k", k=k, value=value, k_samples=samples, **_about(row))
            document.entries.append(Entry(score, len(document.entries) + 1))
    return document


def _rows(data: bytes) -> list[tuple[int, dict[Any, Any]]]:
    table = csv.DictReader(io.StringIO(data.decode("utf-8", "replace").replace("\0", "")))
    names = [name for name in table.fieldnames or [] if re.fullmatch(r"model_path|dataset|pass@\d{1,6}", name)]
    rows: list[tuple[int, dict[Any, Any]]] = []
    try:
        for row in table:
            whole = None not in row and None not in row.values()
            rows.append((table.line_num, {name: row[name] for name in names} if whole else {}))
    except csv.Error:
        rows.append((table.line_num, {}))
    return rows


def _about(row: Mapping[Any, Any]) -> dict[str, Any]:
    model = text(row["model_path"])
    about: dict[str, Any] = {"system": model, "checkpoint": model, "step": step_in(model), "note": NOTE}
    return about | {"benchmark": text(row["dataset"]).removesuffix(".parquet"), "unit": "fraction"} | SCRIPT


def _scores(path: Path, data: bytes) -> Document:
    try:
        told = parsed(data)
    except Broken as error:
        return broken(error)
    document = Document()
    asked = _questions(document, told)
    if asked is None:
        return document
    row = _whose(path.with_name("pass.csv"), asked)
    if row is None:
        return Document(unread=[Unread(1, "scores without a pass.csv beside them that says of what"), *document.unread])
    most = int(asked.samples.min())
    for k in sorted({1, most}):
        value = pass_at(asked.right, asked.samples, k)
        score = Score(
            metric="pass@k", k=k, value=value, k_samples=most, n_questions=len(asked.ids),
            others=others({"file": path.name}.items()), **_about(row),
        )  # fmt: skip
        document.entries.append(Entry(score, len(document.entries) + 1, asked))
    return document


def _questions(document: Document, told: Any) -> Questions | None:
    ids, samples, right = [], [], []
    for number, one in enumerate(told if isinstance(told, list) else [], 1):
        if not isinstance(one, list) or not one or not all(score in (0, 1) for score in one):
            document.unread.append(Unread(number, "no list of zeros and ones"))
            continue
        ids.append(str(number))
        samples.append(len(one))
        right.append(int(sum(one)))
    return Questions(tuple(ids), np.array(samples, np.int32), np.array(right, np.int32)) if ids else None


def _whose(table: Path, asked: Questions) -> dict[Any, Any] | None:
    """The line of pass.csv whose pass@1 these scores have; the last of several."""
    try:
        with table.open("rb") as file:
            rows = [row for _, row in _rows(file.read(LARGEST_TABLE)) if row]
    except OSError:
        return None
    mean = float((asked.right / asked.samples).mean())
    found = [
        row for row in rows if (value := number_of(row.get("pass@1", ""))) is not None and abs(value - mean) < 1e-6
    ]
    return found[-1] if found else None
