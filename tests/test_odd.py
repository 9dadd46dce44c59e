"""Odd steps: those that we planted, named with the metrics that make them odd."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses import synthetic
from analyses.odd import odd_steps

N = 300


def run(seed: int = 0) -> dict[str, np.ndarray]:
    return {name: column.copy() for name, column in synthetic.healthy(N, seed=seed).columns.items()}


@pytest.mark.parametrize("seed", range(3))
def test_planted_steps_come_first_with_the_metrics_that_make_them_odd(seed: int) -> None:
    metrics = run(seed)
    metrics["grad_norm"][120] *= 15
    metrics["kl_policy_old"][120] *= 10
    metrics["reward_mean"][200] -= 0.3
    metrics["response_length_mean"][200] *= 0.6
    found = odd_steps(10 * np.arange(N), metrics)
    assert {found[0].step, found[1].step} == {1200, 2000}
    why = {each.step: each.why for each in found[:2]}
    assert set(list(why[1200])[:2]) == {"grad_norm", "kl_policy_old"}
    assert set(list(why[2000])[:2]) == {"reward_mean", "response_length_mean"}
    assert why[2000]["reward_mean"] < -4 and why[1200]["grad_norm"] > 4
    assert 0 < found[-1].score <= found[0].score <= 1


def test_the_course_of_a_run_is_not_odd() -> None:
    """Entropy falls to a tenth and another metric swings: neither the steep start nor the turns are named."""
    step = np.arange(N)
    noise = np.random.default_rng(1).normal(0, 0.05, (2, N))
    metrics = {"entropy": 0.5 * np.exp(-step / 130) + 0.1 * noise[0], "loss": np.sin(step / 40) + noise[1]}
    assert odd_steps(step, metrics) == []


def test_infinite_is_as_odd_as_can_be_and_absent_is_not() -> None:
    metrics = run()
    metrics["grad_norm"][77] = np.inf
    metrics["reward_mean"][100:120] = np.nan
    first, *others = odd_steps(np.arange(N), metrics)
    assert first.step == 77 and first.why["grad_norm"] == 50
    assert not any(100 <= each.step < 120 and "reward_mean" in each.why for each in others)


def test_too_short_constant_or_empty_says_nothing() -> None:
    assert odd_steps(np.arange(10), {"a": np.arange(10.0)}) == []
    assert odd_steps(np.arange(N), {}) == []
    assert odd_steps(np.arange(N), {"a": np.full(N, 0.3), "b": np.full(N, np.nan)}) == []


def test_the_library_is_loaded_only_when_it_is_asked() -> None:
    code = "import sys, analyses.odd; sys.exit('sklearn' in sys.modules)"
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(), min_size=35, max_size=35))
def test_any_numbers_are_survived(values: list[float]) -> None:
    for each in odd_steps(np.arange(35), {"a": np.array(values), "b": np.arange(35.0)}):
        assert 0 <= each.step < 35 and np.isfinite(each.score) and all(np.isfinite(v) for v in each.why.values())
