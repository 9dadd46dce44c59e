"""lm-evaluation-harness: samples_<task>_<time>.jsonl, one line per question and filter (`--log_samples`).

{"doc_id": 0, "doc": {…}, "target": "72", "resps": [["…"]], "filtered_resps": ["72"], "filter": "strict-match",
 "metrics": ["exact_match"], "doc_hash": "3f9c…", "exact_match": 1.0}

Its results file tells the same totals and the settings; together they are one score.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, others, parsed
from collectors.documents.lm_eval import with_filter
from collectors.documents.scores import number_of, step_in
from db.evaluations import Entry, Questions, Score

NAME = "lm-eval-samples"
KIND = "evaluation"
TELL = (b'"doc_id"', b'"filtered_resps"', b'"resps"')
FILE = re.compile(r"samples_(?P<task>.+?)_\d{4}-\d\d-\d\dT[\d.:-]+\.jsonl(\.gz)?")
NONE = re.compile(r"samples_(?P<task>.+)\.jsonl(\.gz)?")


def recognises(sample: Sample) -> bool:
    return sample.head.lstrip()[:1] == b"{" and all(word in sample.more for word in TELL)


def read(path: Path, data: bytes) -> Document:
    """A last line that is cut is read when it is whole."""
    document = Document()
    held: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    lines = data.split(b"\n")
    for line, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            _take(held, parsed(raw))
        except (Broken, ValueError) as error:
            document.unread.append(Unread(line, f"no sample: {error}"))
            document.torn = document.torn or (line == len(lines) and isinstance(error, Broken) and error.torn)
    named = FILE.fullmatch(path.name) or NONE.fullmatch(path.name)
    task = named["task"] if named else path.name.partition(".")[0]
    for (metric, chosen), questions in held.items():
        _score(document, task, path.parent.name, metric, chosen, questions)
    return document


def _take(held: dict[tuple[str, str], dict[str, float]], said: Any) -> None:
    """Raises ValueError where the line is no sample."""
    if not isinstance(said, dict) or "doc_id" not in said:
        raise ValueError("no object with a doc_id")
    chosen, names = str(said.get("filter", "none")), said.get("metrics")
    if names is None:  # before 0.4.4 the names of the metrics were not listed
        names = [name for name in ("exact_match", "acc") if name in said]
    for name in names if isinstance(names, list) else []:
        value = number_of(said.get(str(name), ""))
        if isinstance(said.get(str(name)), bool):
            value = float(said[str(name)])
        if value is not None:
            held[str(name), chosen][str(said["doc_id"])[:200]] = value


def _score(document: Document, task: str, folder: str, metric: str, chosen: str, said: dict[str, float]) -> None:
    values = np.array(list(said.values()))
    counted = bool(np.isin(values, (0.0, 1.0)).all())
    ones = np.ones(len(values), np.int32)
    model = folder.replace("__", "/")
    document.entries.append(
        Entry(
            Score(
                system=model,
                checkpoint=model if "/" in model else "",
                step=step_in(model),
                benchmark=task,
                metric=with_filter(metric, chosen),
                value=float(values.mean()),
                unit="fraction" if bool(((values >= 0) & (values <= 1)).all()) else "score",
                n_questions=len(values),
                k_samples=1,
                others=others({"filter": chosen}.items()),
            ),
            len(document.entries) + 1,
            Questions(tuple(said), ones, values.astype(np.int32)) if counted else None,
        )
    )
