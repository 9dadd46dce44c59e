"""lighteval: results_<time>.json.

{"config_general": {"model_config": {"model_name": "runs/a", "generation_parameters": {"max_new_tokens": 32768,
 "temperature": 0.6, "top_p": 0.95}}, "model_name": "runs/a"},
 "results": {"lighteval|aime24|0": {"math_pass@1:16_samples": 0.43, "math_pass@1:16_samples_stderr": 0.065}, …},
 "config_tasks": {"lighteval|aime24": {"effective_num_docs": 30, "generation_size": 32768}}}

Scores are fractions. What "all" averages over tasks of different kinds is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, broken, others, parsed
from collectors.documents.lm_eval import inner, settings_of
from collectors.documents.scores import metric_of, number_of, step_in, text
from db.evaluations import Entry, Score

NAME = "lighteval"
KIND = "evaluation"
OPENING = re.compile(rb"\s*\{\s*\"config_general\"\s*:")
SAMPLES = re.compile(r":(\d{1,5})_samples|[:&]n=(\d{1,5})|@\d+:(\d{1,5})$")
K = re.compile(r"[:&]k=(\d{1,5})")


def recognises(sample: Sample) -> bool:
    """Its first word; the results may come after 64 kB of config."""
    return bool(OPENING.match(sample.head))


def read(path: Path, data: bytes) -> Document:
    try:
        told = parsed(data)
    except Broken as error:
        return broken(error)
    if not isinstance(told, dict) or not isinstance(told.get("results"), dict):
        return Document(unread=[Unread(1, "no object of results")])
    document = Document()
    general = inner(told, "config_general")
    model = inner(general, "model_config")
    name = text(general.get("model_name")) or text(model.get("model_name"))
    sampling = settings_of(inner(model, "generation_parameters"))
    about = {"system": name, "checkpoint": name if "/" in name else "", "step": step_in(name)} | sampling
    for number, (task, said) in enumerate(told["results"].items(), 1):
        if not isinstance(said, dict):
            document.unread.append(Unread(number, f"no scores under {str(task)[:60]!r}"))
        elif task != "all" and ":_average" not in task:
            _task(document, str(task), said, about, told)
    return document


def _task(
    document: Document, task: str, said: dict[str, Any], about: Mapping[str, Any], told: Mapping[str, Any]
) -> None:
    """Of suite|task|examples the middle is the benchmark; newer versions leave the suite out."""
    parts = task.split("|")
    bare = parts[1] if len(parts) == 3 else parts[0]
    configs = inner(told, "config_tasks")
    config = next((inner(configs, one) for one in (task, task.rpartition("|")[0], bare) if one in configs), {})
    docs = config.get("effective_num_docs")
    n = docs if isinstance(docs, int) and docs > 0 else None
    size = config.get("generation_size")
    shots = parts[-1] if len(parts) > 1 else None
    for name, value in said.items():
        if name.endswith("_stderr"):
            continue
        score = None if isinstance(value, bool) else number_of(value)
        if score is None:
            document.unread.append(Unread(len(document.entries) + 1, f"{task}: no number as {name[:60]!r}"))
            continue
        metric, k = _metric(name)
        shared = dict(about) | {"n_questions": n, "k_samples": _samples(name)}
        if shared["eval_context"] is None and isinstance(size, int) and size > 0:
            shared["eval_context"] = size
        document.entries.append(
            Entry(
                Score(
                    benchmark=bare,
                    metric=metric,
                    k=k,
                    value=score,
                    unit="fraction" if 0 <= score <= 1 else "score",
                    standard_error=number_of(said.get(f"{name}_stderr", "")),
                    others=others({"metric": name, "few-shot examples": shots}.items()),
                    **shared,
                ),
                len(document.entries) + 1,
            )
        )


def _metric(name: str) -> tuple[str, int | None]:
    """math_pass@1:16_samples and pass@k:k=1&n=16 are both pass@k with k = 1."""
    metric, k = metric_of(name)
    found = K.search(name)
    return metric, int(found[1]) if found else k


def _samples(name: str) -> int | None:
    found = SAMPLES.search(name)
    return int(next(one for one in found.groups() if one)) if found else None
