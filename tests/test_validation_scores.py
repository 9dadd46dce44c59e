"""Trainers' own validations told as evaluations: what a name says, which limit held, how sure a score can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from answers.evaluations import FROM_N, FROM_QUESTIONS, UNKNOWN, evaluations, scored
from answers.leaderboard import leaderboard, spelt
from answers.reward_kinds import reward_kinds
from answers.tries import tries
from answers.validation import Named, named, said_of
from collectors.store import understand
from db import documents, metrics, runs
from db.block import block_of
from db.documents import Document
from db.engine import open_store, reading, writing
from db.evaluations import Entry, Evaluation, Questions, Score
from tests.stores import make_run

MEAN, BEST = "val-core/aime/acc/mean@16", "val-core/aime/acc/best@16/mean"


@pytest.fixture
def store(tmp_path: Path) -> sa.Engine:
    return open_store(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.mark.parametrize(
    ("name", "quantity", "told"),
    [
        (MEAN, "val_score", ("aime", "avg@k", 16)),
        (BEST, "val_best_at_k", ("aime", "best@k", 16)),
        ("val-core/a/b/acc/maj@8/mean", "val_maj_at_k", ("a/b", "maj@k", 8)),
        ("val-core/sums/reward/mean_at_1", "val_score", ("sums", "avg@k", 1)),
        ("val/test_score/deepscaler/math", "val_score", ("deepscaler/math", "validation score", None)),
        ("val/test_score/pass@k/lcb", "val_pass_at_k", ("lcb", "pass@k", None)),
        ("val/aime24/pass@1", "val_score", ("aime24", "pass@k", 1)),
        ("eval_math_pass4", "val_pass_at_k", ("math", "pass@k", 4)),
        ("validation/accuracy", "val_score", ("validation", "accuracy", None)),
        ("val/reward_score", "val_score", ("validation", "validation score", None)),
        ("eval/all/avg_score", "val_score", ("validation", "validation score", None)),
        ("eval_reward", "val_score", ("validation", "validation score", None)),
        ("val-core/数学/acc/mean@4", "val_score", ("数学", "avg@k", 4)),
        ("", "val_score", ("validation", "validation score", None)),
    ],
)
def test_what_a_name_tells(name: str, quantity: str, told: tuple[str, str, int | None]) -> None:
    assert named(name, quantity) == Named(*told)


def test_what_a_config_says_of_validation() -> None:
    config = {
        "actor_rollout_ref.rollout.val_kwargs.temperature": 0.6,
        "actor_rollout_ref.rollout.val_kwargs.top_p": 0.95,
        "actor_rollout_ref.rollout.val_kwargs.n": 16,
        "eval_max_response_len": 32768,
        "actor_rollout_ref.rollout.response_length": 8192,
        "eval_every_n": 5,
        "val.temperature": True,
    }
    assert said_of(config) == {"temperature": 0.6, "top_p": 0.95, "n": 16, "limit": 32768}


def test_latest_and_best_stand_beside_the_documents(store: sa.Engine) -> None:
    values = [{MEAN: v, "actor/entropy": 0.3} for v in (0.2, 0.5, 0.4)]
    with writing(store) as connection:
        run = make_run(connection, "p", "r", [block_of([1, 2, 3], values, [0.0] * 3)])
        runs.set_config(connection, run, {"val_kwargs.n": 16}, {"context_limit": 8192})
        metrics.refresh(connection, understand, "afresh")
        score = Score(system="m", benchmark="aime", metric="pass@k", k=1, value=0.4, unit="fraction")
        documents.put(connection, Document("/e/x.csv", "evaluation", "scores-csv", "a", 1, 1.0), [Entry(score, 1)])
    with reading(store) as connection:
        found = evaluations(connection, None, "aime")
        assert [one.said.value for one in evaluations(connection, [run]).scores] == [0.4, 0.5]
    stored, latest, best = found.scores
    assert (stored.said.system, latest.said.step, best.said.step) == ("m", 3, 2)
    assert (latest.said.metric, latest.said.k, latest.said.unit) == ("avg@k", 16, "fraction")
    assert (latest.said.train_context, latest.said.eval_context) == (8192, 8192)
    assert latest.said.note.endswith("the settings state none for validation.") and "luckiest" in best.said.note
    assert found.sentence == "3 scores of 2 systems on 1 benchmark; 1 do not say at which limit."


def test_how_sure_a_score_can_be() -> None:
    """dynamics.md 6.1: a share of .43 of 30 questions with one sample each, total 9.04 points."""
    said = Evaluation(
        system="m", benchmark="b", metric="accuracy", value=0.43, unit="fraction", n_questions=30, k_samples=1
    )
    one = scored(said)
    assert (round(100 * (one.error or 0), 2), one.how) == (9.04, FROM_N)
    right = np.array([16, 0] * 15, np.int32)
    told = Questions(tuple(map(str, range(30))), np.full(30, 16, np.int32), right)
    sure = scored(Evaluation(system="m", benchmark="b", metric="pass@k", k=1, value=50.0, unit="percent"), told)
    assert sure.how == FROM_QUESTIONS and sure.error == pytest.approx(50 / 29**0.5)
    assert sure.conditional == 0.0  # each question is always or never right
    rating = scored(Evaluation(system="m", benchmark="b", metric="rating", value=1936.0, unit="rating", n_questions=9))
    assert (rating.error, rating.how, rating.percent) == (None, UNKNOWN, None)


def test_kinds_of_reward_are_told_apart(store: sa.Engine) -> None:
    """A checked 0 or 1, a graded reward, a reward model that the config names, and a log that cannot tell."""
    names = [f"critic/score/{stat}" for stat in ("mean", "min", "max")]
    values = {"checked": (0.4, 0.0, 1.0), "graded": (0.4, -0.3, 0.9), "model": (2.0, -1.0, 4.0), "bare": (0.4,)}
    with writing(store) as connection:
        for run, told in values.items():
            said = dict(zip(names, told, strict=False))
            run_id = make_run(connection, "p", run, [block_of([1, 2], [said, said], [0.0] * 2)])
            if run == "model":
                runs.set_config(connection, run_id, {"reward_model.enable": True}, {})
        metrics.refresh(connection, understand, "afresh")
    with reading(store) as connection:
        kinds = reward_kinds(connection)
    assert {one.run.name: one.kind for one in kinds.runs} == {
        "checked": "0 or 1", "graded": "graded", "model": "reward model", "bare": "not known",
    }  # fmt: skip
    assert kinds.sentence == (
        "Of 4 runs 1 learnt from a checked 0 or 1, 1 learnt from a graded reward, 1 learnt from a reward model, "
        "of 1 the log does not tell."
    )


def test_tries_and_places(store: sa.Engine) -> None:
    """dynamics.md 6.5: n = 10, c = 3 gives .3 at k = 1 and 1 at k = 8."""
    asked = Questions(("q",), np.array([10], np.int32), np.array([3], np.int32))
    mine = Score(system="mine", benchmark="aime24", metric="pass@k", k=1, value=0.3, unit="fraction")
    theirs = Score(
        system="theirs", benchmark="AIME 2024", metric="accuracy", value=60.0, unit="percent", published=True,
        eval_context=65536,
    )  # fmt: skip
    rating = Score(system="theirs", benchmark="CF", metric="rating", value=1936.0, unit="rating", published=True)
    with writing(store) as connection:
        paper = Document("/e/x.csv", "evaluation", "scores-csv", "a", 1, 1.0)
        documents.put(connection, paper, [Entry(mine, 1, asked), Entry(theirs, 2), Entry(rating, 3)])
    with reading(store) as connection:
        (curve,) = tries(connection)
        board = leaderboard(connection)
    assert curve.k.tolist() == [1, 2, 4, 8, 10] and curve.value.tolist() == pytest.approx(
        [30, 100 * (1 - 21 / 45), 100 * (1 - 35 / 210), 100, 100]
    )
    assert board.columns == ("AIME 2024", "CF · rating")
    assert {place.system: place.yours for place in board.places} == {"mine": True, "theirs": False}
    assert "your best is mine with 30.0 %, rank 2. Their limits differ or are not stated" in board.sentence
    assert spelt("AIME-24") == spelt("aime_2024") != spelt("AIME 2025")
