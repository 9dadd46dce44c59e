"""lm-evaluation-harness: results_<time>.json, the totals of one evaluation.

{"results": {"gsm8k": {"alias": "gsm8k", "exact_match,strict-match": 0.43, "exact_match_stderr,strict-match": 0.0136}},
 "configs": {"gsm8k": {"generation_kwargs": {"max_gen_toks": 2048, "temperature": 0.0}, "repeats": 1}},
 "n-samples": {"gsm8k": {"original": 1319, "effective": 1319}}, "config": {"model_args": …}, "model_name": "runs/a"}

Before 0.4 no filter stood behind a metric's name. Scores are fractions, but for perplexities and the like. A group's
mean stands beside its tasks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, broken, others, parsed
from collectors.documents.scores import context_of, number_of, step_in, text
from db.evaluations import Entry, Score

NAME = "lm-eval"
KIND = "evaluation"
OPENING = re.compile(rb"\s*\{\s*\"results\"\s*:\s*\{")
METRIC = re.compile(r'"[^"\n]{1,80},[^"\n]{1,80}"\s*:|"\w{1,80}_stderr"\s*:')
NO_SHARE = frozenset(
    ["bits_per_byte", "byte_perplexity", "word_perplexity", "perplexity", "loglikelihood", "brier_score"]
)
LIMITS = ("max_gen_toks", "max_tokens", "max_new_tokens", "max_completion_tokens", "max_length")
MODEL = ("peft", "delta", "pretrained", "model", "path", "engine")


def recognises(sample: Sample) -> bool:
    """`results` first, and names of metrics with the filter behind a comma, or with their standard errors."""
    head = sample.head[:8000].decode("utf-8", "replace")
    return bool(OPENING.match(sample.head)) and ('"alias"' in head or METRIC.search(head) is not None)


def read(path: Path, data: bytes) -> Document:
    try:
        told = parsed(data)
    except Broken as error:
        return broken(error)
    if not isinstance(told, dict) or not isinstance(told.get("results"), dict):
        return Document(unread=[Unread(1, "no object of results")])
    document = Document()
    about = _about(told)
    for number, (task, said) in enumerate([*told["results"].items(), *_groups(told)], 1):
        if isinstance(said, dict):
            _task(document, str(task), said, about, told)
        else:
            document.unread.append(Unread(number, f"no scores under {str(task)[:60]!r}"))
    return document


def _groups(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    groups = told.get("groups")
    if isinstance(groups, dict):
        yield from ((name, said) for name, said in groups.items() if name not in told["results"])


def _about(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the whole evaluation: the model, and what the command line set for every task."""
    config = inner(told, "config")
    model = text(told.get("model_name")) or model_of(config.get("model_args")) or text(config.get("model"))
    return {"system": model, "checkpoint": model if "/" in model else "", "step": step_in(model)}


def model_of(arguments: Any) -> str:
    """The model in `pretrained=runs/a,dtype=bfloat16`, or in the same as an object."""
    if isinstance(arguments, str):
        arguments = dict(one.split("=", 1) for one in arguments.split(",") if "=" in one)
    held = arguments if isinstance(arguments, dict) else {}
    return next((text(held[name]) for name in MODEL if name in held), "")


def _task(
    document: Document, task: str, said: dict[str, Any], about: Mapping[str, Any], told: Mapping[str, Any]
) -> None:
    config, counts = inner(inner(told, "configs"), task), inner(inner(told, "n-samples"), task)
    better = inner(inner(told, "higher_is_better"), task)
    sampling = {**inner(config, "generation_kwargs"), **arguments(inner(told, "config").get("gen_kwargs"))}
    shared = dict(about) | settings_of(sampling)
    shared["n_questions"] = _count(counts.get("effective")) or _count(inner(told, "sample_len").get(task))
    shared["k_samples"] = _count(config.get("repeats"))
    extra = {"few-shot examples": inner(told, "n-shot").get(task), "version": inner(told, "versions").get(task)}
    for key, value in said.items():
        name, comma, chosen = key.partition(",")
        if name == "alias" or "_stderr" in name or (not comma and f"{name}_stderr" not in said):
            continue
        score = None if isinstance(value, bool) else number_of(value)
        if score is None:
            document.unread.append(Unread(len(document.entries) + 1, f"{task}: no number as {key[:60]!r}"))
            continue
        fraction = name not in NO_SHARE and 0 <= score <= 1
        note = "" if better.get(name, True) is not False else "lower is better"
        document.entries.append(
            Entry(
                Score(
                    benchmark=task,
                    metric=with_filter(name, chosen),
                    value=score,
                    unit="fraction" if fraction else "score",
                    standard_error=number_of(said.get(f"{name}_stderr{comma}{chosen}")),
                    note=note,
                    others=others({"filter": chosen, **extra}.items()),
                    **shared,
                ),
                len(document.entries) + 1,
            )
        )


def with_filter(name: str, chosen: str) -> str:
    """exact_match under the filter strict-match is a score of its own."""
    plain = {"acc": "accuracy"}.get(name, name)
    return plain if chosen in ("", "none") else f"{plain} ({chosen})"


def settings_of(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Limit and temperature of the generation, where told. Greedy is temperature 0."""
    limit = next((found for name in LIMITS if (found := context_of(sampling.get(name, ""))) is not None), None)
    greedy = sampling.get("do_sample") is False
    return {
        "eval_context": limit,
        "temperature": 0.0 if greedy else number_of(sampling.get("temperature", "")),
        "top_p": number_of(sampling.get("top_p", "")),
    }


def arguments(said: Any) -> dict[str, Any]:
    """`temperature=0.6,max_gen_toks=32768`, or the same as an object."""
    if isinstance(said, dict):
        return said
    return dict(one.split("=", 1) for one in said.split(",") if "=" in one) if isinstance(said, str) else {}


def inner(held: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object inside an object, empty where there is none."""
    found = held.get(name)
    return found if isinstance(found, dict) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
