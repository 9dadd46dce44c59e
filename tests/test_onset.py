"""Which signal moved first: planted bends are found where they are, and noise bends nowhere."""

from __future__ import annotations

import numpy as np
import pytest

from analyses.onset import bend, order

STEPS = np.arange(200)


def bent(at: int, slope: float, seed: int, *, noise: float = 0.1, before: float = 0.0) -> np.ndarray:
    clean = before * STEPS + slope * np.maximum(STEPS - at, 0)
    return clean + np.random.default_rng(seed).normal(0, noise, 200)


def test_a_bend_is_found_with_its_interval() -> None:
    found = [bend("x", STEPS, bent(100, 0.02, seed, before=0.003), draws=100, seed=seed) for seed in range(60)]
    assert all(one is not None and one.up for one in found)
    assert np.mean([one.low <= 100 <= one.high for one in found if one]) >= 0.9
    assert abs(np.median([one.step for one in found if one]) - 100) <= 3


def test_down_is_down() -> None:
    one = bend("reward", STEPS, bent(120, -0.03, 1))
    assert one is not None
    assert not one.up


@pytest.mark.parametrize("stick", [0.0, 0.7])
def test_noise_and_lines_bend_nowhere(stick: float) -> None:
    rng, wrong = np.random.default_rng(2), 0
    for _ in range(150):
        rows = rng.normal(0, 1, 200)
        for i in range(1, 200):
            rows[i] += stick * rows[i - 1]
        wrong += bend("x", STEPS, rows + 0.02 * STEPS, draws=10) is not None
    assert wrong / 150 <= 0.05


def test_the_order_and_its_ties() -> None:
    told = order(
        {
            "entropy": (STEPS, bent(110, 0.03, 1)),
            "length": (STEPS, bent(109, 0.03, 2)),
            "overlong": (STEPS, bent(60, 0.03, 3)),
            "reward": (STEPS, bent(150, -0.03, 4)),
            "calm": (STEPS, bent(0, 0.0, 5)),
            "short": (STEPS[:5], STEPS[:5]),
            "gone": (STEPS, np.full(200, np.nan)),
        }
    )
    assert [(one.name, one.rank) for one in told.moved] == [
        ("overlong", 1),
        *((name, 2) for name in [one.name for one in told.moved[1:3]]),
        ("reward", 3),
    ]
    assert {one.name for one in told.moved[1:3]} == {"entropy", "length"}
    assert told.still == ("calm", "short", "gone")


def test_thousands_of_rows_cost_little() -> None:
    many = np.arange(50_000)
    one = bend("x", many, np.maximum(many - 20_000, 0) / 1e4 + np.random.default_rng(6).normal(0, 1, 50_000))
    assert one is not None
    assert one.low <= 20_000 <= one.high
