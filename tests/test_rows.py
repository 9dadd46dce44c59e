"""A source's records as the detectors read them, up to a torn end and after it."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa

from db.block import block_of
from db.engine import reading, writing
from db.rows import rows_of
from db.runs import attempts_of
from tests.stores import log_more, make_run, ramp

LOSS, SCORE = "actor/pg_loss", "critic/score/mean"
WANTED = ["policy_loss", "score_mean"]


def test_a_torn_end_of_several_stretches_is_read_apart_from_what_stands_before_it(engine: sa.Engine) -> None:
    torn = block_of([6, 7, 8, 9], [{SCORE: 6.5}, *({LOSS: step, SCORE: step + 0.5} for step in (7.0, 8.0, 9.0))])
    with writing(engine) as connection:
        run = make_run(connection, "project", "run", [ramp(1, 5, (LOSS, SCORE))])
        log_more(connection, "/logs/project/run/train.log", [], torn=torn)
    with reading(engine) as connection:
        [attempt] = attempts_of(connection, [run])
        before = rows_of(connection, "verl", [attempt], WANTED, until=(attempt.id, 5))
        after = rows_of(connection, "verl", [attempt], WANTED, after=(attempt.id, 5))
    assert before.steps.tolist() == [1, 2, 3, 4, 5]
    assert after.steps.tolist() == [6, 7, 8, 9]
    assert before.columns["score_mean"].tolist() == [1.1, 2.1, 3.1, 4.1, 5.1]
    assert after.columns["score_mean"].tolist() == [6.5, 7.5, 8.5, 9.5]
    [loss] = set(after.columns) - {"score_mean"}
    assert after.logged[loss].tolist() == [False, True, True, True]
    assert np.isnan(after.columns[loss][0]) and after.columns[loss][1:].tolist() == [7.0, 8.0, 9.0]
