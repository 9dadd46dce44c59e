"""Lengths against the limit: the closed-form answers of dynamics 3.1, 3.4 and 3.5."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyses import length

MU, SIGMA, LIMIT = math.log(4000), 0.6, 8192.0


def test_the_share_beyond_the_limit_and_the_mean_up_to_it() -> None:
    assert float(length.cut_at(MU, SIGMA, LIMIT)) == pytest.approx(0.1161, abs=5e-5)
    assert float(length.capped_mean(MU, SIGMA, LIMIT)) == pytest.approx(4418, abs=0.5)


@given(st.floats(4, 10), st.floats(0.1, 1.5), st.floats(0.002, 0.9))
def test_mean_and_share_give_the_distribution_back(mu: float, sigma: float, cut: float) -> None:
    limit = math.exp(mu + sigma * float(length.normal_ppf(1 - cut)))
    found = length.from_cut(length.capped_mean(mu, sigma, limit), cut, limit)
    assert [float(one) for one in found] == pytest.approx([mu, sigma], rel=1e-4)


def test_numbers_that_no_distribution_has_are_refused() -> None:
    for mean, cut in ((9000, 0.1), (100, 0.5), (4000, 0.0), (4000, 1.0)):
        assert all(np.isnan(one) for one in length.from_cut(mean, cut, LIMIT))


def test_mean_and_quantile_give_the_distribution_back() -> None:
    found = length.from_quantile(math.exp(MU + SIGMA**2 / 2), math.exp(MU + 1.6448536 * SIGMA))
    assert [float(one) for one in found] == pytest.approx([MU, SIGMA], rel=1e-4)


def test_tobit_sees_through_the_limit() -> None:
    drawn = np.exp(np.random.default_rng(0).normal(MU, SIGMA, 20_000))
    mu, sigma = length.tobit(np.minimum(drawn, LIMIT), LIMIT)
    assert mu == pytest.approx(MU, abs=0.02) and sigma == pytest.approx(SIGMA, abs=0.02)
    naive = np.log(np.minimum(drawn, LIMIT))
    assert naive.std() < 0.56  # what ignoring the limit would say
    assert all(math.isnan(one) for one in length.tobit(np.full(5, LIMIT), LIMIT))


def test_the_forecast_at_other_limits() -> None:
    rng = np.random.default_rng(1)
    mean, cut = 4418 + rng.normal(0, 40, 40), 0.1161 + rng.normal(0, 0.006, 40)
    told = length.forecast(mean, cut, LIMIT, [4096, 8192, 16384])
    truth = [float(length.cut_at(MU, SIGMA, limit)) for limit in (4096, 8192, 16384)]
    assert told.cut.tolist() == pytest.approx(truth, abs=0.01)
    assert all(told.low < truth) and all(truth < told.high)
    assert told.rows == length.ROWS and told.at(16384)[0] == told.cut[2]
    assert math.isnan(told.at(1.0)[0])


def test_the_forecast_says_why_there_is_none() -> None:
    rows = np.full(20, 4000.0)
    with pytest.raises(ValueError, match="no response is cut off"):
        length.forecast(rows, np.zeros(20), LIMIT, [LIMIT])
    with pytest.raises(ValueError, match="fewer than 3 rows"):
        length.forecast(rows[:2], np.full(2, 0.1), LIMIT, [LIMIT])
    with pytest.raises(ValueError, match="no lognormal"):
        length.forecast(rows, np.full(20, 0.9), LIMIT, [LIMIT])
    told = length.forecast(rows, np.zeros(20), LIMIT, [LIMIT], np.full(20, 7500.0))
    assert told.basis == "mean length and 95th percentile"


def test_growth_moves_the_forecast() -> None:
    later = length.cut_later(MU, SIGMA, LIMIT, 0.005, [0, 100])
    assert later.tolist() == pytest.approx([0.1161, float(length.cut_at(MU + 0.5, SIGMA, LIMIT))], abs=1e-4)


def test_what_truncation_hides() -> None:
    assert length.bounds(0.5, 0.2) == pytest.approx((0.40, 0.60))
    assert length.bounds(0.5, 0.0) == (0.5, 0.5)


def test_the_accounting_of_the_mask() -> None:
    """8 samples, 2 truncated and wrong, 3 right: the group's mean stays 3/8, for the masked ones count in it."""
    one = length.masked(3 / 8, 2 / 8, limit=100, mean_length=50)
    assert (one.shown, one.alone) == (0.375, 0.5)
    assert one.tokens == 0.5  # 200 of the 400 tokens are in masked responses


def test_length_that_only_follows_difficulty_is_no_difference_within_prompts() -> None:
    prompt = np.repeat([0, 1], 20)
    tokens = np.where(prompt == 0, 100.0, 1000.0)
    right = np.r_[[True] * 15 + [False] * 5, [True] * 5 + [False] * 15]
    one = length.within(prompt, tokens, right)
    assert one.median == 0 and one.pooled == pytest.approx(math.log(10) / 2) and one.gap == one.pooled
    assert one.prompts == 2 and math.isnan(one.p)


def test_wrong_answers_that_are_longer_within_each_prompt() -> None:
    rng = np.random.default_rng(0)
    prompt, right = np.repeat(np.arange(50), 8), np.tile([True, False], 200)
    tokens = np.exp(rng.normal(6, 0.3, 400) + np.where(right, 0, math.log(3)))
    one = length.within(prompt, tokens, right)
    assert one.low < math.log(3) < one.high and one.p < 1e-6 and one.prompts == 50


def test_prompts_of_one_outcome_say_nothing() -> None:
    one = length.within(np.arange(6), np.full(6, 100.0), np.ones(6, bool))
    assert one.prompts == 0 and math.isnan(one.median) and math.isnan(one.pooled)
    assert length.within(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool)).responses == 0


@pytest.mark.parametrize(("d", "p"), [([1, 1, 1, 1, 1], 0.0625), ([1, -1], 1.0), ([1, 1, 1, -1, 0], 0.625)])
def test_the_sign_test(d: list[int], p: float) -> None:
    assert length.sign_test(np.array(d, float)) == pytest.approx(p)


def test_what_a_longer_limit_could_gain() -> None:
    """Prompt 0: 2 of 4 cut, finished ones all right; prompt 1: 1 of 4 cut, 1 of 3 finished right; prompt 2: all cut."""
    prompt = np.repeat([0, 1, 2], 4)
    cut = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1], bool)
    right = np.array([0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0], bool)
    one = length.if_extended(prompt, cut, right)
    assert one.gain == pytest.approx((2 * 1 + 1 / 3) / 12)
    assert (one.prompts, one.unknown) == (3, 4) and one.low <= one.gain <= one.high
    assert math.isnan(length.if_extended(np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, bool)).gain)
