"""Which experts matter to a task, which were tuned, how much two tasks share? From the files that ESFT writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from analyses import experts
from analyses.experts import PUBLISHED, Chosen, Load, Normalisation, Table
from db import documents
from db.documents import Document

Kind = Literal["token", "gate"]
SAID = {
    "per layer": "each layer's scores sum to 1",
    "over layers": "each expert number's scores sum to 1 over the layers, so a layer's scores are no shares of its "
    "tokens: a selection by p follows the file, not the paper",
    "none": "mean gate values",
}


@dataclass(frozen=True, slots=True)
class Task:
    """One task. scores (layers, experts); layers: their numbers in the model. chosen: the smallest sets reaching p.

    tuned: what the task's expert config names, None without one; agrees: layers in which that is `chosen`.
    load: of the token scores, per layer; None where only gate scores are known. counted: from routing files.
    """

    name: str
    path: str
    kind: Kind
    scores: Table
    layers: tuple[int, ...]
    normalisation: Normalisation
    counted: bool
    chosen: Chosen
    tuned: Chosen | None
    agrees: int | None
    load: tuple[Load, ...] | None

    @property
    def share(self) -> float:
        """Of all experts, those chosen."""
        return float(self.chosen.mean())

    @property
    def dead(self) -> float | None:
        """Of all experts, those that get less than a tenth of an equal share of tokens."""
        return float(np.mean([one.dead for one in self.load])) if self.load else None

    @property
    def caveat(self) -> str:
        if self.normalisation != "none":
            return SAID[self.normalisation]
        sums = self.scores.sum(axis=1)
        return f"{SAID['none']}, which sum to {sums.min():.2f}–{sums.max():.2f} a layer: p is measured against that"


@dataclass(frozen=True, slots=True)
class Experts:
    """jaccard: (one task, other task) -> shared experts over all that either chose, for tables of one shape."""

    kind: Kind
    p: float
    tasks: tuple[Task, ...]
    jaccard: dict[tuple[str, str], float]
    sentence: str


def chosen_experts(connection: sa.Connection, kind: Kind = "token", p: float | None = None) -> Experts:
    """Every task whose scores the store holds. p: the share to reach; the paper's for this kind when None.

    Raises ValueError unless 0 < p <= 1.
    """
    share = PUBLISHED[kind] if p is None else p
    configs = [json.loads(one.content) for one in documents.of_kind(connection, "expert_config") if one.content]
    tuned = {str(config["task"]): config["experts"] for config in configs}
    found = _tables(documents.of_kind(connection, "expert_scores"), kind)
    tasks = tuple(_task(name, *told, kind, share, tuned.get(name)) for name, told in sorted(found.items()))
    shared = {
        (one.name, other.name): experts.jaccard(one.chosen, other.chosen)
        for place, one in enumerate(tasks)
        for other in tasks[place + 1 :]
        if one.layers == other.layers and one.scores.shape == other.scores.shape
    }
    return Experts(kind, share, tasks, shared, _sentence(tasks, shared, kind, share))


def _tables(found: Sequence[Document], kind: Kind) -> dict[str, tuple[str, dict[int, list[float]], bool]]:
    """Task -> (path, layer -> scores, counted from routing). A summary goes before the routing it was made from."""
    tables: dict[str, tuple[str, dict[int, list[float]], bool]] = {}
    for document in sorted(found, key=lambda one: one.format == "esft-weights"):
        told = json.loads(document.content or "{}")
        scores, name = told.get(kind), str(told.get("task", ""))
        if not scores:
            continue
        if isinstance(scores, dict):
            tables[name] = (document.path, {int(layer): row for layer, row in scores.items()}, False)
        elif name not in tables or tables[name][2]:
            path, rows, _ = tables.get(name, (document.path, {}, True))
            tables[name] = (path, rows | {int(told["layer"]): scores}, True)
    return tables


def _task(name: str, path: str, rows: dict[int, list[float]], counted: bool, kind: Kind, p: float, tuned: Any) -> Task:
    layers = tuple(sorted(rows))
    scores = np.zeros((len(layers), max(len(row) for row in rows.values())))
    for place, layer in enumerate(layers):
        scores[place, : len(rows[layer])] = rows[layer]
    chosen = experts.select(scores, p)
    config = None if tuned is None else _as_sets(tuned, layers, scores.shape[1])
    return Task(
        name=name,
        path=path,
        kind=kind,
        scores=scores,
        layers=layers,
        normalisation=experts.normalisation(scores),
        counted=counted,
        chosen=chosen,
        tuned=config,
        agrees=None if config is None else int((config == chosen).all(axis=1).sum()),
        load=tuple(experts.load(row) for row in scores) if kind == "token" else None,
    )


def _as_sets(tuned: Mapping[str, Sequence[int]], layers: Sequence[int], count: int) -> Chosen:
    sets = np.zeros((len(layers), count), bool)
    for place, layer in enumerate(layers):
        sets[place, [one for one in tuned.get(str(layer), ()) if one < count]] = True
    return sets


def _sentence(tasks: Sequence[Task], shared: Mapping[tuple[str, str], float], kind: Kind, p: float) -> str:
    if not tasks:
        return ""
    shares = [task.share for task in tasks]
    low, high = 100 * min(shares), 100 * max(shares)
    range_ = f"{low:.1f} %" if len(tasks) == 1 else f"{low:.1f}–{high:.1f} %"
    said = f"The smallest sets that reach p = {p:g} of the {kind} scores hold {range_} of the experts"
    if shared:
        (one, other), most = max(shared.items(), key=lambda item: item[1])
        said += f"; of all pairs of tasks {one} and {other} share most (Jaccard {most:.2f})"
    return said + "."
