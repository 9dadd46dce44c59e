"""Documents and their scores in the store: replaced as a whole, nothing doubled, nothing left behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sqlalchemy as sa

from db import documents, evaluations, runs
from db.documents import Document
from db.engine import reading, writing
from db.evaluations import Entry, Questions, Score

PAPER = Document("/r/results.json", "evaluation", "lm-eval", "a1", 10, 1.0)
AIME = Score(system="m", benchmark="AIME 2024", metric="accuracy", value=0.43, unit="fraction", k=1, step=10)


def test_a_document_replaces_what_it_said(engine: sa.Engine) -> None:
    told = Questions(("问题 1", "q2"), np.array([4, 4]), np.array([1, 3]))
    with writing(engine) as connection:
        run = runs.make(connection, "p", "run", "/r")
        first = documents.put(
            connection, PAPER, [Entry(AIME, 1, told), Entry(replace(AIME, benchmark="MATH"), 2, run_id=run)]
        )
        again = documents.put(connection, replace(PAPER, fingerprint="b2"), [Entry(replace(AIME, value=0.5), 1, told)])
    with reading(engine) as connection:
        (one,) = evaluations.evaluations(connection)
        (held,) = documents.known(connection)
        questions = evaluations.questions_of(connection, [one.id])[one.id]
        assert len(connection.execute(sa.text("SELECT * FROM evaluation_questions")).all()) == 1
    assert first == again == held.id and held.fingerprint == "b2"
    assert (one.value, one.step, one.path, one.run, one.has_questions) == (0.5, 10, "/r/results.json", "", True)
    assert questions.ids == ("问题 1", "q2") and questions.right.tolist() == [1, 3]


def test_scores_of_a_run_a_benchmark_and_a_deleted_run(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        run = runs.make(connection, "p", "run", "/r")
        documents.put(
            connection, replace(PAPER, run_id=run), [Entry(AIME, 1), Entry(replace(AIME, benchmark="MATH"), 2)]
        )
    with reading(engine) as connection:
        assert [one.benchmark for one in evaluations.evaluations(connection, run_ids=[run])] == ["AIME 2024", "MATH"]
        assert [one.run for one in evaluations.evaluations(connection, benchmark="MATH")] == ["p/run"]
        assert evaluations.evaluations(connection, run_ids=[]) == []
    with writing(engine) as connection:
        connection.execute(sa.text("INSERT INTO shelved (run_id, how, at) VALUES (:run, 'deleted', 0)"), {"run": run})
        assert evaluations.evaluations(connection) == [] and documents.of_kind(connection, "evaluation") == []
        documents.forget(connection, ["/r/results.json"])
        assert documents.known(connection) == []


def test_what_a_column_cannot_hold_is_unknown(engine: sa.Engine) -> None:
    odd = replace(AIME, value=float("nan"), step=1 << 70, n_questions=1 << 40, system="a\0b\ud800", note="x" * 9999)
    with writing(engine) as connection:
        documents.put(connection, PAPER, [Entry(odd, 1)])
        (one,) = evaluations.evaluations(connection)
    assert (one.value, one.step, one.n_questions, len(one.note)) == (None, None, None, 2000)
