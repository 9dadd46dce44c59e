"""When to extend the context: planted runs with a known answer, no look-ahead, coverage and speed of the draws."""

from __future__ import annotations

import numpy as np
import pytest

from analyses import blocks
from analyses.readiness import Course, Floats, Past, Readiness, Scores, now, past


def course(cut: Floats, length: Floats, *, noise: float = 0.004, ratio: float = 1.2, seed: int = 0) -> Course:
    rng = np.random.default_rng(seed)
    n = len(cut)
    shaken = np.clip(cut + rng.normal(0, noise, n), 0, 1)
    wrong = np.full(n, ratio)
    return Course(np.arange(n), np.zeros(n, np.int64), shaken, length * np.exp(rng.normal(0, 0.01, n)), wrong)


def flat(n: int, *, slope: float = 0.0, every: int = 10, seed: int = 0) -> Scores:
    steps = np.arange(0, n, every)
    values = 0.45 + slope * steps + np.random.default_rng(seed).normal(0, 0.015, len(steps))
    return Scores(steps, values, np.full(len(steps), 0.09))


STEP = np.arange(300.0)
RISING = np.where(STEP < 100, 0.042, 0.042 + 0.0004 * (STEP - 100))  # crosses 5 % at step 120
GROWING = np.where(STEP < 100, 4000.0, 4000 + 5 * (STEP - 100))


def both(one: Course, scores: Scores | None) -> tuple[Past, Readiness]:
    return past(one, scores), now(one, scores)


@pytest.mark.parametrize("seed", range(3))
def test_rising_truncation_on_a_flat_score_says_extend_within_60_steps(seed: int) -> None:
    before, last = both(course(RISING, GROWING, seed=seed), flat(300, seed=seed))
    first = before.first("extend")
    assert first is not None and 100 <= first <= 180
    assert last.verdict == "extend" and last.readiness > 0.9 and last.blocks == ()
    assert "Extend: about 12 % of the responses are cut off" in last.sentence


def test_a_u_shaped_length_with_falling_truncation_says_stay() -> None:
    valley = 4000 + 0.1 * (STEP - 200) ** 2  # lengths fall, then rise again
    before, last = both(course(0.15 - 0.0003 * STEP, valley), flat(300))
    assert before.first("extend") is None
    assert last.verdict == "stay" and "the share falls" in last.sentence


def test_a_score_that_still_rises_blocks() -> None:
    _, last = both(course(RISING, GROWING), flat(300, slope=0.003))
    assert last.verdict == "stay" and last.blocks == ("score has stopped rising",)
    assert "the validation score may still be rising" in last.sentence


def test_each_condition_has_its_interval() -> None:
    conditions = {one.name: one for one in now(course(RISING, GROWING), flat(300)).conditions}
    rise, grow = conditions["truncated share rises"], conditions["responses grow"]
    assert rise.low < 0.04 < rise.high and rise.unit == "fraction per 100 steps"
    assert 300 < grow.low < grow.value < grow.high < 700 and rise.low > 0 < grow.low


def test_long_wrong_answers_say_shorten_first() -> None:
    _, last = both(course(RISING + 0.2, GROWING, ratio=2.5), flat(300))
    assert last.verdict == "shorten" and "2.5 times as long" in last.sentence


@pytest.mark.parametrize("stand_in", ["", "training reward"])
def test_a_past_verdict_rests_on_the_rows_up_to_it(stand_in: str) -> None:
    whole, scores = course(RISING, GROWING), flat(300, every=1 if stand_in else 10)
    scores = Scores(scores.steps, scores.values, scores.errors, stand_in)
    said = past(whole, scores)
    for end in (9, 57, 123, 180, 241):
        early = Course(*(getattr(whole, name)[:end] for name in Course.__dataclass_fields__))
        seen = scores.steps < end
        then = past(early, Scores(scores.steps[seen], scores.values[seen], scores.errors[seen], stand_in))
        assert then.codes.tolist() == said.codes[:end].tolist()
        np.testing.assert_array_equal(then.readiness, said.readiness[:end])


def test_a_new_limit_starts_afresh() -> None:
    one = course(RISING, GROWING)
    split = Course(one.steps, (one.steps >= 250).astype(np.int64), one.truncated, one.length, one.wrong_to_right)
    verdicts = past(split, flat(300))
    assert verdicts.codes[249] != 0 and verdicts.codes[252] == 0 and np.isnan(verdicts.readiness[252])


@pytest.mark.parametrize("n", [0, 1, 7])
def test_too_few_rows_are_said_to_be(n: int) -> None:
    before, last = both(course(RISING[:n], GROWING[:n]), flat(n))
    assert last.verdict == "unknown" and "fewer than 8 rows" in last.sentence
    assert len(before.steps) == n and before.first("extend") is None


def test_without_any_score_nothing_is_judged() -> None:
    before, last = both(course(RISING, GROWING), None)
    assert last.verdict == "unknown" and np.isnan(before.readiness).all()


def test_nan_everywhere_is_unknown() -> None:
    blank = np.full(50, np.nan)
    assert now(Course(np.arange(50), np.zeros(50, np.int64), blank, blank, blank), flat(50)).verdict == "unknown"


@pytest.mark.parametrize(("r", "low"), [(0.0, 0.93), (0.5, 0.91)])
def test_a_nominal_95_percent_covers(r: float, low: float) -> None:
    """Slopes of windows of 60 rows of an AR(1): all figures are in benchmarks/README.md."""
    rng = np.random.default_rng(5)
    noise = np.zeros((1500, 60))
    noise[:, 0] = rng.normal(size=1500) / np.sqrt(1 - r * r)
    for t in range(1, 60):
        noise[:, t] = r * noise[:, t - 1] + rng.normal(size=1500)
    (drawn,) = blocks.draw(noise + 0.1 * np.arange(60), [blocks.slope_of(60)])
    bottom, top = drawn.interval()
    assert low <= np.mean((bottom <= 0.1) & (top >= 0.1)) <= 0.97


def test_functionals_are_what_they_say() -> None:
    line = 3 + 0.5 * np.arange(40.0)[None]
    slope, end = blocks.draw(line, [blocks.slope_of(40), blocks.end_of(40)])
    (mean,) = blocks.draw(line, [blocks.mean_of(40)], line=False)
    assert slope.estimate[0] == pytest.approx(0.5) and end.estimate[0] == pytest.approx(22.5)
    assert mean.estimate[0] == pytest.approx(12.75)
    assert np.ptp(slope.draws) < 1e-5  # a line without noise has no interval
