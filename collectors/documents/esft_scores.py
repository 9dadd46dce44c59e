"""ESFT's expert scores of a task, `results/expert_scores/<task>/summary.json`: layer -> expert -> score.

{"token_scores": {"1": {"0": 0.0101, "1": 0.0119, …}, "2": …}, "gate_scores": {"1": {"0": 0.0042, …}, …}}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, broken, parsed

NAME = "esft-scores"
KIND = "expert_scores"
TABLES = {"token": "token_scores", "gate": "gate_scores"}
MOST = 4096  # layers, and experts of one


def recognises(sample: Sample) -> bool:
    head = sample.head.lstrip()[:200]
    return head.startswith(b"{") and any(f'"{name}"'.encode() in head for name in TABLES.values())


def read(path: Path, data: bytes) -> Document:
    try:
        said = parsed(data)
    except Broken as error:
        return broken(error)
    tables = {kind: said.get(name) for kind, name in TABLES.items()} if isinstance(said, dict) else {}
    found: dict[str, dict[str, list[float]]] = {}
    unread: list[Unread] = []
    for kind, table in tables.items():
        if table is None:
            continue
        try:
            found[kind] = layers(table)
        except ValueError as error:
            unread.append(Unread(1, f"{TABLES[kind]}: {error}"))
    if not found and not unread:
        unread.append(Unread(1, "neither token_scores nor gate_scores"))
    return Document(content=json.dumps({"task": path.parent.name, **found}), unread=unread)


def layers(table: Any) -> dict[str, list[float]]:
    """Layer -> scores by expert number, in the order of layers; an expert not named scores 0. Raises ValueError."""
    if not isinstance(table, dict) or not 0 < len(table) <= MOST:
        raise ValueError("expected an object of layers")
    return {str(layer): _scores(layer, table[layer]) for layer in sorted(table, key=_number)}


def _scores(layer: str, told: Any) -> list[float]:
    if not isinstance(told, dict) or not told:
        raise ValueError(f"layer {layer[:20]}: expected an object of experts")
    numbers = {_number(expert): score for expert, score in told.items()}
    scores = [0.0] * (max(numbers) + 1)
    for expert, score in numbers.items():
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score < float("inf"):
            raise ValueError(f"layer {layer[:20]}, expert {expert}: expected a score, got {str(score)[:40]}")
        scores[expert] = float(score)
    return scores


def _number(name: str) -> int:
    if not (name.isascii() and name.isdigit()) or len(name) > 4 or int(name) >= MOST:
        raise ValueError(f"expected a number below {MOST}, got {name[:40]!r}")
    return int(name)
