"""What does a run log? Every name with its meaning, its newest value, and the groups that the names fall into."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from db import series
from db.metrics import Metric

BETWEEN = re.compile(r"[/.]")
"""What trainers put between the parts of a name."""


@dataclass(frozen=True)
class Logged:
    """Every metric of a run, by name. steps, values: of the newest point of each, as logged."""

    metrics: list[Metric]
    steps: list[int]
    values: list[float]
    sentence: str


def logged(connection: sa.Connection, run_id: int) -> Logged:
    """Everything that the run ever logged."""
    rows = series.metrics_of(connection, run_id)
    metrics = [metric for metric, _, _ in rows]
    values = [value for _, _, value in rows]
    return Logged(metrics, [step for _, step, _ in rows], values, _sentence(metrics, values))


def _sentence(metrics: Sequence[Metric], values: Sequence[float]) -> str:
    if not metrics:
        return "This run has logged no number yet."
    known = sum(metric.quantity is not None for metric in metrics)
    warned = sum(metric.caveat is not None for metric in metrics)
    odd = int((~np.isfinite(values)).sum())
    said = [
        f"{len(metrics):,} metric{'s' if len(metrics) > 1 else ''} in {_several(len(groups(metrics)), 'group')}",
        f"{known:,} with a meaning that Stepwell knows",
        *([f"{warned:,} with a caveat"] if warned else []),
        *([f"{odd:,} not finite at the newest step"] if odd else []),
    ]
    return "; ".join(said) + "."


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def groups(metrics: Sequence[Metric], under: str = "") -> dict[str, int]:
    """Group -> how many metrics are in it: the next parts of the names that begin with the group `under`, by name.

    A name that ends there is in no further group; at the top, such names are the group "other".
    """
    count: Counter[str] = Counter()
    for metric in metrics:
        name = metric.name
        if not within(name, under):
            continue
        cut = BETWEEN.search(name, len(under) + 1 if under else 1)
        if cut:
            count[name[: cut.start()]] += 1
        elif not under:
            count["other"] += 1
    return dict(sorted(count.items()))


def within(name: str, group: str) -> bool:
    """Is the metric in the group? Every metric is in ""."""
    if group == "other":
        return BETWEEN.search(name, 1) is None
    return not group or (name.startswith(group) and BETWEEN.match(name, len(group)) is not None)


def matching(metrics: Sequence[Metric], wanted: str, group: str = "") -> list[Metric]:
    """Those of the group whose name or quantity the regex finds, whatever the case; what is no regex is plain text.

    RE2 searches: its time grows with the text alone, so that no pattern can keep the server busy.
    """
    inside = [metric for metric in metrics if within(metric.name, group)]
    if not wanted or not inside:
        return inside
    texts = pa.array([f"{metric.name}\n{metric.quantity or ''}" for metric in inside], pa.string())
    try:
        hit = pc.match_substring_regex(texts, f"(?m){wanted}", ignore_case=True)
    except pa.ArrowInvalid:
        hit = pc.match_substring(texts, wanted, ignore_case=True)
    return [metric for metric, found in zip(inside, hit.to_pylist(), strict=True) if found]
