"""Stages, chains and hand-offs: the closed-form answers of the definitions, on planted runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analyses import handoff, stages
from analyses.handoff import Floats, Side, dip_and_recovery, elasticity, hand_off
from analyses.stages import Declared, Evidence

NOTHING = np.full(60, np.nan)


def evidence(n: int = 60, **columns: Floats) -> Evidence:
    blank = {name: np.full(n, np.nan) for name in ("logged", "longest", "cut")}
    return Evidence(np.arange(n), **{**blank, **columns})


def told(found: list[stages.Stage]) -> list[tuple[int, int, float | None, str]]:
    return [(one.first, one.last, one.limit, one.origin) for one in found]


# -- stages


def test_the_config_gives_one_stage() -> None:
    assert told(stages.stages(evidence(), 8192.0)) == [(0, 59, 8192.0, "config")]


def test_nothing_known_is_one_unknown_stage() -> None:
    assert told(stages.stages(evidence(), None)) == [(0, 59, None, "unknown")]
    assert stages.stages(evidence(0), None) == []


def test_a_limit_that_moves_in_the_log_is_believed_over_the_config() -> None:
    moved = np.where(np.arange(60) < 20, 8192.0, 16384.0)
    assert told(stages.stages(evidence(logged=moved), 16384.0)) == [
        (0, 19, 8192.0, "logged"),
        (20, 59, 16384.0, "logged"),
    ]


def test_a_person_is_believed_over_everything() -> None:
    moved = np.where(np.arange(60) < 20, 8192.0, 16384.0)
    found = stages.stages(
        evidence(logged=moved), 16384.0, [Declared(40, 24576.0, "第三阶段"), Declared(50, None, "new data")]
    )
    assert told(found) == [
        (0, 19, 8192.0, "logged"),
        (20, 39, 16384.0, "logged"),
        (40, 49, 24576.0, "declared"),
        (50, 59, 24576.0, "declared"),
    ]
    assert [one.name for one in found] == ["", "", "第三阶段", "new data"]


def test_the_level_that_lengths_saturate_at_is_inferred() -> None:
    rng = np.random.default_rng(1)
    free = rng.integers(400, 900, 60).astype(float)
    longest = np.where(np.arange(60) < 30, 1000.0, np.minimum(2000, free + 1200))
    longest[[35, 40, 44, 50, 55, 58]] = 2000.0
    cut = np.where(np.isin(longest, [1000, 2000]), 0.1, 0.0)
    found = stages.stages(evidence(longest=longest, cut=cut), None)
    assert told(found) == [(0, 29, 1000.0, "inferred"), (30, 59, 2000.0, "inferred")]
    assert (found[0].touched, found[0].rows) == (30, 30) and found[1].touched >= 6


def test_a_restart_with_a_longer_limit_leaves_its_older_rows_to_the_shorter_one() -> None:
    """The config of a run is that of its newest launch; what came before ran into another limit."""
    longest = np.where(np.arange(60) < 30, 1000.0, 2000.0)
    found = stages.stages(evidence(longest=longest, cut=np.full(60, 0.1)), 2000.0)
    assert told(found) == [(0, 29, 1000.0, "inferred"), (30, 59, 2000.0, "config")]
    other = stages.stages(evidence(longest=longest, cut=np.full(60, 0.1)), 4000.0)
    assert told(other) == [(0, 59, 4000.0, "config")]  # a limit that no response has met


def test_a_natural_maximum_is_no_limit() -> None:
    assert told(stages.stages(evidence(longest=np.full(60, 45.0), cut=np.zeros(60)), None)) == [
        (0, 59, None, "unknown")
    ]
    different = np.random.default_rng(0).permutation(np.arange(60.0)) + 100
    assert told(stages.stages(evidence(longest=different), None)) == [(0, 59, None, "unknown")]


# -- chains


def test_a_run_that_counts_from_zero_is_put_behind_its_parent() -> None:
    assert stages.offsets([0, 0, 1], [30, 30, 25]) == [0, 30, 60]


def test_a_run_that_counts_on_is_left_alone() -> None:
    assert stages.offsets([0, 1041, 1520], [1040, 1519, 2000]) == [0, 0, 0]


def test_a_row_that_stands_for_four_steps_costs_four() -> None:
    spent = stages.running_total(np.array([4, 8, 12]), np.array([10.0, np.nan, 20.0]), 0)
    assert spent.tolist() == [40, 100, 180]


def test_curves_are_compared_at_the_same_budget() -> None:
    spent = np.arange(1.0, 101)
    level = stages.level_at(spent, spent / 100, 50)
    assert level is not None and level.value == pytest.approx(0.44) and level.rows == 13
    assert stages.level_at(spent, spent / 100, 200) is None  # it never spent so much


# -- hand-offs


def side(steps: np.ndarray, reward: Floats, *, length: float, cut: float, tokens: float, seconds: float) -> Side:
    n = len(steps)
    return Side(steps, reward, *(np.full(n, one) for one in (cut, length, tokens, seconds)))


def planted(noise: float, seed: int = 0) -> tuple[Side, Side]:
    """A dip of .04 that recovers as exp(-t/20) under a climb of .0004 a step; length x 1.5 as the limit doubles."""
    rng = np.random.default_rng(seed)
    before, after = np.arange(-99, 1), np.arange(1, 121)
    climb = 0.6 - 0.04 * np.exp(-after / 20) + 0.0004 * after
    pre = side(before, 0.6 + rng.normal(0, noise, 100), length=4000, cut=0.065, tokens=1e6, seconds=100)
    post = side(after, climb + rng.normal(0, noise, 120), length=6000, cut=0.009, tokens=1.5e6, seconds=230)
    return pre, post


def test_what_a_switch_did_in_numbers() -> None:
    one = hand_off(*planted(0.0), (8192, 16384), changed=[])
    assert one.elasticity == pytest.approx(0.585, abs=5e-4)
    assert one.dip == pytest.approx(-0.04, abs=0.005)
    assert (one.tokens_ratio, one.seconds_ratio) == (1.5, 2.3)
    assert one.slope_before.value == 0 and [gain.steps for gain in one.gains] == [50, 100, 120]
    expected = np.mean([-0.04 * np.exp(-t / 20) + 0.0004 * t for t in range(76, 101)])
    assert one.gains[1].change.value == pytest.approx(expected, abs=1e-9)
    assert "truncated 6.5 % before, 0.9 % after" in one.sentence
    assert "1.5× the tokens and 2.3× the seconds" in one.sentence


@pytest.mark.parametrize("seed", range(5))
def test_the_planted_dip_recovers_when_it_does(seed: int) -> None:
    """Without noise the smoothed curve is back at the step computed here; with noise within 3 steps of it."""
    after = np.arange(1, 121)
    clean = 0.6 - 0.04 * np.exp(-after / 20) + 0.0004 * after
    truth = int(after[np.flatnonzero(handoff.smoothed(clean) >= 0.6)[0]])
    assert truth == 31  # the curve itself crosses at 26.5, the average lags by 4
    one = hand_off(*planted(0.003, seed), (8192, 16384))
    assert one.recovered is not None and abs(one.recovered - truth) <= 3


def test_a_dip_that_does_not_recover_is_censored() -> None:
    pre, post = planted(0.0)
    early = Side(*(getattr(post, name)[:20] for name in ("steps", "reward", "cut", "length", "tokens", "seconds")))
    one = hand_off(pre, early, (8192, 16384))
    assert one.recovered is None and one.seen == 20 and "not back within 20 steps" in one.sentence


def test_a_loss_is_better_when_it_falls() -> None:
    steps = np.arange(1, 101)
    loss = 2.0 + 0.3 * np.exp(-steps / 10) - 0.002 * steps
    pre = side(np.arange(-60, 1), np.full(61, 2.0), length=np.nan, cut=np.nan, tokens=np.nan, seconds=np.nan)
    post = side(steps, loss, length=np.nan, cut=np.nan, tokens=np.nan, seconds=np.nan)
    one = hand_off(pre, post, (4096, 16384), good="down", name="loss", changed=[])
    assert one.dip > 0.2 and one.recovered is not None and one.gains[1].change.value < 0


def test_no_causal_word_where_several_settings_changed() -> None:
    one = hand_off(*planted(0.0), (8192, 16384), changed=[("rollouts_per_prompt", "8", "16")])
    assert (
        "Also changed: rollouts_per_prompt" in one.sentence and "cannot be put down to the limit alone" in one.sentence
    )
    assert "is not known" in hand_off(*planted(0.0), (8192, 16384)).sentence
    for word in ("because", "caused", "due to", "thanks to", "helped"):
        assert word not in one.sentence


def test_gain_per_gpu_hour() -> None:
    pre, post = planted(0.0)
    one = hand_off(pre, post, (8192, 16384), gpus=8)
    spent = 230 * 120 / 3600 * 8
    assert one.per_hour == pytest.approx(one.gains[-1].change.value / spent)


def test_scores_go_before_reward_in_the_value() -> None:
    pre, post = planted(0.0)
    scored = [
        Side(
            *(getattr(one, n) for n in ("steps", "reward", "cut", "length", "tokens", "seconds")),
            (np.arange(4), np.full(4, v)),
        )
        for one, v in ((pre, 0.33), (post, 0.38))
    ]
    one = hand_off(scored[0], scored[1], (8192, 16384))
    assert one.score_gain == pytest.approx(0.05) and one.per_hour == pytest.approx(0.05 / (230 * 120 / 3600))


def test_an_empty_or_blank_side_is_unknown() -> None:
    empty = Side(*(np.zeros(0, np.int64), *[np.zeros(0)] * 5))
    for one in (hand_off(empty, empty, (None, None)), hand_off(planted(0.0)[0], empty, (24, 36))):
        assert math.isnan(one.dip) and one.gains == () and "too few rows" in one.sentence
    blank = Side(np.arange(1, 61), *[NOTHING] * 5)
    assert "too few rows" in hand_off(blank, blank, (24, 36)).sentence


@pytest.mark.parametrize(("old", "new", "then"), [(None, 16384, 6000), (8192, 8192, 6000), (8192, 16384, 0)])
def test_an_elasticity_that_has_no_meaning_is_unknown(old: float | None, new: float, then: float) -> None:
    assert math.isnan(elasticity(4000, then, old, new))
    assert dip_and_recovery(math.nan, np.arange(3), np.zeros(3)) == (pytest.approx(math.nan, nan_ok=True), None)


def test_the_interval_of_a_gain_covers() -> None:
    """No change, white noise: about one in twenty intervals misses 0 (all figures: benchmarks/README.md)."""
    rng = np.random.default_rng(3)
    before, after = np.arange(-49, 1), np.arange(1, 51)
    hits = 0
    for _ in range(300):
        one = handoff.gain(before, rng.normal(0, 0.02, 50), after, rng.normal(0, 0.02, 50), 50)
        hits += one.low <= 0 <= one.high
    assert 0.90 <= hits / 300 <= 0.99
