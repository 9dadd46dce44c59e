"""Scores of systems and runs on benchmarks: the rows of `evaluations`, and question by question where a file tells."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from db.redact import redact_text
from db.schema import config, documents, evaluation_questions, projects, runs, shelved
from db.schema import evaluations as table
from db.text import storable

LONGEST = 2000  # characters of a text column: what a file says is untrusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One score, as a document tells it. None and "" mean that it does not tell.

    value and standard_error are in `unit`: fraction (0–1), percent (0–100), rating, percentile, score, nats, problems …
    train_context, eval_context: tokens that a response may have. others: what else the entry said, by its names.
    """

    system: str
    benchmark: str
    metric: str
    value: float | None
    unit: str
    checkpoint: str = ""
    step: int | None = None
    k: int | None = None
    standard_error: float | None = None
    n_questions: int | None = None
    k_samples: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    train_context: int | None = None
    eval_context: int | None = None
    truncated_fraction: float | None = None
    response_length_mean: float | None = None
    published: bool = False
    origin: str = ""
    note: str = ""
    others: str = "{}"


@dataclass(frozen=True, slots=True)
class Questions:
    """ids: n names; samples: int32 (n,), answers given to each; right: int32 (n,), how many of them were right."""

    ids: tuple[str, ...]
    samples: np.ndarray
    right: np.ndarray


@dataclass(frozen=True, slots=True)
class Entry:
    """What a reader gives: a score, its place in the document (entry or line, from 1), and its questions."""

    score: Score
    position: int
    questions: Questions | None = None
    run_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Score):
    """A stored score. path: of the document that told it; run: "project/name" of the run it belongs to, or "".

    A score of a trainer's own validation metrics has no row: id and document_id are 0 and `path` is the log's.
    """

    id: int = 0
    document_id: int = 0
    run_id: int | None = None
    position: int = 0
    path: str = ""
    run: str = ""
    has_questions: bool = False


SAID = tuple(Score.__dataclass_fields__)
RANGES = dict.fromkeys(("step", "train_context", "eval_context"), 1 << 63)
TEXTS = ("system", "checkpoint", "benchmark", "metric", "unit", "origin", "note", "others")


def replace_scores(connection: sa.Connection, document_id: int, run_id: int | None, entries: Sequence[Entry]) -> None:
    """All that a document says, in place of what it said before; in the transaction that writes the document."""
    connection.execute(sa.delete(table).where(table.c.document_id == document_id))
    if not entries:
        return
    rows = [_row(entry, document_id, entry.run_id or run_id) for entry in entries]
    connection.execute(sa.insert(table), rows)
    told = {entry.position: entry.questions for entry in entries if entry.questions is not None}
    if not told:
        return
    places = sa.select(table.c.position, table.c.id).where(table.c.document_id == document_id)
    ids = {int(position): int(of) for position, of in connection.execute(places)}
    connection.execute(sa.insert(evaluation_questions), [_questions(ids[at], said) for at, said in told.items()])


def _row(entry: Entry, document_id: int, run_id: int | None) -> dict[str, Any]:
    row = {name: _number(name, getattr(entry.score, name)) for name in SAID}
    row |= {name: storable(redact_text(row[name][:LONGEST])) for name in TEXTS if name != "others"}
    row["others"] = storable(row["others"])
    return row | {"document_id": document_id, "run_id": run_id, "position": entry.position}


