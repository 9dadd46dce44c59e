"""R = b - a e^H (dynamics 2.3): exact on the oracle, silent where it does not hold."""

from __future__ import annotations

import numpy as np
import pytest

from analyses.entropy_law import intervention, law, pairs

H = [0.8, 0.6, 0.4, 0.3, 0.2, 0.1]


def test_the_oracle_is_exact() -> None:
    found = law(H, 0.85 - 0.25 * np.exp(H))
    assert found.applies
    assert found.a is not None
    assert found.b is not None
    assert found.ceiling is not None
    assert (found.a.value, found.b.value) == (pytest.approx(0.25), pytest.approx(0.85))
    assert found.ceiling.value == pytest.approx(0.60)
    assert found.ceiling.high - found.ceiling.low < 1e-9
    assert found.held_out < 1e-9
    first, last = 0.85 - 0.25 * np.exp(0.8), 0.85 - 0.25 * np.exp(0.1)
    assert found.spent == pytest.approx((last - first) / (0.6 - first))


@pytest.mark.parametrize(
    ("entropies", "a", "settings", "why"),
    [
        (H[:5], 0.25, {}, "5 evaluations"),
        (np.linspace(0.1, 0.2, 8), 0.25, {}, "moved too little"),
        (H, -0.25, {}, "does not rise"),
        ([*H, 1e3], 0.0, {}, "more than any vocabulary"),
        (H, 0.25, {"entropy_coef": 0.001}, "bonus of 0.001"),
        (H, 0.25, {"clip_low": 0.2, "clip_high": 0.28}, "upper clip (0.28)"),
        (H, 0.25, {"entropy_target": 0.2}, "held at a target"),
        (H, 0.25, {"loss_mode": "kl_cov"}, "covariance"),
    ],
)
def test_it_says_why_it_does_not_apply(entropies: list[float], a: float, settings: dict[str, object], why: str) -> None:
    found = law(entropies, 0.85 - a * np.exp(np.minimum(entropies, 9)), settings=settings)
    assert not found.applies
    assert why in found.why


def test_noise_is_not_a_law() -> None:
    found = law(np.linspace(0.9, 0.1, 20), np.random.default_rng(0).normal(0.4, 0.02, 20))
    assert not found.applies


def test_plain_settings_do_not_steer() -> None:
    assert intervention({"clip_low": 0.2, "clip_high": 0.2, "entropy_coef": 0, "loss_mode": "vanilla"}) == ""


def test_the_interval_covers() -> None:
    entropies, rng = np.linspace(0.9, 0.1, 24), np.random.default_rng(1)
    clean = 0.85 - 0.25 * np.exp(entropies)
    found = [law(entropies, clean + rng.normal(0, 0.01, 24), draws=300, seed=i).ceiling for i in range(400)]
    assert 0.92 <= np.mean([one.low <= 0.6 <= one.high for one in found if one]) <= 0.98


def test_entropy_is_that_around_the_evaluation() -> None:
    steps = np.arange(100)
    entropy = np.where(steps < 50, 1.0, 0.5)
    near, scores = pairs([20, 50, 90, 200], [0.1, 0.2, np.nan, 0.4], steps, entropy)
    assert near.tolist() == pytest.approx([1.0, (5 * 1.0 + 6 * 0.5) / 11])
    assert scores.tolist() == [0.1, 0.2]
