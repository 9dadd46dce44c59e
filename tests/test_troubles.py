"""Each trouble but entropy's, against answers known beforehand (dynamics 3 to 7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analyses import synthetic
from analyses.contract import Context, Finding, Rows
from analyses.judge import detectors

N = 400
STEP = np.arange(N)


def said(trouble: str, rows: Rows, **context: Any) -> list[Finding]:
    return detectors()[trouble].scan({}, rows, Context(**context))[1]


def alarms(trouble: str, rows: Rows, **context: Any) -> list[Finding]:
    return [f for f in said(trouble, rows, **context) if f.state == "firing" and f.severity != "info"]


def noise(n: int, size: float, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, size, n)


def with_gap(values: Any, at: int, value: float) -> Any:
    changed = np.array(values, float)
    changed[at] = value
    return changed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("trouble", "rows", "within"),
    [
        ("truncation_surge", synthetic.length_crisis, 110),
        ("reward_hacking", synthetic.reward_hack, 50),
        ("mismatch", synthetic.drifting_apart, 65),
        ("gradient_blowup", synthetic.diverging, 40),
        ("reward_collapse", synthetic.entropy_blowup, 130),
    ],
)
def test_a_planted_trouble_is_found_after_its_onset_and_soon(trouble: str, rows: Any, within: int, seed: int) -> None:
    first, *_ = alarms(trouble, rows(onset=200, seed=seed))
    assert 200 <= first.detected_step <= 200 + within


def test_a_run_has_no_other_trouble_than_the_one_that_was_planted() -> None:
    assert {f.trouble for d in detectors() for f in alarms(d, synthetic.drifting_apart())} == {"mismatch"}
    assert {f.trouble for d in detectors() for f in alarms(d, synthetic.reward_hack())} == {"reward_hacking"}


@pytest.mark.parametrize("seed", range(3))
def test_policy_kl_that_grows_by_15_percent_a_row_is_found_within_25_rows(seed: int) -> None:
    calm = synthetic.noisy(np.full(N, 0.004), 0.3, seed)
    grown = synthetic.rows_of({"kl_policy_old": calm * np.minimum(1.15 ** np.clip(STEP - 100, 0, None), 1e4)})
    assert 100 < alarms("kl_blowup", grown)[0].detected_step <= 125
    flat = synthetic.rows_of({"kl_policy_old": -synthetic.noisy(np.full(10_000, 0.004), 0.3, seed)})
    assert said("kl_blowup", flat) == []


def test_every_twentyfold_gradient_is_a_spike_and_no_threefold_bump_is() -> None:
    base = synthetic.noisy(np.full(N, 0.2), 0.25, 1)
    bumps = np.where(np.isin(STEP, [80, 150, 260]), 3, 1)
    spikes = [100, 170, 300, 340]
    rows = synthetic.rows_of({"grad_norm": base * bumps * np.where(np.isin(STEP, spikes), 20, 1)})
    assert [f.detected_step for f in alarms("gradient_spike", rows)] == spikes
    assert alarms("gradient_blowup", rows) == []


@pytest.mark.parametrize("seed", range(3))
def test_reward_that_falls_in_15_rows_is_found_within_8_of_half_way(seed: int) -> None:
    fall = np.interp(STEP, [200, 215], [0.7, 0.1]) + noise(N, 0.05, seed)
    assert 203 <= alarms("reward_collapse", synthetic.rows_of({"reward_mean": fall}))[0].detected_step <= 216
    steady = synthetic.rows_of({"reward_mean": 0.6 + noise(10_000, 0.2, seed)})
    assert said("reward_collapse", steady) == []


def test_a_reward_that_comes_back_resolves_it() -> None:
    reward = np.interp(STEP, [200, 210, 240, 250], [0.7, 0.1, 0.1, 0.7]) + noise(N, 0.02)
    last = said("reward_collapse", synthetic.rows_of({"reward_mean": reward}))[-1]
    assert last.state == "resolved" and last.resolved_step is not None and 245 <= last.resolved_step <= 256


def test_lengths_that_fall_from_970_to_9_are_a_collapse_within_5_rows() -> None:
    length = synthetic.noisy(np.interp(STEP, [200, 210], [970, 9]), 0.03, 0)
    found = alarms("length_collapse", synthetic.rows_of({"response_length_mean": length}))
    assert 205 <= found[0].detected_step <= 212 and found[-1].severity == "critical"
    u_shaped = synthetic.rows_of({"response_length_mean": 1000 - 500 * np.sin(np.pi * STEP / N)})
    assert alarms("length_collapse", u_shaped) == [] == alarms("length_explosion", u_shaped)


def test_lengths_that_reward_follows_are_a_note_and_those_that_truncation_follows_an_alarm() -> None:
    length = synthetic.noisy(np.interp(STEP, [200, 215], [600, 2300]), 0.03, 0)
    paid = {"response_length_mean": length, "reward_mean": np.interp(STEP, [200, 215], [0.3, 0.8]) + noise(N, 0.02)}
    assert [f.severity for f in said("length_explosion", synthetic.rows_of(paid))][:1] == ["info"]
    lost = {"response_length_mean": length, "truncation_fraction": np.interp(STEP, [200, 215], [0.01, 0.4])}
    assert 205 <= alarms("length_explosion", synthetic.rows_of(lost))[0].detected_step <= 215


def test_a_high_but_steady_truncation_is_no_surge() -> None:
    assert said("truncation_surge", synthetic.rows_of({"truncation_fraction": np.ones(N)})) == []
    assert said("truncation_surge", synthetic.rows_of({"truncation_fraction": 0.3 + noise(N, 0.03)})) == []


def test_a_run_whose_groups_all_fail_from_the_start_has_no_signal() -> None:
    nothing = synthetic.rows_of({"reward_mean": np.zeros(50), "reward_std": np.zeros(50), "grad_norm": np.zeros(50)})
    first = alarms("dead_signal", nothing)[0]
    assert first.onset_step == 0 and first.detected_step <= 10 and "gradient is zero" in first.message


def test_the_clipped_share_is_compared_with_the_run_itself() -> None:
    gspo = synthetic.rows_of({"clip_fraction_total": 0.15 + noise(N, 0.01)})
    assert said("clip_saturation", gspo) == []
    grown = synthetic.rows_of({"clip_fraction_total": np.where(STEP < 200, 0.01, 0.2) + noise(N, 0.001)})
    assert 208 <= alarms("clip_saturation", grown)[0].detected_step <= 212


def test_a_loss_far_outside_is_a_spike_and_heavy_tails_are_not() -> None:
    loss = noise(N, 0.01)
    assert [
        f.detected_step for f in alarms("loss_spike", synthetic.rows_of({"policy_loss": with_gap(loss, 250, 3.0)}))
    ] == [250]
    heavy = np.random.default_rng(0).standard_t(2, N) * 0.05
    assert alarms("loss_spike", synthetic.rows_of({"policy_loss": heavy})) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_critical_at_once_and_over_after_five_rows(value: float) -> None:
    rows = synthetic.changed(synthetic.healthy(), grad_norm=with_gap(np.full(N, 0.2), 150, value))
    raised, over = said("non_finite", rows)
    assert (raised.severity, raised.detected_step, over.resolved_step) == ("critical", 150, 155)
    assert "gradient norm" in raised.message


def test_an_absent_value_is_no_nan() -> None:
    rows = synthetic.healthy(50)
    sparse = Rows(
        rows.steps,
        rows.walls,
        rows.attempts,
        {**rows.columns, "grad_norm": np.where(np.arange(50) % 5, np.nan, 0.2)},
        {**rows.logged, "grad_norm": np.arange(50) % 5 == 0},
    )
    assert said("non_finite", sparse) == []


def test_zeros_that_hide_a_nan_are_a_warning() -> None:
    zeros = {"entropy_token_mean": with_gap(np.full(50, 0.3), 20, 0), "grad_norm": with_gap(np.full(50, 0.2), 20, 0)}
    found = said("non_finite", synthetic.rows_of({**zeros, "reward_mean": np.full(50, 0.5)}))
    assert [(f.severity, f.state) for f in found] == [("warning", "firing"), ("warning", "resolved")]


def test_a_gap_of_two_hours_is_a_stall_that_is_over_with_the_next_row() -> None:
    raised, over = said("stalled", synthetic.stalled(after=120, gap=7200))
    assert (raised.onset_step, raised.detected_step, over.resolved_step) == (120, 121, 121)
    assert raised.evidence["gap_s"] == pytest.approx(7260, rel=0.01) and "2.0 h" in raised.message


def test_slow_steps_are_no_stall() -> None:
    slow = synthetic.rows_of({"reward_mean": np.full(60, 0.5)}, walls=2000.0 * np.arange(60))
    assert said("stalled", slow, now=2000.0 * 62) == []


def test_with_a_clock_the_last_row_tells_and_the_next_one_resolves() -> None:
    rows = synthetic.healthy(60)
    detector = detectors()["stalled"]
    state, found = detector.scan({}, rows.part(0, 50), Context(now=float(rows.walls[49]) + 3600))
    assert [(f.state, f.onset_step, f.detected_step) for f in found] == [("firing", 49, 50)]
    state, again = detector.scan(state, rows.part(50, 50), Context(now=float(rows.walls[49]) + 4000))
    assert again == []
    late = Rows(rows.steps, rows.walls + 3600, rows.attempts, rows.columns, rows.logged).part(50, 51)
    assert [f.state for f in detector.scan(state, late, Context(now=float(late.walls[0])))[1]] == ["resolved"]


def test_a_restart_counts_the_steps_that_are_walked_again() -> None:
    raised, over = said("restart", synthetic.restarted(died=250, resumed=240))
    assert (raised.severity, raised.attempt, raised.detected_step) == ("info", 2, 240)
    assert raised.evidence["lost_steps"] == 11 and raised.evidence["lost_s"] == pytest.approx(660)
    assert over.resolved_step == 251


def test_three_attempts_that_get_nowhere_are_a_loop() -> None:
    walks = [range(100), range(98, 103), range(100, 105), range(101, 106), range(103, 140)]
    steps = [step for walk in walks for step in walk]
    tries = [i + 1 for i, walk in enumerate(walks) for _ in walk]
    raised, over = said(
        "restart_loop", synthetic.rows_of({"reward_mean": np.ones(len(steps))}, steps=steps, attempts=tries)
    )
    assert (raised.severity, raised.detected_step, raised.attempt) == ("warning", 103, 5)
    assert raised.evidence["new_steps"] == [3, 2, 1] and over.state == "resolved"
    assert said("restart_loop", synthetic.restarted()) == []


def test_throughput_is_compared_at_equal_lengths() -> None:
    speed = synthetic.noisy(np.full(N, 3000.0), 0.03, 0)
    length = np.where(STEP < 200, 4000.0, 8000.0)
    alone = {"throughput_tokens_per_s_per_gpu": speed / (1 + (length > 5000)), "response_length_mean": length}
    assert said("throughput_drop", synthetic.rows_of(alone))[:1] == []
    slower = {"throughput_tokens_per_s_per_gpu": speed * np.where(STEP < 200, 1, 0.7)}
    found = alarms("throughput_drop", synthetic.rows_of({**slower, "response_length_mean": np.full(N, 4000.0)}))
    assert 208 <= found[0].detected_step <= 214


def test_rollouts_that_grow_old_are_named() -> None:
    age = np.where(STEP < 200, 1.0, 4.0)
    assert 203 <= alarms("stale_rollouts", synthetic.rows_of({"staleness_mean": age}))[0].detected_step <= 206
    limit = {"staleness_limit": 0.5}
    assert alarms("stale_rollouts", synthetic.rows_of({"staleness_mean": np.ones(30)}), settings=limit)


# -- what is a sign, and what is not


def left_after(half_life: float, floor: float) -> Any:
    """1 until step 100, then halved again and again, to `floor`."""
    return np.maximum(0.5 ** (np.clip(STEP - 100, 0, None) / half_life), floor)


def test_a_collapse_that_ends_on_a_plateau_is_over_and_says_so() -> None:
    rows = synthetic.changed(
        synthetic.entropy_collapse(onset=100, half_life=20, seed=1),
        entropy_token_mean=synthetic.noisy(0.4 * left_after(20, 0.35), 0.03, 2),
    )
    raised, *_, over = said("entropy_collapse", rows)
    assert raised.severity == "warning" and raised.detected_step < 140
    assert over.state == "resolved" and over.message.startswith("Entropy is at rest at 0.14")
    down = synthetic.entropy_collapse(onset=100, half_life=20, seed=1)  # to a hundredth: no rest for the dead
    assert not [f for f in said("entropy_collapse", down) if f.state == "resolved"]


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_lives_near_a_tenth_of_a_nat_is_no_collapse(seed: int) -> None:
    base, left = synthetic.healthy(seed=seed), np.interp(STEP, [200, 260], [1, 0.65])
    entropy = synthetic.noisy(0.08 * left, 0.03, seed)
    rows = synthetic.changed(base, entropy_token_mean=entropy, grad_norm=base.columns["grad_norm"] * left)
    assert alarms("entropy_collapse", rows) == []


def test_a_collapse_is_found_where_neither_gradients_nor_groups_are_logged() -> None:
    rows = synthetic.entropy_collapse(onset=150, half_life=25, seed=3)
    columns = {name: rows.columns[name] for name in ("entropy_token_mean", "reward_mean")}
    [first, *_] = alarms("entropy_collapse", synthetic.rows_of(columns))
    assert 150 < first.detected_step <= 210
    fall = synthetic.benign_decline(seed=3)
    paid = synthetic.rows_of({name: fall.columns[name][:150] for name in ("entropy_token_mean", "reward_mean")})
    assert alarms("entropy_collapse", paid) == []


def test_lengths_that_have_grown_all_along_are_no_sign_of_a_blow_up() -> None:
    rising = synthetic.benign_rise(gain=1.8)
    length = synthetic.noisy(2000 + 20.0 * STEP, 0.02, 1)
    rows = synthetic.changed(rising, entropy_token_mean=4 * rising.columns["entropy_token_mean"])
    assert alarms("entropy_blowup", synthetic.changed(rows, response_length_mean=length)) == []
    doubled = length * np.where(STEP > 210, 1.6, 1)  # what has begun with it is one
    assert alarms("entropy_blowup", synthetic.changed(rows, response_length_mean=doubled))


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 5.0)])
def test_a_reward_of_any_range_is_judged_as_one_between_0_and_1(low: float, high: float) -> None:
    for make in (synthetic.reward_hack, synthetic.healthy):
        rows = make(seed=4)
        score = np.where(STEP % 10 == 0, rows.columns["reward_mean"] * 0.9, np.nan)
        rows = rows if "val_score" in rows.columns else synthetic.changed(rows, val_score=score)
        wide = synthetic.changed(rows, reward_mean=low + (high - low) * rows.columns["reward_mean"])
        assert [f.detected_step for f in alarms("reward_hacking", wide)] == [
            f.detected_step for f in alarms("reward_hacking", rows)
        ]


def test_a_trick_that_works_on_every_prompt_is_seen_before_the_next_evaluation() -> None:
    """A tenth of what was lost is won on every prompt, then more: groups of 16 in which nothing is right vanish."""
    rng = np.random.default_rng(5)
    trick = np.clip((STEP - 205) / 60, 0, 1) * 0.9
    honest = 0.4 + noise(N, 0.01, 6)
    columns = {
        "reward_mean": honest + (1 - honest) * trick,
        "val_score": np.where(STEP % 100 == 0, 0.38 + rng.normal(0, 0.01, N), np.nan),
        "group_all_wrong_fraction": np.clip((0.12 + noise(N, 0.01, 7)) * (1 - trick) ** 16, 0, 1),
        "group_all_right_fraction": 0.05 + 0.2 * trick**2,
    }
    rows = synthetic.rows_of({**columns, "val_score": np.where(STEP < 10, np.nan, columns["val_score"])})
    more = synthetic.changed(rows, val_score=np.where(STEP % 20 == 0, 0.38 + rng.normal(0, 0.01, N), np.nan))
    first, *_ = alarms("reward_hacking", more)
    assert 205 < first.detected_step < 220 and "was last" in first.message
    skilled = synthetic.changed(more, group_all_wrong_fraction=np.clip(0.12 - 0.08 * trick, 0, 1))
    late, *_ = alarms("reward_hacking", skilled)
    assert late.detected_step > first.detected_step
