"""What was understood of a run: which quantities its names mean, which are missing, which names mean nothing yet."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from db import runs
from db.facts import facts_like, remember
from db.metrics import Metric
from db.runs import Run, Source
from db.series import metrics_ever

HOW = "how to log, "
TOLD_BY = "told by, "

WANTED: dict[str, tuple[str, tuple[str, ...]]] = {
    "reward_mean": ("reward", ("reward_mean", "score_mean")),
    "entropy_token_mean": ("entropy", ("entropy_token_mean", "entropy_estimate")),
    "response_length_mean": ("response length", ("response_length_mean",)),
    "truncation_fraction": ("truncated responses", ("truncation_fraction", "completion_fraction", "truncation_count")),
    "clip_fraction_total": ("clipped tokens", ("clip_fraction_total", "clip_fraction_low", "clip_fraction_high")),
    "kl_policy_old": ("KL to the old policy", ("kl_policy_old",)),
    "kl_ref": ("KL to the reference", ("kl_ref",)),
    "grad_norm": ("gradient norm", ("grad_norm",)),
    "learning_rate": ("learning rate", ("learning_rate",)),
    "group_zero_std_fraction": (
        "groups without signal",
        tuple(
            f"group_{kind}_{count}"
            for kind in ("zero_std", "all_wrong", "all_right", "mixed")
            for count in ("fraction", "count")
        ),
    ),
    "mismatch_kl": (
        "rollout engine against trainer",
        ("mismatch_kl", "mismatch_prob_mean", "mismatch_logprob_mean", "mismatch_prob_max", "is_ratio_mean"),
    ),
    "time_step": ("time of a step", ("time_step",)),
    "throughput_tokens_per_s_per_gpu": (
        "throughput",
        ("throughput_tokens_per_s_per_gpu", "throughput_tokens_per_s", "throughput_samples_per_s"),
    ),
    "val_score": ("validation", ("val_score", "val_pass_at_k", "val_best_at_k", "val_maj_at_k", "accuracy")),
}
"""Quantity -> what a reader of curves calls it, and the quantities that answer for it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """quantity: one of WANTED. how: what to switch on in this trainer, where its table says."""

    quantity: str
    label: str
    how: str | None


@dataclass(slots=True)
class Understood:
    """One run. found: quantity -> the metrics that mean it, the preferred first. unknown: names without a meaning.

    log: which log of this trainer loses least, and how it is switched on.  told_by: names that only it writes.
    """

    run: Run
    sources: list[Source] = field(default_factory=list)
    found: dict[str, list[Metric]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    log: str | None = None
    told_by: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Every name that was logged."""
        return sorted({one.name for held in self.found.values() for one in held} | set(self.unknown))


def understood(connection: sa.Connection, run_ids: Collection[int] | None = None) -> list[Understood]:
    """What was understood of these runs (of all when None)."""
    hints = {key.removeprefix(HOW): json.loads(value) for key, value in facts_like(connection, HOW).items()}
    tells = {key.removeprefix(TOLD_BY): json.loads(value) for key, value in facts_like(connection, TOLD_BY).items()}
    files: dict[int, list[Source]] = {}
    for source in runs.sources_of(connection, run_ids):
        files.setdefault(source.run_id, []).append(source)
    return [
        _of(run, files.get(run.id, []), metrics_ever(connection, run.id), hints.get(run.trainer, {}), tells)
        for run in runs.all_runs(connection, run_ids)
    ]


def remember_how(connection: sa.Connection, hints: Mapping[str, Mapping[str, str]]) -> None:
    """trainer -> quantity -> what to switch on; given by the collectors, for the store knows no trainer."""
    for trainer, how in hints.items():
        remember(connection, f"{HOW}{trainer}", json.dumps(dict(how)))


def remember_signatures(connection: sa.Connection, signatures: Mapping[str, Sequence[str]]) -> None:
    """trainer -> patterns of the names that it is told by."""
    for trainer, patterns in signatures.items():
        remember(connection, f"{TOLD_BY}{trainer}", json.dumps(list(patterns)))


def _of(
    run: Run, files: list[Source], logged: list[Metric], how: Mapping[str, str], tells: Mapping[str, Sequence[str]]
) -> Understood:
    told = Understood(run, files, log=how.get("log"))
    first = (
        next((one.name for one in logged if re.search(pattern, one.name)), None)
        for pattern in tells.get(run.trainer, ())
    )
    told.told_by = list(dict.fromkeys(name for name in first if name))
    for metric in sorted(logged, key=lambda one: (one.rank, one.name)):
        if metric.quantity is None and metric.caveat is None and metric.unit is None:
            told.unknown.append(metric.name)
        else:
            told.found.setdefault(metric.quantity or "", []).append(metric)
    for quantity, (label, answers) in WANTED.items():
        if logged and told.found.keys().isdisjoint(answers):
            told.missing.append(Missing(quantity, label, how.get(quantity)))
    return told
