"""Clip, signal, timing: analyses with the answers known beforehand."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

from analyses import clipping, level, signal, timing
from answers.sources import sources
from db.block import Block
from db.engine import open_store, writing
from tests.stores import make_run


@pytest.mark.parametrize("module", [clipping, signal, timing], ids=lambda m: m.__name__)
def test_the_examples_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
    assert doctest.testmod(module).attempted > 0  # type: ignore[arg-type]


def test_the_interval_of_a_level_covers_what_it_says() -> None:
    rng = np.random.default_rng(3)
    for stickiness, least in ((0.0, 0.93), (0.5, 0.87)):
        hits = 0
        for _ in range(1_000):
            noise = rng.standard_normal(70)
            for i in range(1, 70):
                noise[i] += stickiness * noise[i - 1]
            found = level.level(noise)
            assert found
            hits += found.low <= 0 <= found.high
        assert least <= hits / 1_000 <= 0.985


def test_a_level_of_little_has_no_interval() -> None:
    assert level.level(np.array([np.nan, np.inf])) is None
    few = level.level(np.array([1.0, np.nan, 3.0]))
    assert few
    assert (few.value, few.rows, np.isnan(few.low)) == (2.0, 2, True)
    flat = level.level(np.full(30, 0.25))
    assert flat
    assert (flat.value, flat.low, flat.high, flat.rows) == (0.25, 0.25, 0.25, 20)


def test_drift_is_per_hundred_steps() -> None:
    steps = np.arange(0, 400, 2)
    found = level.drift(steps, 0.003 * steps + 0.01 * np.sin(steps))
    assert found
    assert found.slope == pytest.approx(0.3, rel=0.02)
    assert found.clear
    assert level.drift(steps[:5], steps[:5] * 1.0) is None


def test_the_spread_is_found_from_what_is_clipped() -> None:
    total = sum(clipping.shares(0.07, 0.2, 0.28))
    assert clipping.spread_of(total, 0.2, 0.28) == pytest.approx(0.07, rel=1e-6)
    assert clipping.spread_of(0.0, 0.2, 0.28) is None
    assert clipping.spread_of(0.9, 0.2, 0.28) is None


def test_asymmetry_runs_from_below_to_above() -> None:
    low, high = np.array([0.0, 0.02, 0.01, 0.0]), np.array([0.01, 0.0, 0.01, 0.0])
    assert np.array_equal(clipping.asymmetry(low, high), [1.0, -1.0, 0.0, np.nan], equal_nan=True)


def test_another_mix_alone_changes_nothing_within() -> None:
    means = np.array([0.9, 0.1])
    within, mix = signal.within_and_mix(means, means, np.array([0.5, 0.5]), np.array([0.8, 0.2]))
    assert within == 0
    assert mix == pytest.approx(0.24)
    within, mix = signal.within_and_mix(means, means + 0.05, np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    assert within == pytest.approx(0.05)
    assert mix == 0


def test_the_effective_sample_size_counts_equal_weights() -> None:
    assert signal.effective_sample_size(np.array([1.0, -1.0, 1.0, 0.0])) == 3
    assert signal.effective_sample_size(np.zeros(4)) == 0


def test_planted_shares_come_back() -> None:
    step = np.full(30, 100.0)
    parts = {"generation": np.full(30, 70.0), "update": np.full(30, 20.0)}
    parts["update"][3] = np.nan
    assert timing.shares(step, parts) == ({"generation": 0.7, "update": 0.2}, pytest.approx(0.9))
    assert timing.shares(step, {}) == ({}, 0.0)


def test_longer_responses_alone_are_no_slowdown() -> None:
    rng = np.random.default_rng(5)
    length = np.concatenate([np.linspace(2_000, 4_000, 200), np.full(20, 5_000.0)])
    speed = 3e6 / length * np.exp(0.02 * rng.standard_normal(220))
    same = timing.change(speed, length)
    assert same
    assert abs(same.value) < 0.03
    speed[-20:] *= 0.7
    slower = timing.change(speed, length)
    assert slower
    assert slower.value == pytest.approx(-0.3, abs=0.03)
    length[-20:] *= 3
    assert timing.change(speed, length) is None


def test_the_bubble_is_what_the_longest_makes_the_others_wait() -> None:
    assert timing.bubble(np.array([25.0, 5.0]), np.array([100.0, 0.0])).tolist()[0] == 0.75
    assert timing.log_spread(np.exp(0.18), np.exp(0.18) * np.sqrt(np.expm1(0.36))) == pytest.approx(0.6)


def test_another_mix_of_sources_is_told_from_better_answers(tmp_path: Path) -> None:
    names = ("batch/math", "batch/code", "train/math/all/solver/rewards/right/mean")
    names += ("train/code/all/solver/rewards/right/mean",)
    early, late = [0.5, 0.5, 0.9, 0.1], [0.8, 0.2, 0.9, 0.1]
    values = np.array([early] * 20 + [late] * 20)
    block = Block(names, np.arange(40), np.full(40, np.nan), values)
    with writing(open_store(f"sqlite:///{tmp_path / 's.db'}")) as connection:
        run_id = make_run(connection, "lab", "mixed", [block], trainer="prime-rl")
        found = sources(connection, run_id)
    assert found
    assert found.names == ["code", "math"]
    assert found.within == pytest.approx(0)
    assert found.mix == pytest.approx(0.24)
    assert "0.24 comes from another mix of them" in found.sentence
