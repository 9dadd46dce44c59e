"""EvalPlus: eval_results.json beside the samples, every solution with its verdict on the base and the extra tests.

{"date": "2026-01-05 10:12", "hash": "fe58…", "eval": {"HumanEval/0": [{"task_id": "HumanEval/0", "solution": "…",
 "base_status": "pass", "plus_status": "fail", …}]}, "pass_at_k": {"base": {"pass@1": 0.91}, "plus": {"pass@1": 0.87}}}

pass@k is computed again from the verdicts, unbiased. The model, and how it sampled, stand in the file's name:
runs--a_vllm_temp_0.2.eval_results.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, broken, others, parsed
from collectors.documents.scores import number_of, pass_at, step_in, text
from db.evaluations import Entry, Questions, Score

NAME = "evalplus"
KIND = "evaluation"
OPENING = re.compile(rb"\s*\{\s*\"date\"\s*:\s*\"[^\"]{0,40}\"\s*,\s*\"hash\"\s*:\s*\"[^\"]{0,80}\"\s*,\s*\"eval\"\s*:")
FILE = re.compile(
    r"(?P<model>.+?)(?:_(?:vllm|hf|openai|anthropic|google|mistral|ollama|gptqmodel))?(?:_temp_(?P<t>[\d.]+?))?"
)
BENCHMARKS = {"HumanEval": ("HumanEval", "HumanEval+"), "Mbpp": ("MBPP", "MBPP+")}
K = (1, 10, 100)  # those that EvalPlus itself tells


def recognises(sample: Sample) -> bool:
    return bool(OPENING.match(sample.head))


def read(path: Path, data: bytes) -> Document:
    try:
        told = parsed(data)
    except Broken as error:
        return broken(error)
    tasks = told.get("eval") if isinstance(told, dict) else None
    if not isinstance(tasks, dict):
        return Document(unread=[Unread(1, "no object of tasks")])
    document = Document()
    verdicts = {
        name: found for n, (name, said) in enumerate(tasks.items(), 1) if (found := _verdicts(document, n, name, said))
    }
    if not verdicts:
        return document
    first = next(iter(verdicts)).partition("/")[0]
    base, plus = BENCHMARKS.get(first, (first, f"{first}+"))
    ids = tuple(verdicts)
    samples = np.array([len(found) for found in verdicts.values()], np.int32)
    for benchmark, side in ((base, 0), (plus, 1)):
        right = [[one[side] for one in found] for found in verdicts.values()]
        if any(one is None for found in right for one in found):
            continue  # --base-only
        counts = np.array([sum(bool(one) for one in found) for found in right], np.int32)
        _scores(document, path, benchmark, Questions(ids, samples, counts), _said(told, side))
    return document


def _verdicts(document: Document, number: int, task: str, said: Any) -> list[tuple[bool, bool | None]]:
    """(base, plus) of each solution; right on the extra tests counts only where the base tests pass, too."""
    if not isinstance(said, list) or not all(isinstance(one, dict) and "base_status" in one for one in said):
        document.unread.append(Unread(number, f"{str(task)[:60]}: no list of verdicts"))
        return []
    base = [one["base_status"] == "pass" for one in said]
    plus = [one.get("plus_status") for one in said]
    return [(b, None if p is None else b and p == "pass") for b, p in zip(base, plus, strict=True)]


def _said(told: Mapping[str, Any], side: int) -> Mapping[str, Any]:
    held = told.get("pass_at_k")
    found = held.get(("base", "plus")[side]) if isinstance(held, dict) else None
    return found if isinstance(found, dict) else {}


def _scores(document: Document, path: Path, benchmark: str, asked: Questions, said: Mapping[str, Any]) -> None:
    model, temperature = _named(path)
    for k in (k for k in K if k <= int(asked.samples.min())):
        value, stated = pass_at(asked.right, asked.samples, k), number_of(said.get(f"pass@{k}", ""))
        apart = stated is not None and abs(stated - value) > 1e-6
        document.entries.append(
            Entry(
                Score(
                    system=model,
                    checkpoint=model if "/" in model else "",
                    step=step_in(model),
                    benchmark=benchmark,
                    metric="pass@k",
                    k=k,
                    value=value,
                    unit="fraction",
                    n_questions=len(asked.ids),
                    k_samples=int(asked.samples.min()),
                    temperature=temperature,
                    note=f"the file states {stated:.6g}" if apart and stated is not None else "",
                    others=others({"file": path.name}.items()),
                ),
                len(document.entries) + 1,
                asked,
            )
        )


def _named(path: Path) -> tuple[str, float | None]:
    """Model and temperature from the file's name, or from its folder's where the file is called eval_results.json."""
    stem = re.sub(r"[._]?eval_results\.json(\.gz)?$", "", path.name) or path.parent.name
    found = FILE.fullmatch(stem)
    if found is None:
        return text(stem), None
    return text(found["model"].replace("--", "/")), number_of(found["t"] or "")
