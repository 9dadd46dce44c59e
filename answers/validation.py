"""What the trainers' own validations scored: points whose metric is a score, told as evaluations."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from analyses.evaluations import largest_error
from db import metrics, runs, series
from db.evaluations import Evaluation, validation_config
from db.series import Series

COUNTS = ("val_n", "val_k", "val_samples")
QUANTITIES = ("val_score", "val_pass_at_k", "val_best_at_k", "val_maj_at_k")
KINDS = {"val_pass_at_k": "pass@k", "val_best_at_k": "best@k", "val_maj_at_k": "maj@k"}
PREFIX = re.compile(r"(val-core|val-aux|validation|valid|val|eval-rollout|evaluation|eval|test_score|test)[/_.]")
AT = re.compile(r"[/_.]?\b(?:(pass|mean|best|maj|avg|cons)(?:@|_at_)(\d+|k)|pass_?(\d+))(?=$|[/_.])|(?<=_)pass(\d+)$")
WORDS = re.compile(
    r"(acc|accuracy|reward|reward_mean|mean_reward|score|scores|avg_score|reward_score|test_score|mean|all)"
)
SETTING = re.compile(
    r"(?:.*[._])?(?:val|eval|validation)(?:_kwargs|_generation)?[._](?:\w{1,40}[._])?"
    r"(?P<what>max_new_tokens|max_gen_toks|max_tokens|max_response_len|max_response_length|response_length"
    r"|temperature|top_p)"
)
SAMPLES = re.compile(r"(?:.*[._])?(?:val_kwargs\.n|n_val|n_samples_per_eval_prompt|eval_n_samples)")
OTHERS = frozenset(["temperature", "top_p"])
TRAINED = "Limit of the responses in training: the settings state none for validation."


@dataclass(frozen=True, slots=True)
class Named:
    """What a validation metric's name tells. k: None where the name says none."""

    benchmark: str
    metric: str
    k: int | None


def named(name: str, quantity: str) -> Named:
    """
    >>> named("val-core/deepscaler/aime/acc/mean@16", "val_score")
    Named(benchmark='deepscaler/aime', metric='avg@k', k=16)
    """
    rest = PREFIX.sub("", name, count=1) if PREFIX.match(name) else name
    at = AT.search(rest)
    kind, k = "", None
    if at:
        kind, said = (at[1], at[2]) if at[1] else ("pass", at[3] or at[4])
        k = int(said) if said.isdecimal() and len(said) < 7 else None
        rest = rest[: at.start()] + rest[at.end() :]
    parts = [part for part in rest.split("/") if part and not WORDS.fullmatch(part)]
    metric = {"mean": "avg@k", "avg": "avg@k", "cons": "maj@k"}.get(kind, f"{kind}@k" if kind else "")
    plain = "accuracy" if re.search(r"(^|[/_])acc(uracy)?($|[/_])", name) else "validation score"
    return Named("/".join(parts).strip("_") or "validation", KINDS.get(quantity) or metric or plain, k)


@dataclass(frozen=True, slots=True)
class Curve:
    """One validation score of a run over its steps; values in the unit of `said`, which tells the rest."""

    said: Evaluation
    steps: np.ndarray
    values: np.ndarray

    def errors(self) -> list[float]:
        """Standard errors, at most, from the number of questions; NaN where that is not known."""
        n = self.said.n_questions
        if not n or self.said.unit != "fraction":
            return [float("nan")] * len(self.values)
        shares = [share if 0 < share < 1 else (share * n + 2) / (n + 4) for share in self.values.tolist()]
        return [largest_error(share, n) if 0 <= share <= 1 else float("nan") for share in shares]


def curves(connection: sa.Connection, run_ids: Collection[int] | None = None) -> list[Curve]:
    """Every validation score of these runs (of all that are in sight), by run and name."""
    known = {run.id: run for run in runs.all_runs(connection, run_ids)}
    wanted = [metric for metric in metrics.with_quantity(connection, QUANTITIES) if metric.evaluation]
    if not known or not wanted:
        return []
    found = series.series(connection, list(known), [metric.id for metric in wanted])
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for (run_id, quantity), (_, _, value) in series.newest(connection, {run for run, _ in found}, COUNTS).items():
        if 0 < value < 1e9:
            counts[run_id][quantity] = int(value)
    paths = {source.run_id: source.path for source in runs.sources_of(connection, {of for of, _ in found})}
    order = sorted(found.items(), key=lambda one: (known[one[0][0]].label, one[1].metric.name))
    mine = {of for of, _ in found}
    limits, configs = runs.setting_of_all(connection, "context_limit"), validation_config(connection, mine)
    told = {of: said_of(configs.get(of, {})) | {"trained": limits.get(of), "path": paths.get(of, "")} for of in mine}
    return [_curve(known[of], curve, counts[of], told[of]) for (of, _), curve in order]


def _curve(run: runs.Run, curve: Series, count: dict[str, int], told: dict[str, Any]) -> Curve:
    name = named(curve.metric.name, curve.metric.quantity or "")
    trained = told["trained"]
    limit = told.get("limit") or trained
    k = name.k or told.get("n") or count.get("val_k")
    asked = count["val_samples"] // k if "val_samples" in count and k else None
    notes = [curve.metric.caveat, TRAINED if limit and not told.get("limit") else None]
    said = Evaluation(
        system=run.name, run=run.label, run_id=run.id, benchmark=name.benchmark, metric=name.metric, value=None,
        unit=_unit(curve, name), k=name.k, k_samples=k, n_questions=count.get("val_n") or asked,
        temperature=told.get("temperature"), top_p=told.get("top_p"), train_context=trained, eval_context=limit,
        origin="the run's own validation", note=" ".join(note for note in notes if note),
        others=json.dumps({"logged as": curve.metric.name}, ensure_ascii=False), path=told["path"],
    )  # fmt: skip
    return Curve(said, curve.steps, curve.values * curve.metric.scale)


def _unit(curve: Series, name: Named) -> str:
    """A fraction where the name says that answers are counted and nothing lies outside 0 and 1; else a score."""
    counted = name.metric == "accuracy" or "/acc/" in curve.metric.name or "pass" in name.metric
    counted = counted and "not a share" not in (curve.metric.caveat or "")
    finite = curve.values[np.isfinite(curve.values)]
    return "fraction" if counted and bool(((finite >= 0) & (finite <= 1)).all()) else "score"


def said_of(config: dict[str, Any]) -> dict[str, Any]:
    """What a config says of its validation: limit (tokens), temperature, top_p, n (samples of each question)."""
    told: dict[str, Any] = {}
    for key, value in sorted(config.items()):
        found = SETTING.fullmatch(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            continue
        if found is not None:
            what = found["what"] if found["what"] in OTHERS else "limit"
            told.setdefault(what, float(value) if what in OTHERS else int(value))
        elif SAMPLES.fullmatch(key):
            told.setdefault("n", int(value))
    return told


def latest_and_best(curve: Curve) -> list[Evaluation]:
    """Two scores of a curve, or one where the latest is the best."""
    finite = np.flatnonzero(np.isfinite(curve.values))
    if not len(finite):
        return []
    last, best = int(finite[-1]), int(finite[np.argmax(curve.values[finite])])
    said = curve.said

    def at(i: int, word: str) -> Evaluation:
        note = f"{word} of {len(finite)} validations. {said.note}".strip()
        return replace(said, step=int(curve.steps[i]), value=float(curve.values[i]), note=note)

    if curve.values[last] == curve.values[best]:
        return [at(last, "latest and best")]
    return [at(last, "latest"), at(best, "best (the luckiest)")]
