"""What was it trained on? Problems per source, tests per problem, difficulty, overlap with the test split."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import sqlalchemy as sa

from analyses import curation
from analyses.curation import FEW_TESTS, UNKNOWN, Problems, Source
from db import documents, runs
from db.documents import Document

KIND = "dataset"
COLUMNS = {"source": "<i4", "tests": "<i4", "solved": "<i1", "difficulty": "<f4", "prompt": "<u8"}


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """One file of problems. runs: labels of the runs whose config names it. against: the test files beside it.

    tests: (tests of a problem, problems) of those that tell it. beyond: problems after the first half million, unread.
    """

    path: str
    split: str
    runs: tuple[str, ...]
    sources: tuple[Source, ...]
    total: Source
    few: int
    tests: tuple[tuple[int, int], ...]
    against: tuple[str, ...]
    beyond: int
    unread: int
    why: str
    sentence: str


def training_data(connection: sa.Connection, few: int = FEW_TESTS) -> list[TrainingSet]:
    """Every data set of the store but the test splits, held against these. few: tests below which a problem is weak."""
    known = {document.path: _opened(document) for document in documents.of_kind(connection, KIND)}
    tests = {path: told for path, (_, told) in known.items() if _split(path, known[path][1]) == "test"}
    prompts = np.unique(np.concatenate([_problems(told).prompt for told in tests.values()])) if tests else None
    return [
        _training_set(connection, document, told, prompts, tuple(sorted(tests)), few)
        for path, (document, told) in known.items()
        if path not in tests
    ]


def _opened(document: Document) -> tuple[Document, dict[str, Any]]:
    return document, json.loads(document.content)


def _split(path: str, told: dict[str, Any]) -> str:
    return str(told["split"] or ("test" if "test" in PurePath(path).stem.lower() else ""))


def _problems(told: dict[str, Any]) -> Problems:
    columns = {name: np.frombuffer(base64.b64decode(told[name]), kind) for name, kind in COLUMNS.items()}
    return Problems(tuple(told["sources"]), **columns)


def _training_set(
    connection: sa.Connection,
    document: Document,
    told: dict[str, Any],
    prompts: curation.Hashes | None,
    against: tuple[str, ...],
    few: int,
) -> TrainingSet:
    problems = _problems(told)
    sources = tuple(curation.by_source(problems, prompts, few=few))
    total = curation.total(sources)
    counts = np.unique(problems.tests[problems.tests != UNKNOWN], return_counts=True)
    return TrainingSet(
        path=document.path,
        split=_split(document.path, told),
        runs=tuple(run.label for run in runs.naming(connection, "/".join(PurePath(document.path).parts[-2:]))),
        sources=sources,
        total=total,
        few=few,
        tests=tuple((int(n), int(of)) for n, of in zip(*counts, strict=True)),
        against=against,
        beyond=int(told["beyond"]),
        unread=document.unread,
        why=document.why,
        sentence=sentence(total, len(sources), few),
    )


def sentence(every: Source, sources: int, few: int) -> str:
    """The answer in words; what the file does not tell is said to be unknown."""
    overlap = (
        "overlap with a test split unknown: none was given"
        if every.shared is None
        else f"{every.shared:,} of them in the test split too"
    )
    tests = "tests per problem unknown" if every.few is None else f"{every.few:,} with fewer than {few} tests"
    kinds = "1 source" if sources == 1 else f"{sources} sources"
    return f"{every.problems:,} problems from {kinds}, {every.repeated:,} of them repeated; {tests}; {overlap}."
