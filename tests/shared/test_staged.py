"""Readiness on the labelled runs whose context was extended: what the rule says before the first extension."""

from __future__ import annotations

import numpy as np
import pytest

from analyses.readiness import CUT, Course, Past, Scores, past
from tests.shared.test_labelled import labels, rows_of

STAGED = sorted(name for name, label in labels().items() if label["kind"] == "staged")
FLAT = "staged-0000"  # 6 to 7 % are cut off from its first row, and the share rises by less than 1 point in 300 steps


def before_the_first_cut(name: str) -> tuple[Past, int | None]:
    """What was said, and the step at which the truncated share (its mean over 20 rows) crossed 5 % to stay above."""
    rows = rows_of(name)
    columns = rows.columns
    limit = columns["context_limit"]
    kept = np.arange(len(rows)) < np.flatnonzero(limit != limit[0])[0]
    ratio = np.full(len(rows), np.nan)
    stages = np.zeros(len(rows), np.int64)
    course = Course(rows.steps, stages, columns["truncation_fraction"], columns["response_length_mean"], ratio)
    score, n = columns["val_score"], columns["val_n"]
    there = np.isfinite(score) & kept
    error = np.sqrt(score[there] * (1 - score[there]) / n[there])
    course = Course(*(getattr(course, field)[kept] for field in Course.__dataclass_fields__))
    level = np.convolve(course.truncated, np.ones(20) / 20, mode="valid")
    under = np.flatnonzero(level < CUT)
    crossed = 0 if not len(under) else int(under[-1]) + 1
    step = int(course.steps[crossed]) if crossed < len(level) else None
    return past(course, Scores(rows.steps[there], score[there], error)), step


@pytest.mark.parametrize("name", STAGED)
def test_the_rule_says_extend_within_60_steps_of_crossing_5_percent_and_never_without(name: str) -> None:
    said, crossed = before_the_first_cut(name)
    first = said.first("extend")
    if crossed is None:
        assert first is None
    elif name != FLAT:
        assert first is not None and first <= crossed + 20 + 60  # 20 rows make the mean that crosses
