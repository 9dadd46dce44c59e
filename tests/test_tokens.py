"""Entropy token by token (dynamics 2.4, 2.5): the oracles."""

from __future__ import annotations

import numpy as np
import pytest

from analyses import tokens


def test_a_fifth_of_the_tokens_holds_most_of_the_entropy() -> None:
    told = tokens.forks(np.r_[np.full(20, 1.2), np.full(80, 0.05)])
    assert told.mass == pytest.approx(0.24 / 0.28)
    assert 0.05 < told.edge < 1.2
    assert (told.top, told.rest) == (pytest.approx(1.2), pytest.approx(0.05))
    assert told.quantiles[0] == pytest.approx(0.05)
    with pytest.raises(ValueError, match="no token"):
        tokens.forks([np.nan])
    assert tokens.forks([0.5]).n == 1


def test_the_same_text_forks_at_the_same_tokens() -> None:
    probe = np.random.default_rng(0).exponential(0.3, 500)
    assert tokens.overlap(probe, probe) == 1
    assert tokens.overlap(probe, probe * 0.1) == 1
    assert tokens.overlap(probe, -probe) == 0
    with pytest.raises(ValueError, match="one text"):
        tokens.overlap(probe, probe[:3])


def test_positions_are_relative_and_responses_count_alike() -> None:
    long, short = np.repeat([1.0, 0.0], 100), np.repeat([1.0, 0.0], 10)
    told = tokens.by_position(np.r_[long, short], np.r_[np.zeros(200), np.ones(20)])
    assert told[:10].tolist() == [1.0] * 10
    assert told[10:].tolist() == [0.0] * 10
    assert np.isnan(tokens.by_position([], [])).all()


def test_right_and_wrong_differ_with_an_interval_over_prompts() -> None:
    rng = np.random.default_rng(1)
    prompts, right = np.repeat(np.arange(100), 8), rng.random(800) < 0.5
    entropies = 0.3 + 0.1 * ~right + np.repeat(rng.normal(0, 0.05, 100), 8)
    _, low, high = tokens.by_outcome(entropies, right, prompts)
    assert low < 0.1 < high
    assert high - low < 0.03
    assert np.isnan(tokens.by_outcome([0.1], [True], ["a"])).all()


def test_entropy_falls_as_the_covariance_says() -> None:
    """A softmax of three arms, one step of policy gradient: dH = -eta Cov(log p, advantage) to first order."""
    logits, reward, eta = np.array([0.5, 0.0, -0.3]), np.array([1.0, 0.2, 0.0]), 1e-4

    def entropy(z: np.ndarray) -> float:
        p = np.exp(z) / np.exp(z).sum()
        return float(-(p * np.log(p)).sum())

    p = np.exp(logits) / np.exp(logits).sum()
    advantage = reward - p @ reward
    natural = logits + eta * advantage  # the natural gradient of the logits
    covariance = float(p @ (advantage * (np.log(p) - p @ np.log(p))))
    assert entropy(natural) - entropy(logits) == pytest.approx(-eta * covariance, rel=1e-3)
    drawn = np.random.default_rng(2).choice(3, 400_000, p=p)
    told = tokens.driver(advantage[drawn], np.log(p)[drawn])
    assert told.mean == pytest.approx(covariance, rel=0.02)
    assert told.above == (0.0, 0.0)
    with pytest.raises(ValueError, match="no token"):
        tokens.driver([], [])


def test_few_tokens_hold_the_covariance() -> None:
    advantages, logprobs = np.r_[100.0, np.zeros(9999)], np.r_[5.0, np.zeros(9999)]
    told = tokens.driver(advantages, logprobs)
    assert told.few == pytest.approx(1.0, abs=1e-3)
    assert told.above == (1e-4, 1e-4)
