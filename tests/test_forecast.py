"""Where a score is heading (dynamics 6.3): the oracle's curve, when it is identifiable, and when to stop."""

from __future__ import annotations

import numpy as np
import pytest

from analyses import sigmoid
from analyses.forecast import Forecast, forecast

START, CEILING, STEEP, MIDDLE = 0.3, 0.6, 1.2, 2000.0


def truth(compute: np.ndarray) -> np.ndarray:
    return START + (CEILING - START) / (1 + (MIDDLE / np.maximum(compute, 1e-9)) ** STEEP)


def run(last: float, seed: int, *, draws: int = 60) -> Forecast:
    compute = np.r_[np.zeros(3), np.linspace(last / 40, last, 40)]
    return forecast(compute, truth(compute) + np.random.default_rng(seed).normal(0, 0.005, 43), draws=draws)


def test_the_curve_is_scalerls() -> None:
    assert truth(np.array([500.0, 2000.0, 8000.0])).round(4).tolist() == [0.3478, 0.45, 0.5522]
    one = sigmoid.Fits(*(np.array([x]) for x in (CEILING, START, np.log(MIDDLE), np.log(STEEP), 0.0)))
    assert one.at(np.log([500.0, 2000.0, 8000.0]))[0] == pytest.approx([0.3478, 0.45, 0.5522], abs=1e-4)


def test_without_noise_the_fit_is_exact() -> None:
    compute = np.r_[0.0, np.linspace(1000, 8000, 12)]
    found = forecast(compute, truth(compute), draws=20)
    assert found.ceiling is not None
    assert found.middle is not None
    assert (found.ceiling.value, found.middle.value) == (pytest.approx(0.6, abs=1e-4), pytest.approx(2000, rel=1e-3))
    assert (found.start, found.steepness) == (pytest.approx(0.3, abs=1e-3), pytest.approx(1.2, abs=1e-2))
    assert found.identifiable


def test_the_ceiling_is_found_when_there_is_enough() -> None:
    found = [run(8000, seed) for seed in range(12)]
    assert all(one.identifiable for one in found)
    assert sum(abs(one.ceiling.value - CEILING) <= 0.02 for one in found if one.ceiling) >= 11
    assert sum(one.ceiling.low <= CEILING <= one.ceiling.high for one in found if one.ceiling) >= 11
    assert sum(one.middle.low <= MIDDLE <= one.middle.high for one in found if one.middle) >= 11
    assert all(one.best != "line" for one in found)


def test_up_to_half_of_the_middle_nothing_is_claimed() -> None:
    found = [run(1000, seed) for seed in range(12)]
    assert not any(one.identifiable for one in found)
    assert {one.advice for one in found} == {"cannot tell"}
    assert "half-way" in found[0].why or "wide range" in found[0].why


def test_stop_when_a_quarter_more_brings_nothing() -> None:
    compute = np.r_[0.0, np.geomspace(200, 60_000, 40)]
    noisy = truth(compute) + np.random.default_rng(1).normal(0, 0.01, 41)
    done = forecast(compute, noisy, np.full(41, 0.01))
    assert done.advice == "stop"
    assert "a quarter more compute" in done.because
    assert forecast(compute[:20], noisy[:20], np.full(20, 0.01)).advice != "stop"


def test_too_few_and_flat_and_broken() -> None:
    assert "8 are needed" in forecast([1, 2, 3], [0.1, 0.2, 0.3]).why
    assert forecast([], []).n == 0
    assert forecast([1, 2], [np.nan, np.inf]).n == 0
    flat = forecast(np.arange(1, 41), np.full(40, 0.5), draws=20)
    assert not flat.identifiable
    falling = forecast(np.arange(1, 41), np.linspace(0.6, 0.3, 40), draws=20)
    assert not falling.identifiable
    rewards = forecast(np.arange(0, 400), 5 * truth(np.arange(0, 400) * 40.0), top=np.inf, draws=20)
    assert rewards.ceiling is not None
    assert rewards.ceiling.value == pytest.approx(3.0, rel=0.02)


def test_a_line_is_told_as_a_line() -> None:
    compute = np.linspace(100, 4000, 40)
    line = forecast(compute, 0.2 + compute / 20_000 + np.random.default_rng(2).normal(0, 0.002, 40), draws=20)
    assert not line.identifiable
    assert dict(line.errors)["line"] < 0.005


def test_the_same_input_gives_the_same_numbers() -> None:
    assert run(8000, 3) == run(8000, 3)
