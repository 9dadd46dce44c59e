"""Runs, seeds and ablations (dynamics 6.4): oracles, and how often noise is taken for a difference."""

from __future__ import annotations

import numpy as np
import pytest

from analyses import comparison as co
from analyses.resample import stickiness


def ar(rng: np.random.Generator, n: int, r: float) -> np.ndarray:
    rows = rng.normal(0, 1, n)
    rows[0] /= np.sqrt(1 - r * r)
    for i in range(1, n):
        rows[i] += r * rows[i - 1]
    return rows


def test_oracles() -> None:
    assert co.iqm(np.arange(1, 9)) == 4.5
    assert co.chance([0, 2, 4], [1, 2, 3]) == 0.5
    assert co.iqm([3.0]) == 3.0
    assert co.tail(2.045, 29) == pytest.approx(0.05, abs=5e-4)
    assert co.tail(2.776, 4) == pytest.approx(0.05, abs=2e-3)


def test_holm_by_hand() -> None:
    assert co.holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert co.holm([]) == []


@pytest.mark.parametrize(("r", "n"), [(0.5, 300), (0.9, 300), (0.9, 1200)])
def test_noise_is_seldom_taken_for_a_difference(r: float, n: int) -> None:
    rng = np.random.default_rng(5)
    halves = [(rows[:n], rows[n:]) for rows in (ar(rng, 2 * n, r) for _ in range(200))]
    told = [co.within(a, b, draws=100, seed=i).p for i, (a, b) in enumerate(halves)]
    wrong = sum(p is not None and p <= 0.05 for p in told)
    assert wrong / 200 <= 0.08
    if (r, n) == (0.9, 300):
        assert sum(p is None for p in told) > 185  # 16 independent rows
    if (r, n) == (0.5, 300):
        assert sum(p is None for p in told) < 10  # 100


def test_a_difference_is_seen_with_its_interval() -> None:
    rng = np.random.default_rng(2)
    pairs = [(ar(rng, 300, 0.5), 0.8 + ar(rng, 300, 0.5)) for _ in range(150)]
    told = [co.within(a, b, draws=200, seed=i) for i, (a, b) in enumerate(pairs)]
    assert np.mean([one.p is not None and one.p < 0.05 for one in told]) > 0.9
    assert np.mean([one.low <= 0.8 <= one.high for one in told if one.p is not None]) > 0.92


def test_too_few_rows_say_so() -> None:
    told = co.within(np.arange(10.0), np.arange(10.0) + 1)
    assert told.p is None
    assert co.FEW_ROWS in told.why
    with pytest.raises(ValueError, match="without rows"):
        co.within([np.nan], [1.0])
    assert stickiness(np.zeros(50)) == 1


def test_runs_are_cut_to_what_both_have() -> None:
    x, y = np.arange(0, 101), np.arange(0, 101) / 100
    low, high = co.common([x, x * 2])
    assert (low, high) == (0, 100)
    first, second = co.stretch(x, y, low, high), co.stretch(x * 2, y, low, high)
    assert first.area == pytest.approx(0.5)
    assert second.area == pytest.approx(0.25)
    assert first.end == pytest.approx(0.9)
    assert (first.n, second.n) == (21, 11)
    assert np.isnan(co.common([[0, 1], [2, 3]])).all()
    assert np.isnan(co.common([[0, 1], [np.nan]])).all()


def test_seeds_count_once() -> None:
    one = co.between([0.5], [0.6])
    assert one.difference.p is None
    assert "within-run noise only" in one.difference.why
    three = co.between([0.5, 0.51, 0.52], [0.6, 0.61, 0.62])
    assert three.difference.p is None  # 1 in 10 at best
    assert "cannot show" in three.difference.why
    five = co.between([0.50, 0.51, 0.52, 0.53, 0.54], [0.60, 0.61, 0.62, 0.63, 0.64])
    assert five.difference.p == pytest.approx(2 / 252)
    assert five.difference.low < 0.1 < five.difference.high
    assert five.chance == 1
    assert co.group([0.5, 0.6]).low is None


def test_the_interval_over_seeds_covers() -> None:
    rng = np.random.default_rng(3)
    told = [co.between(rng.normal(0, 1, 5), rng.normal(1, 1, 5), draws=300, seed=i) for i in range(200)]
    assert 0.92 <= np.mean([t.difference.low <= 1 <= t.difference.high for t in told]) <= 0.985
    assert np.mean([(t.difference.p or 1) <= 0.05 for t in told]) < 0.6
    same = [co.between(rng.normal(0, 1, 5), rng.normal(0, 1, 5), draws=50, seed=i) for i in range(200)]
    assert np.mean([(t.difference.p or 1) <= 0.05 for t in same]) <= 0.08


def test_tasks_are_strata() -> None:
    tasks = np.array([0.0, 10.0])
    drawn = co.group(tasks + np.random.default_rng(4).normal(0, 0.01, (6, 2)))
    assert drawn.low is not None
    assert drawn.high is not None
    assert drawn.high - drawn.low < 0.1  # drawn across tasks it would be wide