def _number(name: str, value: Any) -> Any:
    """As the column takes it: what is not finite or beyond its range is not known."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if type(value) is int and abs(value) >= RANGES.get(name, 1 << 31) else value


def _questions(evaluation_id: int, said: Questions) -> dict[str, Any]:
    return {
        "evaluation_id": evaluation_id,
        "questions": storable(json.dumps(list(said.ids), ensure_ascii=False)),
        "samples": said.samples.astype("<i4").tobytes(),
        "right": said.right.astype("<i4").tobytes(),
    }


def evaluations(
    connection: sa.Connection, *, benchmark: str | None = None, run_ids: Collection[int] | None = None
) -> list[Evaluation]:
    """The stored scores, by document and place in it; of one benchmark, of these runs. Those of deleted runs are not
    among them. The scores that trainers log as points are added by `answers.evaluations.every`."""
    told = sa.exists().where(evaluation_questions.c.evaluation_id == table.c.id)
    label = projects.c.name + "/" + runs.c.name
    query = (
        sa.select(
            *[table.c[name] for name in (*SAID, "id", "document_id", "run_id", "position")],
            documents.c.path,
            sa.func.coalesce(label, "").label("run"),
            told.label("has_questions"),
        )
        .join(documents, documents.c.id == table.c.document_id)
        .join(runs, runs.c.id == table.c.run_id, isouter=True)
        .join(projects, projects.c.id == runs.c.project_id, isouter=True)
        .order_by(documents.c.path, table.c.position)
    )
    gone = sa.select(shelved.c.run_id).where(shelved.c.how == "deleted")
    query = query.where(table.c.run_id.is_(None) | table.c.run_id.not_in(gone))
    if benchmark is not None:
        query = query.where(table.c.benchmark == benchmark)
    if run_ids is not None:
        query = query.where(table.c.run_id.in_(run_ids))
    return [Evaluation(**row._mapping) for row in connection.execute(query)]


def validation_config(connection: sa.Connection, run_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """run id -> the part of its config that may be about validation, by key."""
    about = config.c.key.like("%val%")  # "eval" holds it, too
    query = sa.select(config.c.run_id, config.c.key, config.c.value).where(config.c.run_id.in_(run_ids), about)
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for run_id, key, value in connection.execute(query):
        found[run_id][key] = json.loads(value)
    return found


def in_lines(scores: Sequence[Evaluation], longest: int) -> str:
    """A line per score, "AIME 2024 pass@1: 0.43 fraction, limit 32768, step 120"; as many as there is room for."""
    lines: list[str] = []
    for one in scores:
        metric = one.metric.replace("@k", f"@{one.k}") if one.k is not None else one.metric
        limit = "limit not stated" if one.eval_context is None else f"limit {one.eval_context}"
        step = "" if one.step is None else f", step {one.step}"
        value = "not known" if one.value is None else f"{one.value:.6g} {one.unit}"
        lines.append(f"{one.benchmark} {metric}: {value}, {limit}{step}")
        if sum(map(len, lines)) + len(lines) > longest:
            return "\n".join([*lines[:-1], "…"])[:longest]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Owned:
    """What tells whose a score is."""

    document_id: int
    run_id: int | None
    system: str
    checkpoint: str
    published: bool


def owners(connection: sa.Connection) -> dict[int, Owned]:
    """evaluation id -> whose it is held to be, and by what one may tell."""
    query = sa.select(table.c.id, *[table.c[name] for name in Owned.__dataclass_fields__])
    return {int(row[0]): Owned(*row[1:]) for row in connection.execute(query)}


def attach(connection: sa.Connection, owners: Mapping[int, int | None]) -> None:
    """Whose some scores are was learnt (or lost) after they were stored: evaluation id -> run id."""
    if owners:
        to = sa.update(table).where(table.c.id == sa.bindparam("of")).values(run_id=sa.bindparam("whose"))
        connection.execute(to, [{"of": of, "whose": run_id} for of, run_id in owners.items()])


def counts(connection: sa.Connection) -> dict[int, int]:
    """document id -> how many scores it told."""
    query = sa.select(table.c.document_id, sa.func.count()).group_by(table.c.document_id)
    return {int(of): int(n) for of, n in connection.execute(query)}


def questions_of(connection: sa.Connection, evaluation_ids: Collection[int]) -> dict[int, Questions]:
    """evaluation id -> its questions, for those whose document tells question by question."""
    query = sa.select(evaluation_questions).where(evaluation_questions.c.evaluation_id.in_(evaluation_ids))
    return {
        int(row.evaluation_id): Questions(
            tuple(json.loads(row.questions)), np.frombuffer(row.samples, "<i4"), np.frombuffer(row.right, "<i4")
        )
        for row in connection.execute(query)
    }
