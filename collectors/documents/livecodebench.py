"""LiveCodeBench: output/<model>/<scenario>_<n>_<temperature>_eval_all.json, and _eval.json with the totals alone.

[{"question_title": "…", "question_id": "abc387_b", "contest_date": "2025-01-04T00:00:00", "difficulty": "easy",
  "output_list": ["…"], "code_list": ["…"], "graded_list": [true, false], "pass@1": 0.5, "metadata": ["…"]}]
[{"pass@1": 0.43, "detail": {"pass@1": {"0": 0.5}}}, {"0": [[true, -2]]}, […]]

Which version of the benchmark it was is in no file: the span of the contests' dates is noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, broken, others, parsed
from collectors.documents.scores import number_of, pass_at, step_in, text
from db.evaluations import Entry, Questions, Score

NAME = "livecodebench"
KIND = "evaluation"
ALL = re.compile(rb"\s*\[\s*\{\s*\"question_title\"\s*:")
TOTALS = re.compile(rb"\s*\[\s*\{\s*\"pass@1\"\s*:\s*[\d.eE+-]+\s*,[^{}]{0,400}\"detail\"\s*:\s*\{")
FILE = re.compile(
    r"(?:Scenario\.)?(?P<scenario>[a-z]+)_(?P<n>\d{1,5})_(?P<t>[\d.]+?)(?P<cot>_cot)?_eval(?:_all)?\.json(?:\.gz)?"
)
BENCHMARK = "LiveCodeBench"
CODE = "codegeneration"
K = (1, 5, 10)


def recognises(sample: Sample) -> bool:
    graded = ALL.match(sample.head) and (b'"graded_list"' in sample.more or sample.path.name.endswith("_eval_all.json"))
    return bool(graded) or bool(TOTALS.match(sample.head))


def read(path: Path, data: bytes) -> Document:
    try:
        told = parsed(data)
    except Broken as error:
        return broken(error)
    if not isinstance(told, list) or not told:
        return Document(unread=[Unread(1, "no list of questions")])
    totals = told[0] if isinstance(told[0], dict) and "detail" in told[0] else None
    document = Document()
    if totals is not None:
        grades = _of_totals(told)
        _scores(document, path, grades, "" if grades else "totals only")
        if not grades and (value := number_of(totals.get("pass@1", ""))) is not None:
            document.entries.append(Entry(Score(metric="pass@k", k=1, value=value, **_about(path)), 1))
        return document
    dates: list[str] = []
    _scores(document, path, _of_questions(document, told, dates), _span(dates))
    return document


def _of_totals(told: Sequence[Any]) -> dict[str, list[bool]]:
    """Question number -> verdict of each sample: right where every test says more than 0."""
    held = told[1] if len(told) > 1 and isinstance(told[1], dict) else {}
    grades = {}
    for number, samples in held.items():
        if isinstance(samples, list) and samples and all(isinstance(one, list) for one in samples):
            grades[str(number)] = [all(_right(test) for test in one) for one in samples]
    return grades


def _right(test: Any) -> bool:
    return isinstance(test, bool | int | float) and test > 0


def _of_questions(document: Document, told: Sequence[Any], dates: list[str]) -> dict[str, list[bool]]:
    grades: dict[str, list[bool]] = {}
    for number, one in enumerate(told, 1):
        graded = one.get("graded_list") if isinstance(one, dict) else None
        if not isinstance(graded, list) or not graded:
            document.unread.append(Unread(number, "a question without a graded_list"))
            continue
        grades[text(one.get("question_id")) or str(number)] = [grade is True for grade in graded]
        dates.append(text(one.get("contest_date"))[:10])
    return grades


def _span(dates: Sequence[str]) -> str:
    known = sorted(date for date in dates if re.fullmatch(r"\d{4}-\d\d-\d\d", date))
    return f"contests of {known[0]} to {known[-1]}" if known else ""


def _about(path: Path) -> dict[str, Any]:
    """Model from the folder, samples and temperature from the name."""
    found, model = FILE.fullmatch(path.name), path.parent.name
    scenario = found["scenario"] if found else CODE
    return {
        "system": model,
        "step": step_in(model),
        "benchmark": BENCHMARK if scenario == CODE else f"{BENCHMARK} ({scenario})",
        "unit": "fraction",
        "temperature": number_of(found["t"]) if found else None,
        "k_samples": int(found["n"]) if found else None,
    }


def _scores(document: Document, path: Path, grades: Mapping[str, list[bool]], note: str) -> None:
    if not grades:
        return
    samples = np.array([len(one) for one in grades.values()], np.int32)
    right = np.array([sum(one) for one in grades.values()], np.int32)
    about = _about(path) | {"n_questions": len(grades), "k_samples": int(samples.min())}
    for k in (k for k in K if k <= int(samples.min())):
        score = Score(metric="pass@k", k=k, value=pass_at(right, samples, k), note=note, others=_file(path), **about)
        document.entries.append(Entry(score, len(document.entries) + 1, Questions(tuple(grades), samples, right)))


def _file(path: Path) -> str:
    return others({"file": path.name}.items())
